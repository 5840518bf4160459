//! Data representation (1.5), and what all packets have in common (2).

use super::{
    build::{
        Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, Will, ack, disconnect, unsubscribe,
    },
    client::Client,
    prop,
    properties::Properties,
    reason::{MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{
    gateway::Gateway,
    version::Version::V5,
    wire::{packet, string, subscribe},
};

/// What no string may be: a byte of no character, an overlong form, and both ends of the
/// surrogates.
const ILL_FORMED: [&[u8]; 4] = [b"\xff", b"a\xc0\xaf", b"\xed\xa0\x80", b"b\xed\xbf\xbf"];

/// CONNECT packets with `bytes` in each place where a string belongs.
fn connects_with(bytes: &[u8]) -> [(&'static str, Connect); 8] {
    let will = || Will::new("will", "gone");
    let plain = || Connect::new("client");
    let will_with = |property: &[u8]| plain().will(will().with(property));
    [
        ("the client identifier", Connect::new(bytes)),
        ("the user name", plain().user_name(bytes)),
        ("the will topic", plain().will(Will::new(bytes, "gone"))),
        (
            "the will's content type",
            will_with(&prop::text(prop::CONTENT_TYPE, bytes)),
        ),
        (
            "the will's response topic",
            will_with(&prop::text(prop::RESPONSE_TOPIC, bytes)),
        ),
        ("a name in the will", will_with(&prop::user(bytes, "value"))),
        ("a name", plain().with(&prop::user(bytes, "value"))),
        ("a value", plain().with(&prop::user("name", bytes))),
    ]
}

/// Packets of an accepted client with `bytes` in each place where a string belongs.
fn packets_with(bytes: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    let publish = |property: &[u8]| Publish::new("t", "").qos(1, 1).with(property).encode();
    [
        ("the topic", Publish::new(bytes, "").qos(1, 1).encode()),
        (
            "the content type",
            publish(&prop::text(prop::CONTENT_TYPE, bytes)),
        ),
        (
            "the response topic",
            publish(&prop::text(prop::RESPONSE_TOPIC, bytes)),
        ),
        ("a name", publish(&prop::user(bytes, "value"))),
        ("a value", publish(&prop::user("name", bytes))),
        ("a filter to subscribe to", subscribe(V5, 1, bytes, 0)),
        (
            "a filter to unsubscribe from",
            packet(0xA2, &[&[0, 1, 0], &string(bytes)[..]].concat()),
        ),
        (
            "a reason string",
            disconnect(0x04, &prop::text(prop::REASON_STRING, bytes)),
        ),
    ]
}

/// That a string of `bytes` ends the connection wherever it is.
fn is_malformed_everywhere(gateway: &Gateway, bytes: &[u8]) {
    for (place, connect) in connects_with(bytes) {
        println!("{bytes:x?} is {place} of CONNECT");
        Client::refused(gateway, &connect.encode(), &[MALFORMED]);
    }
    for (place, packet) in packets_with(bytes) {
        println!("{bytes:x?} is {place}");
        let mut client = Client::connect(gateway, "client");
        client.send(&packet);
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_1_5_4_1_and_1_5_7_1_a_string_that_is_not_utf_8_is_malformed() {
    let gateway = Gateway::start("");
    for bytes in ILL_FORMED {
        is_malformed_everywhere(&gateway, bytes);
    }
}

#[test]
fn mqtt_1_5_4_2_a_string_with_u_0000_is_malformed() {
    is_malformed_everywhere(&Gateway::start(""), b"a\0b");
}

#[test]
fn mqtt_1_5_4_3_a_byte_order_mark_stays_where_it_is() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("\u{FEFF}t", 0);
    client.subscribe("a\u{FEFF}", 0);
    let marked = "\u{FEFF}marked";
    for topic in ["t", "a", "\u{FEFF}t", "a\u{FEFF}"] {
        let publish = Publish::new(topic, "")
            .with(&prop::text(prop::CONTENT_TYPE, marked))
            .with(&prop::user(marked, marked));
        client.sends(publish, 0);
    }
    for topic in ["\u{FEFF}t", "a\u{FEFF}"] {
        let publish = client.take();
        assert_eq!(publish.topic, topic);
        assert_eq!(publish.properties.text(prop::CONTENT_TYPE), Some(marked));
        assert_eq!(publish.properties.user(), [(marked, marked)]);
    }
    client.gets_nothing();
}

#[test]
fn mqtt_1_5_5_1_lengths_and_identifiers_take_as_few_bytes_as_they_need() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    // Behind the fixed header are the topic, no properties and the payload.
    for length in [127, 128, 16_383, 16_384] {
        let payload = "x".repeat(length - 4);
        client.publishes("t", &payload, 0);
        assert_eq!(client.take().text(), payload);
    }
    for id in [
        1,
        127,
        128,
        16_383,
        16_384,
        2_097_151,
        2_097_152,
        268_435_455,
    ] {
        client.subscribe_with(&prop::subscription_id(id), &[("t", 0)]);
        client.publishes("t", "", 0);
        assert_eq!(client.take().properties.subscription_ids(), [id as u32]);
    }
    // The user property makes the length of the properties the one that grows.
    for length in [127, 128, 16_383, 16_384] {
        let own_id = prop::subscription_id(268_435_455).len();
        let value = "x".repeat(length - own_id - 5);
        client.sends(Publish::new("t", "").with(&prop::user("", &value)), 0);
        assert_eq!(client.take().properties.user(), [("", value.as_str())]);
    }
}

#[test]
fn mqtt_2_1_3_1_reserved_flags_of_the_fixed_header_are_malformed() {
    let gateway = Gateway::start("");
    let filter = string(b"t");
    let subscribe = [&[0, 1, 0], &filter[..], &[0]].concat();
    let unsubscribe = [&[0, 1, 0], &filter[..]].concat();
    let packets: [(u8, &[u8]); 13] = [
        (0x41, &[0, 1]),
        (0x48, &[0, 1]),
        (0x52, &[0, 1]),
        (0x60, &[0, 1]),
        (0x63, &[0, 1]),
        (0x74, &[0, 1]),
        (0x80, &subscribe),
        (0x8A, &subscribe),
        (0xA0, &unsubscribe),
        (0xA3, &unsubscribe),
        (0xC1, &[]),
        (0xE8, &[]),
        (0xF1, &[0x18, 0]),
    ];
    for (first, body) in packets {
        println!("a packet that begins with {first:#04x}");
        let mut client = Client::connect(&gateway, "client");
        client.send(&packet(first, body));
        client.is_disconnected(&[MALFORMED]);
    }
    let mut connect = Connect::new("client").encode();
    connect[0] = 0x11;
    Client::turned_away(&gateway, &connect, &[MALFORMED]);
}

#[test]
fn mqtt_2_2_1_2_a_publish_at_qos_0_has_no_packet_identifier() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 2);
    client.publishes("t", "and nothing before it", 0);
    let publish = client.publish();
    assert_eq!((publish.qos, publish.packet_id), (0, 0));
    assert_eq!(publish.text(), "and nothing before it");
}

#[test]
fn mqtt_2_2_1_3_a_packet_identifier_of_zero_ends_the_connection() {
    let gateway = Gateway::start("");
    for packet in [
        Publish::new("t", "").qos(1, 0).encode(),
        Publish::new("t", "").qos(2, 0).encode(),
        subscribe(V5, 0, b"t", 0),
        unsubscribe(0, &["t"]),
    ] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&packet);
        client.is_disconnected(&[PROTOCOL_ERROR, MALFORMED]);
    }
}

