//! What CONNECT has to look like (3.1.0 to 3.1.4).

use super::{
    build::{Connect, Publish, Will, subscribe},
    client::Client,
    prop,
    read::Packet,
    reason::{MALFORMED, PROTOCOL_ERROR, UNSUPPORTED_VERSION},
};
use crate::support::{
    gateway::Gateway,
    wire::{packet, string},
};

/// CONNECT with these flags in front of `payload`, and without properties.
fn raw_connect(flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let header = [&string(b"MQTT")[..], &[5, flags, 0, 0, 0]].concat();
    packet(0x10, &[header, payload.concat()].concat())
}

/// That each of `connects` is malformed, and that the gateway goes on.
#[track_caller]
fn are_malformed(connects: &[Vec<u8>]) {
    let gateway = Gateway::start("");
    for connect in connects {
        Client::refused(&gateway, connect, &[MALFORMED, PROTOCOL_ERROR]);
    }
    Client::connect(&gateway, "proper").pings();
}

#[test]
fn mqtt_3_1_0_1_a_first_packet_that_is_not_connect_ends_the_connection() {
    let gateway = Gateway::start("");
    for first in [
        Publish::new("t", "").encode(),
        Publish::new("t", "").qos(1, 1).encode(),
        subscribe(1, &[], &[("t", 0)]),
        vec![0xC0, 0],
        vec![0xE0, 0],
        vec![0xF0, 0],
        vec![0x20, 3, 0, 0, 0],
    ] {
        let mut client = Client::open(&gateway);
        client.send(&first);
        client.send(&Connect::new("client").encode());
        assert_eq!(client.receive(), None);
    }
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&Connect::new("client").encode());
    client.is_disconnected(&[PROTOCOL_ERROR]);
}

#[test]
fn mqtt_3_1_2_1_a_wrong_protocol_name_is_refused() {
    let gateway = Gateway::start("");
    for name in ["", "MQT", "mqtt", "MQTTX", "MQIsdp", "HTTP"] {
        let connect = Connect::new("client").encode_as(name, 5);
        let mut client = Client::open(&gateway);
        client.send(&connect);
        client.send(&[0xC0, 0]);
        is_unsupported(&mut client);
    }
}

#[test]
fn mqtt_3_1_2_2_a_wrong_protocol_version_is_refused() {
    let gateway = Gateway::start("");
    for version in [0, 1, 2, 6, 0x7F, 0x85, 0xFF] {
        let mut client = Client::open(&gateway);
        client.send(&Connect::new("client").encode_as("MQTT", version));
        client.send(&[0xC0, 0]);
        is_unsupported(&mut client);
    }
}

/// That the connection ends, perhaps behind the CONNACK of whichever version is nearest.
#[track_caller]
fn is_unsupported(client: &mut Client) {
    let answer = client.receive_bytes();
    let refusals: [&[u8]; 3] = [&[], &[0x20, 2, 0, 1], &[0x20, 3, 0, UNSUPPORTED_VERSION, 0]];
    assert!(refusals.contains(&answer.as_slice()), "{answer:?}");
}

#[test]
fn mqtt_3_1_2_3_the_reserved_connect_flag_makes_connect_malformed() {
    are_malformed(&[Connect::new("client").flags(0x01).encode()]);
}

#[test]
fn mqtt_3_1_2_9_a_will_flag_asks_for_will_properties_topic_and_payload() {
    let id = string(b"client");
    let topic = string(b"will");
    are_malformed(&[
        raw_connect(0x06, &[&id]),
        raw_connect(0x06, &[&id, &[0]]),
        raw_connect(0x06, &[&id, &[0], &topic]),
        raw_connect(0x06, &[&id, &[0], &topic, &[0, 5], b"gone"]),
        // Without properties the topic's length is read in their place.
        raw_connect(0x06, &[&id, &topic, &string(b"gone")]),
    ]);
}

#[test]
fn mqtt_3_1_2_11_and_3_1_2_13_will_qos_and_retain_without_a_will_are_malformed() {
    are_malformed(&[
        Connect::new("client").flags(0x08).encode(),
        Connect::new("client").flags(0x10).encode(),
        Connect::new("client").flags(0x20).encode(),
    ]);
}

#[test]
fn mqtt_3_1_2_12_a_will_qos_of_3_is_malformed() {
    let will = Will::new("will", "gone");
    are_malformed(&[Connect::new("client").will(will).flags(0x18).encode()]);
}

#[test]
fn mqtt_3_1_2_16_and_3_1_2_18_a_user_name_or_password_without_its_flag_is_malformed() {
    let id = string(b"client");
    let field = string(b"more");
    are_malformed(&[
        raw_connect(0x02, &[&id, &field]),
        raw_connect(0x02, &[&id, &field, &field]),
        raw_connect(0x82, &[&id, &field, &field]),
        raw_connect(0x42, &[&id, &field, &field]),
    ]);
}

