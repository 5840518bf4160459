//! Properties that reach the receivers of a message as they came (3.3.2.3).

use super::{
    build::{Connect, Publish},
    client::Client,
    prop,
    properties::Properties,
    reason::{MALFORMED, PROTOCOL_ERROR, TOPIC_NAME_INVALID},
};
use crate::support::gateway::Gateway;

/// The properties of a message with `properties`, as all its receivers see them: one that
/// is there, one that comes back, and one that finds it retained.
#[track_caller]
fn forwarded(properties: &[u8]) -> Vec<Properties> {
    let gateway = Gateway::start("");
    let (mut away, _) = Client::resume(&gateway, "away");
    away.subscribe("t", 1);
    away.leave();
    let mut present = Client::connect(&gateway, "present");
    present.subscribe("t", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.sends(Publish::new("t", "text").with(properties).retained(), 1);
    let (mut away, _) = Client::resume(&gateway, "away");
    let mut later = Client::connect(&gateway, "later");
    later.subscribe("t", 0);
    [&mut present, &mut away, &mut later]
        .map(|client| client.take().properties)
        .to_vec()
}

#[test]
fn mqtt_3_3_2_4_the_payload_format_indicator_is_forwarded_unchanged() {
    for indicator in 0..=1 {
        for properties in forwarded(&prop::byte(prop::PAYLOAD_FORMAT, indicator)) {
            let found = properties.number(prop::PAYLOAD_FORMAT);
            assert_eq!(found, Some(indicator.into()));
        }
    }
    for properties in forwarded(&[]) {
        assert_eq!(properties, Properties::default());
    }
}

#[test]
fn mqtt_3_3_2_15_the_response_topic_is_forwarded_unchanged() {
    for topic in ["a/b", "$x", "/", "ä"] {
        for properties in forwarded(&prop::text(prop::RESPONSE_TOPIC, topic)) {
            assert_eq!(properties.text(prop::RESPONSE_TOPIC), Some(topic));
        }
    }
}

#[test]
fn mqtt_3_3_2_16_correlation_data_is_forwarded_unchanged() {
    for data in [&b""[..], b"\0\xff\xc0", &[7; 5_000]] {
        for properties in forwarded(&prop::text(prop::CORRELATION_DATA, data)) {
            assert_eq!(properties.binary(prop::CORRELATION_DATA), Some(data));
        }
    }
}

#[test]
fn mqtt_3_3_2_17_and_3_3_2_18_user_properties_are_forwarded_in_their_order() {
    let pairs = [
        ("b", "1"),
        ("a", "2"),
        ("b", "1"),
        ("", ""),
        ("ä", "\u{FEFF}"),
        ("b", "0"),
    ];
    let mut encoded = Vec::new();
    for (name, value) in pairs {
        encoded.extend_from_slice(&prop::user(name, value));
    }
    for properties in forwarded(&encoded) {
        assert_eq!(properties.user(), pairs);
    }
}

#[test]
fn mqtt_3_3_2_17_user_properties_between_others_are_forwarded_too() {
    let encoded = [
        prop::user("first", "1"),
        prop::four(prop::MESSAGE_EXPIRY, 1_000),
        prop::user("second", "2"),
        prop::text(prop::CONTENT_TYPE, "text"),
        prop::user("third", "3"),
    ];
    for properties in forwarded(&encoded.concat()) {
        let pairs = [("first", "1"), ("second", "2"), ("third", "3")];
        assert_eq!(properties.user(), pairs);
        assert_eq!(properties.text(prop::CONTENT_TYPE), Some("text"));
    }
}

#[test]
fn mqtt_3_3_2_20_the_content_type_is_forwarded_unchanged() {
    for content_type in ["", "application/json; charset=utf-8", "ä"] {
        for properties in forwarded(&prop::text(prop::CONTENT_TYPE, content_type)) {
            assert_eq!(properties.text(prop::CONTENT_TYPE), Some(content_type));
        }
    }
}

#[test]
fn mqtt_3_3_2_13_and_3_3_2_19_response_topic_and_content_type_are_utf_8() {
    let gateway = Gateway::start("");
    for id in [prop::RESPONSE_TOPIC, prop::CONTENT_TYPE] {
        for bytes in [&b"\xff"[..], b"a\0b"] {
            let mut client = Client::connect(&gateway, "client");
            let publish = Publish::new("t", "").with(&prop::text(id, bytes));
            client.send(&publish.qos(1, 1).encode());
            client.is_disconnected(&[MALFORMED]);
        }
    }
}

#[test]
fn mqtt_3_3_2_14_a_response_topic_with_a_wildcard_is_refused() {
    let gateway = Gateway::start("");
    let fits = [PROTOCOL_ERROR, MALFORMED, TOPIC_NAME_INVALID];
    for topic in ["#", "a/+", "a#"] {
        let mut client = Client::connect(&gateway, "client");
        let response = prop::text(prop::RESPONSE_TOPIC, topic);
        client.send(&Publish::new("t", "").with(&response).encode());
        client.is_disconnected(&fits);
    }
    Client::accepted(&gateway, &Connect::new("client"))
        .0
        .pings();
}