#[test]
fn mqtt_2_2_1_5_acknowledgements_carry_the_identifier_of_the_publish() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for id in [1, 255, 256, 0xFFFF] {
        client.send(&Publish::new("t", "").qos(1, id).encode());
        client.acked(PUBACK, id);
        client.send(&Publish::new("t", "").qos(2, id).encode());
        client.acked(PUBREC, id);
        client.send(&ack(PUBREL, id));
        client.acked(PUBCOMP, id);
    }
}

#[test]
fn mqtt_2_2_1_6_suback_and_unsuback_carry_the_identifier_of_what_they_answer() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for id in [1, 255, 256, 0xFFFF] {
        client.send(&subscribe(V5, id, b"t", 1));
        assert_eq!(client.suback().packet_id, id);
        client.send(&unsubscribe(id, &["t"]));
        assert_eq!(client.unsuback().packet_id, id);
    }
}

#[test]
fn mqtt_2_2_2_1_a_packet_without_properties_has_a_property_length_of_zero() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    client.send(&Publish::new("t", "\0").encode());
    // A length that is left out would be read from the payload.
    let publish = client.take();
    assert_eq!(publish.properties, Properties::default());
    assert_eq!(publish.payload, b"\0");

    client.send(&packet(0x30, &string(b"t")));
    client.is_disconnected(&[MALFORMED]);
}
