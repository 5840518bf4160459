//! Properties of MQTT 5: repeated, endless, misplaced, or longer than their packet.

use std::time::Instant;

use super::{NOTHING, Target};
use crate::support::{
    device::{Device, Hello, Publish, user_property, variable},
    version::Version::{V5, V311},
    wait::PATIENCE,
    wire::{Packet, Wire, packet, string},
};

const PROTOCOL_ERROR: u8 = 0x82;
const MALFORMED: u8 = 0x81;

/// A property's encoding; where each packet may have it is told beside it.
type Property = &'static [u8];

const OF_CONNECT: &[Property] = &[
    b"\x11\0\0\0\x01",
    b"\x21\0\x05",
    b"\x27\0\0\x10\0",
    b"\x22\0\x05",
    b"\x19\x01",
    b"\x17\x01",
];
const OF_WILL: &[Property] = &[
    b"\x18\0\0\0\x01",
    b"\x01\x01",
    b"\x02\0\0\0\x01",
    b"\x03\0\x01t",
    b"\x08\0\x01r",
    b"\x09\0\x01c",
];
const OF_PUBLISH: &[Property] = &[
    b"\x01\x01",
    b"\x02\0\0\0\x01",
    b"\x03\0\x01t",
    b"\x08\0\x01r",
    b"\x09\0\x01c",
    b"\x23\0\x01",
];

#[track_caller]
fn told(wire: &mut Wire, what: &str) -> u8 {
    match wire.receive() {
        Some(Packet { first: 0xE0, body }) => {
            assert_eq!(wire.receive(), None, "{what}");
            body[0]
        }
        other => panic!("DISCONNECT for {what}, not {other:x?}"),
    }
}

/// MQTT 5, 2.2.2.2. mosquitto CVE-2023-3592: what a will that is refused had brought was never
/// given back.
#[test]
fn a_property_that_comes_twice_is_a_protocol_error_in_every_packet() {
    let mut target = Target::start("");
    for property in OF_CONNECT {
        let hello = Hello::clean(V5, "twice").property(property);
        hello.accepted(target.address());
        let reason = hello.property(property).refused(target.address());
        assert_eq!(reason, PROTOCOL_ERROR, "{property:x?}");
    }
    for property in OF_WILL {
        let will = Publish::new("will", "gone").property(property);
        let hello = Hello::clean(V5, "twice");
        hello.clone().will(will.clone()).accepted(target.address());
        let reason = hello
            .will(will.property(property))
            .refused(target.address());
        assert_eq!(reason, PROTOCOL_ERROR, "will {property:x?}");
    }
    for property in OF_PUBLISH {
        let mut device = Device::connect(target.address(), V5, "twice");
        let publish = Publish::new("t", "").qos(1).property(property);
        device.publish(&publish);
        device.wire.send(&publish.property(property).encode(V5, 9));
        let reason = told(&mut device.wire, "PUBLISH");
        assert_eq!(reason, PROTOCOL_ERROR, "{property:x?}");
    }
    for (what, first, body) in [
        ("PUBACK", 0x40, &b"\0\x01\0\x08\x1f\0\x01a\x1f\0\x01b"[..]),
        ("PUBREL", 0x62, b"\0\x01\0\x08\x1f\0\x01a\x1f\0\x01b"),
        ("SUBSCRIBE", 0x82, b"\0\x01\x04\x0b\x01\x0b\x02\0\x01a\0"),
        ("DISCONNECT", 0xE0, b"\0\x08\x1f\0\x01a\x1f\0\x01b"),
    ] {
        let mut wire = Wire::connect(target.address(), V5, "twice");
        wire.send(&packet(first, body));
        assert_eq!(told(&mut wire, what), PROTOCOL_ERROR, "{what}");
    }
    target.withstands("properties that come twice", NOTHING);
}

/// NanoMQ issue 1042: the property length was believed.
#[test]
fn a_property_length_is_never_believed() {
    let mut target = Target::start("");
    for (what, first, body) in [
        ("a length beyond the packet", 0x30, &b"\0\x01a\x7f"[..]),
        ("the largest length", 0x30, b"\0\x01a\xff\xff\xff\x7f"),
        (
            "a length of five bytes",
            0x30,
            b"\0\x01a\x80\x80\x80\x80\x01",
        ),
        (
            "a length that ends in a value",
            0x30,
            b"\0\x01a\x03\x02\0\0\0\x01",
        ),
        (
            "a text beyond the length",
            0x30,
            b"\0\x01a\x04\x03\xff\xffx",
        ),
        ("a length and nothing else", 0x82, b"\0\x01\x05"),
        (
            "an identifier of five bytes",
            0x82,
            b"\0\x01\x06\x0b\xff\xff\xff\xff\x01\0\x01a\0",
        ),
        ("a user property of one text", 0xE0, b"\0\x04\x26\0\x01a"),
        ("a length without properties", 0x62, b"\0\x01\0\x09"),
    ] {
        let mut wire = Wire::connect(target.address(), V5, "liar");
        wire.send(&packet(first, body));
        assert_eq!(told(&mut wire, what), MALFORMED, "{what}");
        target.goes_on(what);
    }
    target.withstands("property lengths that lie", NOTHING);
}

