//! What breaks MQTT on the wire: the specification's reason code where there is one, the
//! connection closed, and the client beside it undisturbed.

mod breaches;
mod first_packets;

use std::time::{Duration, Instant};

use crate::{
    bad_packets::{
        breaches::{BREACHES, BREACHES_OF_V5, Breach, MALFORMED, TOPIC_FILTER_INVALID},
        first_packets::first_packets,
    },
    support::{
        bystander::Bystander,
        gateway::Gateway,
        random::Random,
        version::Version::{self, V5, V31, V311},
        wire::{self, Packet, Wire, packet, publish, string, subscribe},
    },
};

#[test]
fn a_client_that_breaks_the_protocol_is_told_why_and_closed_and_others_go_on() {
    let gateway = Gateway::start("");
    let mut bystander = Bystander::beside(gateway.address());
    let mut failures = Vec::new();
    for version in Version::ALL {
        let of_v5 = BREACHES_OF_V5.iter().filter(|_| version == V5);
        for Breach {
            what,
            bytes,
            reasons,
        } in BREACHES.iter().chain(of_v5)
        {
            let mut wire = Wire::connect(gateway.address(), version, "breaker");
            wire.send(&bytes(version));
            let farewell = wire.receive();
            let is_right = match &farewell {
                // MQTT 5, 4.13.2: DISCONNECT with the reason, then the end.
                Some(Packet { first: 0xE0, body }) => {
                    version == V5 && reasons.contains(&body[0]) && wire.receive().is_none()
                }
                Some(_) => false,
                None => version != V5,
            };
            if !is_right {
                failures.push(format!(
                    "MQTT {version}, {what}: {farewell:x?}, not {reasons:x?}"
                ));
            }
            bystander.goes_on(what);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_first_packet_that_is_no_proper_connect_ends_the_connection_and_others_go_on() {
    let gateway = Gateway::start("");
    let mut bystander = Bystander::beside(gateway.address());
    let mut failures = Vec::new();
    for (what, bytes, answer) in first_packets() {
        let mut wire = Wire::open(gateway.address());
        wire.send(&bytes);
        let found = wire.receive();
        let is_closed = found.is_none() || wire.receive().is_none();
        if code(found.as_ref()) != code(answer.as_ref()) || !is_closed {
            failures.push(format!(
                "{what}: {found:x?}, not {answer:x?}; closed: {is_closed}"
            ));
        }
        bystander.goes_on(what);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// An answer up to its code; what may follow is for people.
fn code(answer: Option<&Packet>) -> Option<(u8, &[u8])> {
    answer.map(|packet| (packet.first, &packet.body[..2]))
}

#[test]
fn an_invalid_filter_is_refused_alone_and_the_connection_goes_on() {
    let gateway = Gateway::start("");
    for version in Version::ALL {
        let mut wire = Wire::connect(gateway.address(), version, "subscriber");
        let refused = if version == V5 {
            TOPIC_FILTER_INVALID
        } else {
            0x80
        };
        for filter in [
            "",
            "a/#/b",
            "a#",
            "#a",
            "+a",
            "a/b+",
            "a/++",
            "$share/g",
            "$share//a",
            "$share/+/a",
        ] {
            let mut both = subscribe(version, 7, b"good", 1);
            both.extend_from_slice(&string(filter.as_bytes()));
            both.push(1);
            wire.send(&packet(0x82, &both[2..]));
            let answer = wire.expect("SUBACK");
            assert_eq!(answer.first, 0x90);
            let codes = &answer.body[answer.body.len() - 2..];
            assert_eq!(codes, [1, refused], "MQTT {version}, {filter:?}");
        }
        wire.send(&publish(version, 0, 0, b"good", b"served"));
        let message = wire.expect("the message");
        assert!(message.body.ends_with(b"served"), "{message:?}");
    }
}

#[test]
fn noise_from_many_clients_harms_nobody() {
    const CLIENTS: u64 = 600;
    let (mut random, seed) = Random::seeded();
    println!("seed {seed}");
    let gateway = Gateway::start("");
    let mut bystander = Bystander::beside(gateway.address());
    for client in 0..CLIENTS {
        let version = Version::ALL[random.within(0..3) as usize];
        let mut wire = Wire::connect(gateway.address(), version, "noisy");
        for _ in 0..random.within(1..8) {
            wire.send(&noise(&mut random, version));
        }
        if client % 50 == 0 {
            bystander.goes_on("noise");
        }
    }
    bystander.goes_on("all noise");
    let log = gateway.stderr();
    assert!(!log.contains("panicked"), "{log}");
}

/// A packet that is right, broken in one byte or cut, or no packet at all.
fn noise(random: &mut Random, version: Version) -> Vec<u8> {
    let id = random.within(1..4) as u16;
    let mut bytes = match random.within(0..7) {
        0 => publish(version, 1, id, b"noise/1", b"payload"),
        1 => publish(version, 2, id, "noise/ü".as_bytes(), b"payload"),
        2 => subscribe(version, id, b"noise/#", 2),
        3 => packet(0x62, &id.to_be_bytes()),
        4 => packet(0x50, &id.to_be_bytes()),
        5 => wire::puback(id),
        _ => (0..random.within(1..40))
            .map(|_| random.within(0..256) as u8)
            .collect(),
    };
    let place = random.within(0..bytes.len() as u64) as usize;
    match random.within(0..4) {
        0 => bytes[place] = random.within(0..256) as u8,
        1 => bytes.truncate(place),
        _ => {}
    }
    bytes
}

#[test]
fn what_comes_before_a_broken_packet_is_taken_and_acknowledged() {
    let gateway = Gateway::start("");
    let mut bystander = Wire::connect(gateway.address(), V31, "bystander");
    bystander.subscribe(V31, "before", 1);
    let mut wire = Wire::connect(gateway.address(), V5, "breaker");
    let mut bytes = publish(V5, 1, 77, b"before", b"good");
    bytes.extend_from_slice(&publish(V5, 3, 78, b"before", b"bad"));
    bytes.extend_from_slice(&publish(V5, 1, 79, b"before", b"too late"));
    wire.send(&bytes);

    let ack = wire.expect("PUBACK");
    assert_eq!((ack.first, wire::acknowledged(&ack)), (0x40, 77));
    let farewell = wire.expect("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, MALFORMED));
    assert_eq!(wire.receive(), None);
    let message = bystander.expect("the good message");
    assert_eq!(wire::delivered(V31, &message).1, b"good");
    bystander.send(&publish(V31, 1, 1, b"before", b"end"));
    let next = [bystander.expect("the end"), bystander.expect("the end")];
    let next = next
        .iter()
        .find(|packet| packet.first != 0x40)
        .expect("a message");
    assert_eq!(wire::delivered(V31, next).1, b"end");
}

#[test]
fn a_connect_that_never_comes_or_never_ends_is_waited_for_no_longer_than_configured() {
    let gateway = Gateway::start("[limits]\nconnect_timeout = \"1s\"");
    let mut bystander = Bystander::beside(gateway.address());
    let connect = wire::connect(V311, "slow");
    for (what, bytes) in [("nothing", &[][..]), ("half a CONNECT", &connect[..10])] {
        let started = Instant::now();
        let mut wire = Wire::open(gateway.address());
        wire.send(bytes);
        assert_eq!(wire.receive(), None, "{what}");
        let waited = started.elapsed();
        let allowed = Duration::from_millis(900)..Duration::from_secs(10);
        assert!(allowed.contains(&waited), "{what}: closed after {waited:?}");
        bystander.goes_on(what);
    }
    // Who has sent CONNECT may be silent.
    bystander.goes_on("a silence longer than the time for CONNECT");
}
