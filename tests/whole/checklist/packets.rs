//! Packets that lie about themselves: cut off, of the wrong kind, or far too large.

use super::{NOTHING, Target};
use crate::support::{
    device::{Device, Hello, Message, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack},
    version::Version::{self, V5, V311},
    wire::{Packet, Wire, packet, string},
};

/// One packet of each kind that an accepted client may send, each with all its fields.
fn one_of_each(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    let v5 = version == V5;
    let publish = Publish::new("cut/off", "payload");
    let (filter, properties): (_, &[u8]) = (string(b"cut/off"), if v5 { &[0] } else { &[] });
    let subscribe = [&[0, 9], properties, &filter, &[1]].concat();
    let unsubscribe = [&[0, 9], properties, &filter].concat();
    let mut packets = vec![
        ("PUBLISH at QoS 0", publish.encode(version, 0)),
        (
            "PUBLISH at QoS 1",
            publish.clone().qos(1).encode(version, 9),
        ),
        ("PUBLISH at QoS 2", publish.qos(2).encode(version, 9)),
        ("SUBSCRIBE", packet(0x82, &subscribe)),
        ("UNSUBSCRIBE", packet(0xA2, &unsubscribe)),
    ];
    for (name, first) in [
        ("PUBACK", PUBACK),
        ("PUBREC", PUBREC),
        ("PUBREL", PUBREL),
        ("PUBCOMP", PUBCOMP),
    ] {
        packets.push((name, ack(first, 9)));
        if v5 {
            packets.push((name, packet(first, b"\0\x09\0\x06\x1f\0\x03why")));
        }
    }
    if v5 {
        packets.push(("DISCONNECT", packet(0xE0, b"\0\x05\x11\0\0\0\0")));
        packets.push(("AUTH", packet(0xF0, b"\x18\x06\x15\0\x03abc")));
    }
    packets
}

/// NanoMQ issues 2268 and 2270, Mochi issue 501: fields were read behind the end of the packet.
#[test]
fn a_packet_that_ends_inside_a_field_is_never_read_beyond_its_end() {
    let mut target = Target::start("");
    for version in [V311, V5] {
        for (name, whole) in one_of_each(version) {
            for cut in 0..whole.len() - 2 {
                let mut wire = Wire::connect(target.address(), version, "cutter");
                wire.send(&packet(whole[0], &whole[2..2 + cut]));
                // A PINGREQ behind it is answered only if the packet made sense.
                wire.send(&packet(0xC0, &[]));
                let what = format!("MQTT {version}, {name} with {cut} bytes");
                while let Some(answer) = wire.receive() {
                    if answer.first == 0xD0 {
                        break;
                    }
                    let leads_nowhere = answer.first == 0x90 || answer.first == 0xB0;
                    assert!(!leads_nowhere, "{what} was answered with {answer:x?}");
                }
            }
            target.goes_on(name);
        }
    }
    let hello = Hello::clean(V5, "cut")
        .property(b"\x21\0\x05")
        .will(Publish::new("w", "gone").qos(1).property(b"\x18\0\0\0\0"))
        .encode();
    for cut in 2..hello.len() {
        let mut wire = Wire::open(target.address());
        wire.send(&packet(0x10, &hello[2..cut]));
        let answer = wire.receive();
        let is_refused = answer.is_none_or(|answer| answer.body[1] >= 0x80);
        assert!(is_refused, "a CONNECT of {cut} bytes was accepted");
        assert_eq!(wire.receive(), None, "CONNECT cut at {cut}");
    }
    target.withstands("packets that end too early", NOTHING);
}

/// Wrong reserved bits, and mosquitto CVE-2021-28166: a packet that only servers send.
#[test]
fn only_the_first_bytes_that_a_client_may_send_are_taken() {
    let mut target = Target::start("");
    for version in [V311, V5] {
        for first in 0..=u8::MAX {
            let is_allowed = matches!(
                first,
                0x30..=0x35 | 0x3A..=0x3D | 0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xA2 | 0xC0 | 0xE0
            );
            if is_allowed {
                continue;
            }
            let mut wire = Wire::connect(target.address(), version, "first");
            wire.send(&packet(first, b"\0\x01a\0\x01"));
            match wire.receive() {
                Some(Packet { first: 0xE0, body }) => {
                    assert!(version == V5 && body[0] >= 0x80, "{first:#x}: {body:x?}");
                    assert_eq!(wire.receive(), None, "{first:#x}");
                }
                Some(other) => panic!("{first:#x} was answered with {other:x?}"),
                None => assert_ne!(version, V5, "{first:#x} ends without a reason"),
            }
        }
        target.goes_on("first bytes that nobody sends");
    }
    target.withstands("packets of no kind", NOTHING);
}