/// mosquitto CVE-2021-41039: the time grew with the square of their number.
#[test]
fn a_hundred_thousand_user_properties_cost_no_more_than_their_bytes() {
    const COUNT: usize = 100_000;
    let mut target = Target::start("");
    let many = user_property("a", "b").repeat(COUNT);
    let began = Instant::now();
    for round in 0..3 {
        let hello = Hello::clean(V5, "many").property(&many);
        let mut device = hello.accepted(target.address()).0;
        device.subscribe("many", 0);
        let publish = Publish::new("many", round.to_string())
            .qos(1)
            .property(&many);
        device.publish(&publish);
        let message = device.message("the message");
        assert!(message.properties == many, "properties were changed");
        assert_eq!(message.text(), round.to_string());

        let packet_id = device.next_id();
        let subscribe = device.subscribe_packet(packet_id, &many, &[(b"t", 0)]);
        device.wire.send(&subscribe);
        assert_eq!(device.answer("SUBACK").body.last(), Some(&0));
        let mut puback = vec![0, 77, 0];
        puback.extend_from_slice(&variable(many.len()));
        puback.extend_from_slice(&many);
        device.wire.send(&packet(0x40, &puback));
        device.ping();
        puback.splice(0..2, []);
        device.wire.send(&packet(0xE0, &puback));
        assert_eq!(device.wire.receive(), None);
        if round == 0 {
            target.rest();
        }
    }
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    target.withstands("user properties", NOTHING);
}

/// 3.1.1 has no properties: what looks like some belongs to what follows.
#[test]
fn properties_in_mqtt_3_are_none() {
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V311, "subscriber");
    subscriber.subscribe("t", 0);
    let body = [&string(b"t")[..], b"\x02\x01\x01payload"].concat();
    subscriber.wire.send(&packet(0x30, &body));
    assert_eq!(subscriber.message("it").payload, b"\x02\x01\x01payload");
    target.goes_on("properties in MQTT 3");
}

/// The largest and smallest values that intervals and sizes can have.
#[test]
fn extreme_numbers_overflow_nothing() {
    let mut target = Target::start("");
    let most = [0xFF; 4];
    let of_will = [&[0x18][..], &most, &[0x02], &most].concat();
    let of_session = [
        &[0x11][..],
        &most,
        &[0x27],
        &most,
        b"\x21\xff\xff\x22\xff\xff",
    ]
    .concat();
    let will = Publish::new("will", "gone")
        .qos(2)
        .retained()
        .property(&of_will);
    let hello = Hello::clean(V5, "extreme")
        .keep_alive(u16::MAX)
        .property(&of_session)
        .will(will);
    let expiry = [&[0x02][..], &most].concat();
    for _ in 0..3 {
        let mut device = hello.accepted(target.address()).0;
        let packet_id = device.next_id();
        // The largest subscription identifier.
        let identifier = b"\x0b\xff\xff\xff\x7f";
        let subscribe = device.subscribe_packet(packet_id, identifier, &[(b"extreme/#", 2)]);
        device.wire.send(&subscribe);
        assert_eq!(device.answer("SUBACK").body.last(), Some(&2));
        let publish = Publish::new("extreme/t", "kept").qos(2).retained();
        device.publish(&publish.property(&expiry));
        let message = device.message("the message");
        assert!(message.properties.ends_with(identifier), "{message:x?}");
        // It goes without a word, so that its will waits for more than a century.
        target.goes_on("extreme numbers");
    }
    let least = [&[0x02][..], &[0; 4]].concat();
    let mut device = Device::connect(target.address(), V5, "extreme-2");
    device.subscribe("extreme/0", 0);
    device.publish(
        &Publish::new("extreme/0", "expired")
            .qos(1)
            .retained()
            .property(&least),
    );
    let mut publisher = Device::connect(target.address(), V311, "publisher");
    assert_eq!(
        device.messages_before_marker(&mut publisher, "extreme/0"),
        []
    );
    target.withstands("extreme numbers", NOTHING);
}
