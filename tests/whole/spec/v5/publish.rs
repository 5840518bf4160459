//! The flags, the topic and the answer of a PUBLISH (3.3.1, 3.3.2.1, 3.3.4).

use super::{
    build::{PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack},
    client::Client,
    prop,
    read::Packet,
    reason::{MALFORMED, PROTOCOL_ERROR, TOPIC_NAME_INVALID},
};
use crate::support::{
    gateway::Gateway,
    wire::{packet, string},
};

/// A gateway, a publisher, and a subscriber to `filter` at QoS 2.
fn start(filter: &str) -> (Gateway, Client, Client) {
    let gateway = Gateway::start("");
    let publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe(filter, 2);
    (gateway, publisher, subscriber)
}

#[test]
fn mqtt_3_3_1_2_and_4_3_1_1_at_qos_0_a_publish_has_qos_0_and_dup_0() {
    let (_gateway, mut publisher, mut subscriber) = start("t");
    publisher.publishes("t", "published at QoS 0", 0);
    subscriber.subscribe("granted/0", 0);
    publisher.send(&Publish::new("granted/0", "").qos(1, 9).dup().encode());
    publisher.acked(PUBACK, 9);
    for topic in ["t", "granted/0"] {
        let publish = subscriber.publish();
        assert_eq!(publish.topic, topic);
        assert_eq!((publish.qos, publish.dup), (0, false));
    }
}

#[test]
fn mqtt_3_3_1_3_dup_from_the_publisher_is_not_passed_on() {
    let (_gateway, mut publisher, mut subscriber) = start("t");
    for qos in 1..=2 {
        let packet_id = publisher.next_id();
        let publish = Publish::new("t", "").qos(qos, packet_id).dup();
        publisher.send(&publish.encode());
        publisher.acked(if qos == 1 { PUBACK } else { PUBREC }, packet_id);
        let publish = subscriber.take();
        assert_eq!((publish.qos, publish.dup), (qos, false));
    }
}

#[test]
fn mqtt_3_3_1_4_a_publish_with_both_qos_bits_is_malformed() {
    let (gateway, mut publisher, mut subscriber) = start("#");
    publisher.send(&Publish::new("t", "").qos(3, 1).encode());
    publisher.is_disconnected(&[MALFORMED]);
    Client::connect(&gateway, "other").publishes("t", "marker", 0);
    assert_eq!(subscriber.take().text(), "marker");
}

#[test]
fn mqtt_3_3_2_1_a_publish_begins_with_a_topic_name_in_utf_8() {
    let (gateway, mut publisher, mut subscriber) = start("#");
    for topic in ["t", "ä/ö", "\u{10FFFF}", "a b/ /c"] {
        publisher.publishes(topic, "", 1);
        assert_eq!(subscriber.take().topic, topic);
    }
    for broken in [
        Publish::new(b"\xc3", "").encode(),
        packet(0x30, &[]),
        packet(0x30, &[0]),
        packet(0x30, &[0, 5, b't', 0]),
        packet(0x32, &string(b"t")),
    ] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&broken);
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_3_3_2_2_and_4_7_0_1_a_topic_name_with_a_wildcard_is_not_published() {
    let (gateway, mut publisher, mut subscriber) = start("#");
    for topic in ["+", "#", "a/+", "a/#", "a+", "#/a", "a/+/b"] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&Publish::new(topic, "").qos(1, 1).encode());
        match client.expect() {
            Packet::Ack(ack) => assert_eq!(ack.reason, TOPIC_NAME_INVALID),
            Packet::Disconnect { reason, .. } => {
                let fits = [TOPIC_NAME_INVALID, PROTOCOL_ERROR, MALFORMED];
                assert!(fits.contains(&reason), "{topic}: {reason:#04x}");
                assert_eq!(client.receive(), None);
            }
            other => panic!("{topic}: {other:?}"),
        }
    }
    publisher.publishes("t", "marker", 0);
    assert_eq!(subscriber.take().text(), "marker");
}

#[test]
fn mqtt_3_3_2_3_a_subscriber_sees_topics_that_match_its_filter() {
    let (_gateway, mut publisher, mut subscriber) = start("a/+/c");
    subscriber.subscribe("d/#", 0);
    for topic in [
        "a/b/c", "a/b", "a//c", "a/b/c/d", "d", "d/e/f", "e", "A/b/c",
    ] {
        publisher.publishes(topic, "", 1);
    }
    for topic in ["a/b/c", "a//c", "d", "d/e/f"] {
        assert_eq!(subscriber.take().topic, topic);
    }
    subscriber.gets_nothing();
}

#[test]
fn mqtt_3_3_4_1_a_publish_is_answered_as_its_qos_asks() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    let packets = [
        Publish::new("t", "").encode(),
        Publish::new("t", "").qos(1, 1).encode(),
        Publish::new("t", "").encode(),
        Publish::new("t", "").qos(2, 2).encode(),
    ];
    client.send(&packets.concat());
    client.acked(PUBACK, 1);
    client.acked(PUBREC, 2);
    client.pings();
    client.send(&ack(PUBREL, 2));
    client.acked(PUBCOMP, 2);
    client.pings();
}

#[test]
fn mqtt_3_3_4_2_overlapping_subscriptions_deliver_at_the_highest_of_their_qos() {
    let (_gateway, mut publisher, mut subscriber) = start("a/b");
    subscriber.subscribe("a/+", 0);
    subscriber.subscribe("a/#", 1);
    subscriber.subscribe("marker", 0);
    for qos in 0..=2 {
        publisher.publishes("a/b", "", qos);
        publisher.publishes("marker", "", 0);
        let copies: Vec<u8> = std::iter::from_fn(|| {
            let publish = subscriber.take();
            (publish.topic != "marker").then_some(publish.qos)
        })
        .collect();
        // One at the highest, or one for each subscription.
        assert_eq!(copies.iter().max(), Some(&qos), "{copies:?}");
        assert!([1, 3].contains(&copies.len()), "{copies:?}");
    }
}

#[test]
fn mqtt_3_3_4_6_a_publish_with_a_subscription_identifier_is_a_protocol_error() {
    let (_gateway, mut publisher, _) = start("t");
    let publish = Publish::new("t", "").with(&prop::subscription_id(1));
    publisher.send(&publish.qos(1, 1).encode());
    publisher.is_disconnected(&[PROTOCOL_ERROR]);
}
