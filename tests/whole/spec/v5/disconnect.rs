//! DISCONNECT (3.14).

use super::{
    build::{Connect, Publish, Will, disconnect},
    client::Client,
    prop,
    read::Packet,
    reason::{MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{gateway::Gateway, wire::packet};

#[test]
fn mqtt_3_14_0_1_before_a_connack_that_accepts_there_is_no_disconnect() {
    let gateway = Gateway::start("");
    let mut cut = Connect::new("client").encode();
    cut[1] -= 1;
    cut.pop();
    let method = prop::text(prop::AUTHENTICATION_METHOD, "none such");
    for first in [
        cut,
        Connect::new("client").flags(0x01).encode(),
        Connect::new(b"\xff").encode(),
        Connect::new("client").with(&method).encode(),
        Publish::new("t", "").encode(),
        packet(0x00, &[]),
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        vec![0xF0, 0],
    ] {
        let mut client = Client::open(&gateway);
        client.send(&first);
        // CONNACK or nothing, and then the end.
        if let Some(packet) = client.receive() {
            let Packet::ConnAck(answer) = packet else {
                panic!("CONNACK and not {packet:?}");
            };
            assert!(answer.reason >= 0x80);
            assert_eq!(client.receive(), None);
        }
    }
}

#[test]
fn mqtt_3_14_1_1_reserved_flags_are_answered_with_a_disconnect_as_malformed() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("will", 0);
    for flags in 1..16 {
        let connect = Connect::new("client").will(Will::new("will", "gone"));
        let (mut client, _) = Client::accepted(&gateway, &connect);
        client.send(&packet(0xE0 | flags, &[]));
        client.is_disconnected(&[MALFORMED]);
        assert_eq!(subscriber.take().text(), "gone");
    }
}

#[test]
fn mqtt_3_14_2_1_a_reason_code_that_a_client_must_not_send_is_an_error() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("will", 0);
    for code in [0x01, 0x7F, 0xFF] {
        let connect = Connect::new("client").will(Will::new("will", "gone"));
        let (mut client, _) = Client::accepted(&gateway, &connect);
        client.send(&disconnect(code, &[]));
        client.is_disconnected(&[MALFORMED, PROTOCOL_ERROR]);
        assert_eq!(subscriber.take().text(), "gone");
    }
}

#[test]
fn mqtt_3_14_4_1_and_3_14_4_2_behind_the_gateways_disconnect_comes_the_end() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    let mut packets = packet(0x00, &[]);
    for _ in 0..100 {
        packets.extend_from_slice(&Publish::new("t", "").encode());
        packets.extend_from_slice(&[0xC0, 0]);
    }
    client.send(&packets);
    client.is_disconnected(&[MALFORMED, PROTOCOL_ERROR]);
}

#[test]
fn mqtt_3_14_4_1_what_a_client_sends_behind_its_disconnect_is_not_carried_out() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let mut client = Client::connect(&gateway, "client");
    let behind = Publish::new("t", "too late").encode();
    client.send(&[vec![0xE0, 0], behind, vec![0xC0, 0]].concat());
    assert_eq!(client.receive(), None);
    subscriber.publishes("t", "marker", 0);
    assert_eq!(subscriber.take().text(), "marker");
}

#[test]
fn mqtt_4_13_1_1_a_session_expiry_cannot_be_set_at_the_end_when_it_was_not_at_the_beginning() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&disconnect(0, &prop::session_expiry(10)));
    client.is_disconnected(&[PROTOCOL_ERROR]);
}