/// sol issue 15, mosquitto CVE-2023-0809: packets before CONNECT were handled, or kept.
#[test]
fn nothing_is_done_for_a_client_that_has_not_connected() {
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V5, "subscriber");
    subscriber.subscribe("cut/off", 1);
    for version in [V311, V5] {
        for (name, bytes) in one_of_each(version) {
            let mut wire = Wire::open(target.address());
            wire.send(&bytes);
            wire.send(&Hello::clean(version, "late").encode());
            assert_eq!(wire.receive(), None, "{name} before CONNECT");
        }
    }
    let mut publisher = Device::connect(target.address(), V5, "publisher");
    assert_eq!(
        subscriber.messages_before_marker(&mut publisher, "cut/off"),
        []
    );
    target.withstands("packets before CONNECT", NOTHING);
}

/// mosquitto CVE-2017-7651 and CVE-2017-7654: a CONNECT that says it is large took memory.
#[test]
fn a_packet_takes_no_more_memory_than_has_come_of_it() {
    const EACH: usize = 200;
    let mut target = Target::start("");
    let mut claims = Vec::new();
    for (first, length) in [
        // As large as the packet size allows, 255 MiB, and the largest there is.
        (0x10, &[0xF0, 0xFF, 0x3F][..]),
        (0x10, &[0x80, 0x80, 0xC0, 0x7F]),
        (0x10, &[0xFF, 0xFF, 0xFF, 0x7F]),
        (0x30, &[0xF0, 0xFF, 0x3F]),
    ] {
        for number in 0..EACH {
            let mut wire = if first == 0x10 {
                Wire::open(target.address())
            } else {
                Wire::connect(target.address(), V311, &format!("claim-{number}"))
            };
            wire.send(&[&[first], length, b"\0\x04MQTT\x04\x02\0\0\0\x01c"].concat());
            claims.push(wire);
        }
    }
    target.withstands("large packets that do not come", 16 << 20);
    drop(claims);
}

/// A broker that answered each of them took minutes, or its stack.
#[test]
fn a_subscribe_of_ten_thousand_filters_is_answered_filter_by_filter() {
    const FILTERS: usize = 10_000;
    let mut target = Target::start("");
    let filters: Vec<String> = (0..FILTERS)
        .map(|number| format!("many/{number}"))
        .collect();
    let filters: Vec<(&[u8], u8)> = filters.iter().map(|text| (text.as_bytes(), 1)).collect();
    for (version, refused) in [(V311, 0x80), (V5, 0x97)] {
        let mut device = Device::connect(target.address(), version, "greedy");
        let subscribe = device.subscribe_packet(7, &[], &filters);
        device.wire.send(&subscribe);
        let answer = device.answer("SUBACK");
        let codes = &answer.body[answer.body.len() - FILTERS..];
        let granted = codes.iter().filter(|code| **code == 1).count();
        assert_eq!(granted, 1_000, "MQTT {version}");
        assert!(codes[granted..].iter().all(|code| *code == refused));
        target.goes_on("many filters");
    }
    target.withstands("many filters", 24 << 20);
}

/// Each filter begins anew, so a broker that compares them all with each other is busy for
/// minutes.
#[test]
fn a_subscribe_that_repeats_its_filter_a_hundred_thousand_times_holds_nobody_up() {
    const TIMES: usize = 100_000;
    let mut target = Target::start("");
    let mut publisher = Device::connect(target.address(), V311, "publisher");
    publisher.publish(&Publish::new("a", "retained").qos(1).retained());
    let mut device = Device::connect(target.address(), V5, "stutterer");
    for filter in ["a", "b", "a/#"] {
        let filters: Vec<(&[u8], u8)> = vec![(filter.as_bytes(), 0); TIMES];
        let subscribe = device.subscribe_packet(7, &[], &filters);
        device.wire.send(&subscribe);
        let answer = device.answer("SUBACK");
        assert_eq!(answer.body.len(), 3 + TIMES);
    }
    target.goes_on("a filter that is repeated");
    // The retained message comes once for each filter that matches, and the end behind it.
    let retained = device.messages_before_marker(&mut publisher, "a");
    let texts: Vec<&str> = retained.iter().map(Message::text).collect();
    assert_eq!(texts, ["retained"; 2]);
    target.withstands("a filter that is repeated", 64 << 20);
}

/// A packet that comes in pieces costs its own client time, and nobody else.
#[test]
fn a_packet_may_come_byte_by_byte() {
    let mut target = Target::start("");
    for version in [V311, V5] {
        let mut slow = Wire::open(target.address());
        let mut bytes = Hello::clean(version, "slow").encode();
        bytes.extend(Publish::new("slow", "x").qos(2).encode(version, 7));
        bytes.extend(ack(PUBREL, 7));
        let mut answers = Vec::new();
        for byte in bytes {
            slow.send(&[byte]);
            crate::support::wait::pause(std::time::Duration::from_micros(200));
        }
        for _ in 0..3 {
            answers.push(slow.expect("an answer").first);
        }
        assert_eq!(answers, [0x20, PUBREC, PUBCOMP], "MQTT {version}");
        target.goes_on("a packet that comes byte by byte");
    }
}
