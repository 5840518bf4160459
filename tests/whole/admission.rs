//! Who gets a connection: each bound holds, is told, and disturbs nobody who is in.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use crate::support::{
    gateway::Gateway,
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// Pings, and is answered.
#[track_caller]
fn assert_served(wire: &mut Wire) {
    wire.send(&wire::packet(0xC0, &[]));
    assert_eq!(wire.expect("PINGRESP").first, 0xD0);
}

/// Whether a new client is served.
fn is_admitted(gateway: &Gateway, client_id: &str) -> bool {
    let mut wire = Wire::open(gateway.address());
    wire.send(&wire::connect(V311, client_id));
    wire.receive().is_some()
}

#[track_caller]
fn assert_told(gateway: &Gateway, what: &str) {
    wait_for(PATIENCE, what, || gateway.stderr().contains(what));
}

#[test]
fn an_address_beyond_its_bound_is_refused_and_others_are_not() {
    let gateway = Gateway::start(
        "[[listener]]\npath = \"mqtt.sock\"\n[limits]\nmax_connections_per_address = 2\n",
    );
    let first = Wire::connect(gateway.address(), V311, "first");
    let mut second = Wire::connect(gateway.address(), V311, "second");
    assert!(!is_admitted(&gateway, "third"));
    assert_told(&gateway, "open from this address");
    assert_served(&mut second);

    let mut local = UnixStream::connect(gateway.data_dir().join("mqtt.sock")).unwrap();
    local.write_all(&wire::connect(V311, "local")).unwrap();
    let mut answer = [0; 4];
    local.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);

    drop(first);
    wait_for(PATIENCE, "there is place again", || {
        is_admitted(&gateway, "third")
    });
}

#[test]
fn connections_beyond_the_rate_are_refused_and_a_moment_later_they_are_not() {
    let gateway = Gateway::start("[limits]\nmax_connections = 3\nconnect_rate = 1\n");
    let mut first = Wire::connect(gateway.address(), V311, "first");
    for client_id in ["second", "third"] {
        Wire::connect(gateway.address(), V311, client_id);
    }
    // Places are free, and the burst is over.
    wait_for(PATIENCE, "the rate is told", || {
        is_admitted(&gateway, "fourth");
        gateway
            .stderr()
            .contains("more connections come in a second")
    });
    assert_served(&mut first);
    wait_for(PATIENCE, "the next second has come", || {
        is_admitted(&gateway, "fifth")
    });
}

#[test]
fn clients_that_say_nothing_keep_nobody_out() {
    let gateway = Gateway::start("[limits]\nmax_handshakes = 50\nconnect_timeout = \"10m\"\n");
    let mut before = Wire::connect(gateway.address(), V311, "before");
    let mut silent = Vec::new();
    for round in 1..=10 {
        silent.extend((0..100).map(|_| Wire::open(gateway.address())));
        let began = Instant::now();
        let mut client = Wire::connect(gateway.address(), V311, &round.to_string());
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "a client waited {:?} beside {} silent ones",
            began.elapsed(),
            silent.len()
        );
        assert_served(&mut client);
        // The newest stay, which shows that it is the oldest that go.
        wait_for(PATIENCE, "the oldest silent ones are closed", || {
            silent.retain_mut(|wire| !wire.has_ended());
            silent.len() <= 50
        });
        assert!(!silent.is_empty());
    }
    assert_served(&mut before);
    assert_told(&gateway, "its place was needed");

    // A silent one may still change its mind.
    let mut last = silent.pop().unwrap();
    last.greet(V311, "last");
}

#[test]
fn silent_clients_that_hold_every_place_make_room_for_one_that_speaks() {
    let gateway = Gateway::start("[limits]\nmax_connections = 5\nconnect_timeout = \"10m\"\n");
    let mut first = Wire::connect(gateway.address(), V311, "first");
    let _silent: Vec<_> = (0..4).map(|_| Wire::open(gateway.address())).collect();
    wait_for(PATIENCE, "a silent one makes room", || {
        is_admitted(&gateway, "second")
    });
    assert_served(&mut first);
}
