//! Connections that are half open, half closed, or slower than anybody should wait for.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{NOTHING, Target};
use crate::support::{
    device::{Device, Hello, PUBACK, Publish},
    version::Version::{V5, V311},
    wait::{PATIENCE, pause, wait_for},
    wire::{self, Wire},
};

/// A CONNECT byte by byte would take a minute.
#[test]
fn a_connect_that_comes_byte_by_byte_has_no_more_time_than_any_other() {
    const CLIENTS: usize = 50;
    let mut target = Target::start("[limits]\nconnect_timeout = \"1s\"");
    let connect = Hello::clean(V311, "x".repeat(600)).encode();
    let mut slow: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| TcpStream::connect(target.address()).expect("the gateway takes connections"))
        .collect();
    let began = Instant::now();
    for bytes in connect.chunks(1) {
        for stream in &mut slow {
            // Closed ones fail.
            stream.write_all(bytes).ok();
        }
        pause(Duration::from_millis(20));
        if began.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    for stream in &mut slow {
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        let mut answer = [0];
        let answered = stream.read(&mut answer);
        assert!(
            !matches!(answered, Ok(1..)),
            "a CONNECT was answered: {answer:x?}"
        );
    }
    target.withstands("slow CONNECTs", NOTHING);
}

/// A socket of which one half is closed was polled in a loop, or kept for ever.
#[test]
fn a_client_that_has_closed_its_half_hears_what_is_due_and_is_let_go() {
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V5, "subscriber");
    for filter in ["half", "will"] {
        subscriber.subscribe(filter, 0);
    }
    let files = target.gateway.open_files();
    let mut halves = Vec::new();
    for number in 0..100 {
        let stream = TcpStream::connect(target.address()).expect("the gateway takes connections");
        let version = if number % 2 == 0 { V311 } else { V5 };
        let mut bytes = Hello::clean(version, format!("half-{number}"))
            .will(Publish::new("will", "gone"))
            .encode();
        bytes.extend(Publish::new("half", "x").qos(1).encode(version, 7));
        (&stream).write_all(&bytes).expect("the gateway reads");
        stream
            .shutdown(Shutdown::Write)
            .expect("the socket is open");
        let mut wire = Wire::over(stream);
        assert_eq!(wire.expect("CONNACK").first, 0x20);
        let answer = wire.expect("PUBACK");
        assert_eq!((answer.first, wire::acknowledged(&answer)), (PUBACK, 7));
        assert_eq!(wire.receive(), None);
        assert_eq!(subscriber.message("the message").topic, "half");
        assert_eq!(subscriber.message("the will").topic, "will");
        // It stays as it is: closed by the gateway, and not by the client.
        halves.push(wire);
    }
    wait_for(PATIENCE, "the sockets are given back", || {
        target.gateway.open_files() <= files
    });
    target.withstands("half-closed sockets", NOTHING);
}

/// mosquitto CVE-2023-5632: a socket that sent nothing was polled in a loop.
#[test]
fn connections_on_which_nothing_happens_cost_no_time() {
    const WATCHED: Duration = Duration::from_secs(1);
    let mut target = Target::start("[limits]\nsys_interval = \"0s\"");
    let silent: Vec<Wire> = (0..100).map(|_| Wire::open(target.address())).collect();
    let half: Vec<Wire> = (0..100)
        .map(|number| {
            let mut wire = Wire::connect(target.address(), V5, &format!("half-{number}"));
            // The beginning of a packet.
            wire.send(&[0x30, 0x7F, 0]);
            wire
        })
        .collect();
    target.goes_on("silence");
    let before = target.gateway.cpu_time();
    pause(WATCHED);
    let spent = target.gateway.cpu_time() - before;
    assert!(spent < WATCHED / 5, "{spent:?} for nothing");
    drop((silent, half));
    target.withstands("silence", NOTHING);
}

/// Half a packet and then nothing, or the end.
#[test]
fn a_packet_that_never_ends_is_forgotten_with_its_connection() {
    let mut target = Target::start("");
    let files = target.gateway.open_files();
    for round in 0..5 {
        let mut open = Vec::new();
        for number in 0..100 {
            let mut wire = Wire::connect(target.address(), V5, &format!("never-{number}"));
            let bytes = Publish::new("t", "x".repeat(500_000)).encode(V5, 0);
            wire.send(&bytes[..100_000 + number]);
            open.push(wire);
        }
        target.goes_on("half packets");
        drop(open);
        wait_for(PATIENCE, "the sockets are given back", || {
            target.gateway.open_files() <= files
        });
        if round == 1 {
            target.rest();
        }
    }
    target.withstands("packets that never end", NOTHING);
}

/// NanoMQ CVE-2024-48077: what was received filled the memory when nobody could take it.
#[test]
fn clients_that_read_nothing_hold_no_more_than_their_bounds() {
    const DEAF: usize = 50;
    const FLOOD: usize = 200;
    let mut target = Target::start(
        "[limits]\nmailbox_messages = 1000\nmailbox_bytes = \"64KiB\"\n\
         mailbox_bytes_total = \"2MiB\"\nsession_queue_bytes = \"1MiB\"",
    );
    let mut deaf: Vec<Device> = (0..DEAF)
        .map(|number| {
            let mut device = Device::connect(target.address(), V5, &format!("deaf-{number}"));
            device.subscribe("flood", 0);
            device
        })
        .collect();
    target.rest();
    let mut publisher = Device::connect(target.address(), V311, "publisher");
    for _ in 0..FLOOD {
        let bytes = Publish::new("flood", "x".repeat(60_000)).encode(V311, 0);
        publisher.wire.send(&bytes);
        publisher.ping();
    }
    // Each has 64 KiB in its output beside its mailbox, and one message over each bound.
    target.withstands("clients that read nothing", 40 << 20);
    for device in &mut deaf {
        assert_eq!(device.message("what it had room for").topic, "flood");
    }
}
