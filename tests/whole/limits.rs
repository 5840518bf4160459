//! What the configuration bounds: the bound is told, and holds for nobody else.

use std::time::Duration;

use crate::support::{
    gateway::Gateway,
    version::Version::{self, V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

#[test]
fn a_connection_beyond_the_limit_is_closed_and_there_is_place_when_another_leaves() {
    let gateway = Gateway::start("[limits]\nmax_connections = 2\n");
    let first = Wire::connect(gateway.address(), V311, "first");
    let mut second = Wire::connect(gateway.address(), V311, "second");
    let mut third = Wire::open(gateway.address());
    assert_eq!(third.receive(), None);
    second.send(&wire::packet(0xC0, &[]));
    assert_eq!(second.expect("PINGRESP").first, 0xD0);

    drop(first);
    wait_for(PATIENCE, "there is place again", || {
        let mut third = Wire::open(gateway.address());
        third.send(&wire::connect(V311, "third"));
        third.receive().is_some_and(|answer| answer.body == [0, 0])
    });
}

#[test]
fn a_subscription_beyond_the_limit_is_refused_and_the_others_stay() {
    let gateway = Gateway::start("[limits]\nmax_subscriptions_per_client = 2\n");
    for (version, refused) in [(V311, 0x80), (V5, 0x97)] {
        let mut client = Wire::connect(gateway.address(), version, "subscriber");
        client.subscribe(version, "a", 1);
        client.subscribe(version, "b", 1);
        client.send(&wire::subscribe(version, 3, b"c", 1));
        assert_eq!(client.expect("SUBACK").body.last(), Some(&refused));
        client.subscribe(version, "a", 0);
    }
}

#[test]
fn an_mqtt_5_client_beyond_the_receive_maximum_is_disconnected_and_one_at_it_is_not() {
    let gateway = Gateway::start("[limits]\nreceive_maximum = 2\n");
    let mut client = Wire::connect(gateway.address(), V5, "eager");
    for id in 1..=2 {
        client.send(&wire::publish(V5, 2, id, b"t", b"not released"));
        assert_eq!(client.expect("PUBREC").first, 0x50);
    }
    // The first is over with its PUBCOMP, and makes place for a third.
    client.send(&wire::packet(0x62, &[0, 1]));
    assert_eq!(client.expect("PUBCOMP").first, 0x70);
    client.send(&wire::publish(V5, 1, 3, b"t", b"acknowledged at once"));
    assert_eq!(client.expect("PUBACK").first, 0x40);
    client.send(&wire::publish(V5, 2, 4, b"t", b"not released"));
    assert_eq!(client.expect("PUBREC").first, 0x50);

    client.send(&wire::publish(V5, 2, 5, b"t", b"one too many"));
    let farewell = client.expect("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x93));
    assert_eq!(client.receive(), None);
}

#[test]
fn a_client_that_is_silent_for_too_long_is_closed_and_one_that_pings_is_not() {
    let gateway = Gateway::start("");
    for version in Version::ALL {
        let mut silent = keeping_alive(&gateway, version, "silent", 1);
        let mut lively = keeping_alive(&gateway, version, "lively", 1);
        let mut is_closed = false;
        let began = std::time::Instant::now();
        while !is_closed {
            lively.send(&wire::packet(0xC0, &[]));
            assert_eq!(lively.expect("PINGRESP").first, 0xD0);
            crate::support::wait::pause(Duration::from_millis(100));
            is_closed = silent.has_ended();
            assert!(
                began.elapsed() < PATIENCE,
                "MQTT {version}: the silent one is not closed"
            );
        }
        assert!(
            began.elapsed() > Duration::from_millis(1_300),
            "MQTT {version}: closed too soon"
        );
        lively.send(&wire::packet(0xC0, &[]));
        assert_eq!(lively.expect("PINGRESP").first, 0xD0);
    }
}

fn keeping_alive(gateway: &Gateway, version: Version, client_id: &str, seconds: u8) -> Wire {
    let mut connect = wire::connect(version, client_id);
    let keep_alive = 2 + 2 + version.protocol().0.len() + 3;
    connect[keep_alive] = seconds;
    let mut wire = Wire::open(gateway.address());
    wire.send(&connect);
    assert_eq!(wire.expect("CONNACK").body[1], 0);
    wire
}
