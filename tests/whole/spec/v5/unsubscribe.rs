//! UNSUBSCRIBE and UNSUBACK (3.10, 3.11).

use super::{
    build::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack, unsubscribe},
    client::Client,
    reason::{MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{
    gateway::Gateway,
    wire::{packet, string},
};

const NO_SUBSCRIPTION: u8 = 0x11;

#[test]
fn mqtt_3_10_1_1_wrong_flags_make_unsubscribe_malformed() {
    let gateway = Gateway::start("");
    for flags in (0..16).filter(|flags| *flags != 2) {
        let mut client = Client::connect(&gateway, "client");
        let mut packet = unsubscribe(1, &["t"]);
        packet[0] = 0xA0 | flags;
        client.send(&packet);
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_3_10_3_1_a_filter_that_is_not_utf_8_makes_unsubscribe_malformed() {
    let gateway = Gateway::start("");
    for filter in [&b"\xff"[..], b"a/\xed\xa0\x80", b"\xc0\x80"] {
        let mut client = Client::connect(&gateway, "client");
        let body = [&[0, 1, 0], &string(filter)[..]].concat();
        client.send(&packet(0xA2, &body));
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_3_10_3_2_an_unsubscribe_without_a_filter_is_a_protocol_error() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&unsubscribe(1, &[]));
    client.is_disconnected(&[PROTOCOL_ERROR]);
}

#[test]
fn mqtt_3_10_4_1_and_3_11_3_2_only_the_same_filter_character_by_character_is_deleted() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("a/b", 0);
    client.subscribe("a/+", 0);
    for other in [
        "#",
        "+/b",
        "a/#",
        "a/B",
        "a",
        "a/b/",
        "/a/b",
        "$share/g/a/b",
    ] {
        client.send(&unsubscribe(5, &[other]));
        assert_eq!(client.unsuback().reasons, [NO_SUBSCRIPTION], "{other}");
    }
    client.unsubscribe("a/+");
    client.publishes("a/c", "", 0);
    client.publishes("a/b", "", 0);
    assert_eq!(client.take().topic, "a/b");
    client.unsubscribe("a/b");
    client.publishes("a/b", "", 0);
    client.gets_nothing();
}

#[test]
fn mqtt_3_10_4_2_nothing_is_added_for_the_client_behind_unsubscribe() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 1);
    client.subscribe("marker", 0);
    let mut publisher = Client::connect(&gateway, "publisher");
    client.unsubscribe("t");
    for qos in 0..=2 {
        publisher.publishes("t", "too late", qos);
    }
    publisher.publishes("marker", "", 0);
    assert_eq!(client.take().topic, "marker");
    client.leave();
    publisher.publishes("t", "too late", 1);
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    client.gets_nothing();
}

#[test]
fn mqtt_3_10_4_3_a_delivery_that_has_begun_is_completed_behind_unsubscribe() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 2);
    client.publishes("t", "at QoS 1", 1);
    let at_1 = client.publish();
    client.publishes("t", "at QoS 2", 2);
    let at_2 = client.publish();
    client.unsubscribe("t");
    client.vanish();

    let (mut client, _) = Client::resume(&gateway, "client");
    for before in [&at_1, &at_2] {
        let again = client.publish();
        assert_eq!((again.packet_id, again.dup), (before.packet_id, true));
        assert_eq!(again.text(), before.text());
    }
    client.send(&ack(PUBACK, at_1.packet_id));
    client.send(&ack(PUBREC, at_2.packet_id));
    client.acked(PUBREL, at_2.packet_id);
    client.send(&ack(PUBCOMP, at_2.packet_id));
    client.pings();
    client.vanish();
    Client::resume(&gateway, "client").0.gets_nothing();
}

#[test]
fn mqtt_3_10_4_4_and_3_10_4_5_an_unsubscribe_is_answered_with_unsuback_and_its_identifier() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    // There is a subscription for the first one only.
    let packets: Vec<u8> = [9, 0xFFFF, 1]
        .iter()
        .flat_map(|id| unsubscribe(*id, &["t"]))
        .collect();
    client.send(&packets);
    for id in [9, 0xFFFF, 1] {
        assert_eq!(client.unsuback().packet_id, id);
    }
    client.pings();
}

#[test]
fn mqtt_3_10_4_6_and_3_11_3_1_each_filter_has_its_code_in_its_place() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for filter in ["a", "b/+", "c"] {
        client.subscribe(filter, 0);
    }
    client.send(&unsubscribe(7, &["c", "none", "b/+", "c"]));
    let answer = client.unsuback();
    let expected = vec![0, NO_SUBSCRIPTION, 0, NO_SUBSCRIPTION];
    assert_eq!((answer.packet_id, answer.reasons), (7, expected));
    for topic in ["b/b", "c", "a"] {
        client.publishes(topic, "", 0);
    }
    assert_eq!(client.take().topic, "a");
    client.gets_nothing();
}
