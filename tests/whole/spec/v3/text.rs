//! 1.5.3: text.

use super::{
    client::{Client, message},
    packets::{Connect, publish, subscribe, unsubscribe},
};
use crate::support::gateway::Gateway;

/// Bytes that are not UTF-8.
const ILL_FORMED: &[&[u8]] = &[
    b"\xff",
    b"a\x80b",
    // A character that is cut off.
    b"\xe2\x82",
    // The first and the last surrogate.
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    // Longer than it need be.
    b"\xc0\x80",
    b"\xc1\xa1",
    // Beyond U+10FFFF.
    b"\xf4\x90\x80\x80",
];

/// Each packet of an accepted client that has text, with `text` in it.
fn packets_with(text: &[u8]) -> [Vec<u8>; 5] {
    [
        publish(0, 0, text, ""),
        publish(1, 1, text, ""),
        subscribe(1, &[(text, 0)]),
        subscribe(1, &[(b"good", 0), (text, 0)]),
        unsubscribe(1, &[b"good", text]),
    ]
}

#[track_caller]
fn assert_ends_connection(gateway: &Gateway, text: &[u8]) {
    for packet in packets_with(text) {
        let mut client = Client::connect(gateway, "writer");
        client.send(&packet);
        client.expect_end();
    }
    for connect in [
        Connect::new(text),
        Connect::new("writer").will(text, "gone", 0),
        Connect::new("writer").user_name(text),
    ] {
        Client::open_with(gateway, &connect.bytes()).expect_end();
    }
}

#[test]
fn mqtt_1_5_3_1_text_that_is_not_utf_8_ends_the_connection() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        assert_ends_connection(&gateway, text);
    }
}

#[test]
fn mqtt_1_5_3_2_text_with_the_null_character_ends_the_connection() {
    let gateway = Gateway::start("");
    for text in [&b"\0"[..], b"a\0b", b"ab\0"] {
        assert_ends_connection(&gateway, text);
    }
}

#[test]
fn mqtt_1_5_3_3_a_zero_width_no_break_space_is_a_character_as_any_other() {
    let gateway = Gateway::start("");
    let mut with = Client::connect(&gateway, "\u{feff}with");
    with.subscribe("\u{feff}a", 1);
    let mut without = Client::connect(&gateway, "with");
    without.subscribe("a", 1);

    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(1, "\u{feff}a", "\u{feff}first");
    assert_eq!(with.message(), message(1, "\u{feff}a", "\u{feff}first"));
    assert_eq!(without.messages_before_marker(&mut publisher, "a"), []);
    // Neither has taken the other's identifier, so both are served.
    with.ping();
}

#[test]
fn mqtt_3_1_3_4_a_client_identifier_is_utf_8() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        Client::open_with(&gateway, &Connect::new(text).bytes()).expect_end();
    }
    Client::connect(&gateway, "grün-日本-𝄞").ping();
}

#[test]
fn mqtt_3_1_3_10_a_will_topic_is_utf_8() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        let connect = Connect::new("writer").will(text, "gone", 0);
        Client::open_with(&gateway, &connect.bytes()).expect_end();
    }
    let connect = Connect::new("writer").will("grün/日本/𝄞", "gone", 0);
    Client::connect_with(&gateway, &connect).ping();
}

#[test]
fn mqtt_3_1_3_11_a_user_name_is_utf_8() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        let connect = Connect::new("writer").user_name(text);
        Client::open_with(&gateway, &connect.bytes()).expect_end();
    }
    let connect = Connect::new("writer").user_name("grün-日本-𝄞");
    Client::connect_with(&gateway, &connect).ping();
}

#[test]
fn mqtt_3_8_3_1_a_filter_to_subscribe_to_is_utf_8() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        let mut client = Client::connect(&gateway, "writer");
        client.send(&subscribe(1, &[(text, 1)]));
        client.expect_end();
    }
    Client::connect(&gateway, "writer").subscribe("grün/日本/𝄞", 1);
}

#[test]
fn mqtt_3_10_3_1_a_filter_to_unsubscribe_from_is_utf_8() {
    let gateway = Gateway::start("");
    for text in ILL_FORMED {
        let mut client = Client::connect(&gateway, "writer");
        client.send(&unsubscribe(1, &[text]));
        client.expect_end();
    }
    let mut client = Client::connect(&gateway, "writer");
    client.subscribe("grün/日本/𝄞", 1);
    client.subscribe("end", 1);
    client.unsubscribe("grün/日本/𝄞");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(1, "grün/日本/𝄞", "");
    assert_eq!(client.messages_before_marker(&mut publisher, "end"), []);
}
