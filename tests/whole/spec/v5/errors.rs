//! Malformed packets and protocol errors (4.13).

use super::{
    build::{Connect, PUBACK, Publish, ack, subscribe},
    client::Client,
    prop,
    reason::{MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{
    gateway::Gateway,
    wire::{packet, string},
};

#[test]
fn mqtt_4_13_1_1_a_malformed_packet_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut bystander = Client::connect(&gateway, "bystander");
    for malformed in [
        packet(0x00, &[]),
        packet(0x32, &[0]),
        packet(0x30, &[0, 9, b't', 0]),
        packet(0x40, &[]),
        packet(0x40, &[1]),
        packet(0x62, &[0]),
        packet(0x82, &[0, 1]),
        packet(0x82, &[0, 1, 0, 0, 5, b't', 0]),
        packet(0xA2, &[0, 1, 0, 0, 5, b't']),
        packet(0xC0, &[0]),
        // Properties that end beyond the packet, are unknown or cut off.
        packet(0x30, &[&string(b"t")[..], &[9, 0x01, 0]].concat()),
        packet(0x30, &[&string(b"t")[..], &[2, 0x7F, 0]].concat()),
        packet(0x30, &[&string(b"t")[..], &[2, 0x02, 0]].concat()),
        // Lengths of five bytes.
        vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
        packet(
            0x30,
            &[&string(b"t")[..], &[0xFF, 0xFF, 0xFF, 0xFF, 0x01]].concat(),
        ),
    ] {
        println!("{malformed:02x?}");
        let mut client = Client::connect(&gateway, "client");
        client.send(&malformed);
        client.is_disconnected(&[MALFORMED, PROTOCOL_ERROR]);
    }
    bystander.pings();
}

#[test]
fn mqtt_4_13_1_1_a_protocol_error_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut bystander = Client::connect(&gateway, "bystander");
    let twice = |property: Vec<u8>| Publish::new("t", "").with(&property.repeat(2)).encode();
    for error in [
        Connect::new("client").encode(),
        packet(0x20, &[0, 0, 0]),
        packet(0x90, &[0, 1, 0, 0]),
        packet(0xB0, &[0, 1, 0, 0]),
        packet(0xD0, &[]),
        twice(prop::byte(prop::PAYLOAD_FORMAT, 1)),
        twice(prop::four(prop::MESSAGE_EXPIRY, 1)),
        twice(prop::text(prop::CONTENT_TYPE, "text")),
        twice(prop::text(prop::RESPONSE_TOPIC, "t")),
        twice(prop::two(prop::TOPIC_ALIAS, 1)),
        Publish::new("t", "")
            .with(&prop::byte(prop::PAYLOAD_FORMAT, 2))
            .encode(),
        // Of another packet.
        Publish::new("t", "")
            .with(&prop::session_expiry(1))
            .encode(),
        subscribe(1, &prop::text(prop::REASON_STRING, "none"), &[("t", 0)]),
        subscribe(1, &prop::subscription_id(1).repeat(2), &[("t", 0)]),
        // Without an alias there has to be a topic.
        Publish::new("", "").encode(),
    ] {
        println!("{error:02x?}");
        let mut client = Client::connect(&gateway, "client");
        client.send(&error);
        client.is_disconnected(&[PROTOCOL_ERROR, MALFORMED]);
    }
    bystander.pings();
}

#[test]
fn mqtt_4_13_2_1_a_reason_code_of_0x80_or_above_ends_the_connection() {
    let gateway = Gateway::start("");
    // In CONNACK, in the gateway's DISCONNECT, and in the client's.
    let method = prop::text(prop::AUTHENTICATION_METHOD, "none such");
    let refused = Connect::new("client").with(&method).encode();
    Client::refused(&gateway, &refused, &[0x8C]);
    let mut client = Client::connect(&gateway, "client");
    client.send(&packet(0x00, &[]));
    client.is_disconnected(&[MALFORMED, PROTOCOL_ERROR]);
    for reason in [0x80, 0x81, 0x93, 0x99] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&packet(0xE0, &[reason]));
        assert_eq!(client.receive(), None);
    }
    // In an acknowledgement it says nothing about the connection.
    let mut client = Client::connect(&gateway, "client");
    client.send(&ack(PUBACK, 77));
    client.send(&packet(PUBACK, &[0, 78, 0x80]));
    client.pings();
}