#[test]
fn mqtt_3_1_2_17_and_3_1_2_19_a_user_name_or_password_flag_asks_for_its_field() {
    let id = string(b"client");
    are_malformed(&[
        raw_connect(0x82, &[&id]),
        raw_connect(0x42, &[&id]),
        raw_connect(0xC2, &[&id, &string(b"name")]),
    ]);
    let gateway = Gateway::start("");
    let plain = || Connect::new("client");
    for connect in [
        plain().user_name(b"name"),
        plain().password(b"\xff\0"),
        plain().user_name(b"name").password(b""),
    ] {
        Client::accepted(&gateway, &connect).0.pings();
    }
}

#[test]
fn mqtt_3_1_3_1_the_fields_of_the_payload_are_read_in_their_order() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("#", 0);
    let connect = Connect::new("client identifier")
        .will(Will::new("will topic", "payload").with(&prop::user("name", "value")))
        .user_name(b"user name")
        .password(b"password");
    let (client, _) = Client::accepted(&gateway, &connect);
    client.vanish();
    let will = subscriber.take();
    assert_eq!(
        (will.topic.as_str(), will.text()),
        ("will topic", "payload")
    );
    assert_eq!(will.properties.user(), [("name", "value")]);
}

#[test]
fn mqtt_3_1_3_3_a_connect_without_a_client_identifier_is_malformed() {
    are_malformed(&[
        raw_connect(0x02, &[]),
        raw_connect(0x02, &[&[0]]),
        raw_connect(0x02, &[&[0, 5], b"four"]),
    ]);
}

#[test]
fn mqtt_3_1_3_4_a_client_identifier_that_is_not_utf_8_is_malformed() {
    are_malformed(&[
        Connect::new(b"\xed\xa0\x80").encode(),
        Connect::new(b"a\0").encode(),
    ]);
}

#[test]
fn mqtt_3_1_3_11_a_will_topic_that_is_not_utf_8_is_malformed() {
    let will = |topic: &[u8]| Connect::new("client").will(Will::new(topic, "gone"));
    are_malformed(&[will(b"\xff").encode(), will(b"a\0b").encode()]);
}

#[test]
fn mqtt_3_1_3_12_a_user_name_that_is_not_utf_8_is_malformed() {
    let named = |name| Connect::new("client").user_name(name);
    are_malformed(&[named(b"\xff").encode(), named(b"a\0b").encode()]);
}

#[test]
fn mqtt_3_1_4_1_a_connect_that_breaks_the_format_ends_the_connection() {
    let with = |property: &[u8]| Connect::new("client").with(property).encode();
    are_malformed(&[
        with(&prop::two(prop::RECEIVE_MAXIMUM, 0)),
        with(&prop::four(prop::MAXIMUM_PACKET_SIZE, 0)),
        with(&prop::byte(prop::PROBLEM_INFORMATION, 2)),
        with(&prop::byte(prop::REQUEST_RESPONSE_INFORMATION, 2)),
        with(&[prop::session_expiry(1), prop::session_expiry(1)].concat()),
        with(&prop::two(prop::TOPIC_ALIAS, 1)),
        with(&prop::four(prop::WILL_DELAY, 1)),
        with(&[0x7F, 0]),
        with(&[prop::SESSION_EXPIRY, 0, 0]),
    ]);
    // Too short to tell its version, which an answer would depend on.
    let gateway = Gateway::start("");
    for connect in [packet(0x10, &[]), packet(0x10, &string(b"MQTT"))] {
        Client::turned_away(&gateway, &connect, &[MALFORMED, PROTOCOL_ERROR]);
    }
}

#[test]
fn mqtt_3_2_0_1_and_3_2_0_2_and_3_1_4_5_connack_comes_first_and_once() {
    let gateway = Gateway::start("");
    let mut client = Client::open(&gateway);
    let packets = [
        Connect::new("client").encode(),
        subscribe(1, &[], &[("t", 0)]),
        vec![0xC0, 0],
        Publish::new("t", "").encode(),
    ];
    client.send(&packets.concat());
    let answer = client.connack();
    assert_eq!((answer.reason, answer.session_present), (0, false));
    assert_eq!(client.suback().reasons, [0]);
    assert_eq!(client.expect(), Packet::PingResp);
    assert_eq!(client.take().topic, "t");
    client.leave();
}

#[test]
fn mqtt_3_1_4_6_nothing_behind_a_refused_connect_is_carried_out() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let method = prop::text(prop::AUTHENTICATION_METHOD, "none such");
    for refused in [
        Connect::new("client").flags(0x01).encode(),
        Connect::new("client").with(&method).encode(),
    ] {
        let mut client = Client::open(&gateway);
        let publish = Publish::new("t", "from a refused client").encode();
        client.send(&[refused, publish, vec![0xC0, 0]].concat());
        assert!(client.connack().reason >= 0x80);
        assert_eq!(client.receive(), None);
    }
    subscriber.publishes("t", "marker", 0);
    assert_eq!(subscriber.take().text(), "marker");
}
