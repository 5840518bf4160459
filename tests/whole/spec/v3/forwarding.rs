//! 3.3.5, 4.3.1 and 4.5: which subscribers get a message, and at which QoS.

use super::{
    client::{Client, message},
    packets::{Connect, PINGREQ, PUBCOMP, PUBREC, PUBREL, ack, connack, packet, publish},
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_3_2_3_a_subscriber_gets_the_topic_name_that_was_published_to() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for filter in ["a/b/c", "a/+/c", "+/+/+", "a/b/#", "#", "+/b/#"] {
        let mut subscriber = Client::connect(&gateway, "subscriber");
        subscriber.subscribe(filter, 1);
        subscriber.subscribe("end", 1);
        publisher.publish(1, "a/b/c", "x");
        let found = subscriber.messages_before_marker(&mut publisher, "end");
        assert_eq!(found, [message(1, "a/b/c", "x")], "{filter}");
    }
}

#[test]
fn mqtt_3_8_4_6_a_message_comes_at_the_lower_qos_of_publish_and_subscription() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for granted in 0..=2 {
        let mut subscriber = Client::connect(&gateway, "subscriber");
        subscriber.subscribe("t", granted);
        for published in 0..=2 {
            publisher.publish(published, "t", "x");
            let qos = granted.min(published);
            assert_eq!(subscriber.message(), message(qos, "t", "x"));
        }
    }
}

#[test]
fn mqtt_4_3_1_1_a_message_at_qos_0_is_sent_with_qos_0_without_dup_and_once() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    for qos in 0..=2 {
        publisher.publish(qos, "t", "x");
        subscriber.expect(&packet(0x30, b"\0\x01tx"));
    }
    subscriber.break_off();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_4_5_0_1_a_message_that_was_taken_is_in_every_matching_session() {
    let gateway = Gateway::start("");
    let filters = ["t/1", "t/+", "t/#", "#", "+/1"];
    let mut subscribers = Vec::new();
    for (number, filter) in filters.iter().enumerate() {
        let mut present = Client::connect(&gateway, &format!("present {number}"));
        present.subscribe(filter, 1);
        subscribers.push(present);
        let mut away = Client::begin(&gateway, &format!("away {number}"));
        away.subscribe(filter, 1);
        away.disconnect();
    }
    let mut other = Client::connect(&gateway, "other");
    other.subscribe("t/2", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    // Its own subscription counts as any other.
    publisher.subscribe("t/1", 1);
    publisher.publish(1, "t/1", "for all");
    assert_eq!(publisher.message(), message(1, "t/1", "for all"));
    for number in 0..filters.len() {
        subscribers.push(Client::resume(&gateway, &format!("away {number}")));
    }
    for mut subscriber in subscribers {
        assert_eq!(subscriber.message(), message(1, "t/1", "for all"));
    }
    assert_eq!(other.messages_before_marker(&mut publisher, "t/2"), []);
}

#[test]
fn mqtt_7_1_1_1_bytes_over_tcp_arrive_however_they_are_cut() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let mut bytes = Connect::new("bytewise").bytes();
    bytes.extend_from_slice(&publish(0, 0, "t", "first"));
    bytes.extend_from_slice(&publish(1, 1, "t", "x".repeat(200)));
    bytes.extend_from_slice(&publish(2, 2, "t", "third"));
    bytes.extend_from_slice(&PINGREQ);
    for size in [1, 2, 3, 7, bytes.len()] {
        let mut publisher = Client::open(&gateway);
        for part in bytes.chunks(size) {
            publisher.send(part);
        }
        publisher.expect(&connack(false, 0));
        publisher.wait_for(&[0xD0, 0]);
        publisher.wait_for(&ack(PUBREC, 2));
        publisher.send(&ack(PUBREL, 2));
        publisher.wait_for(&ack(PUBCOMP, 2));
        assert_eq!(subscriber.message(), message(0, "t", "first"));
        assert_eq!(subscriber.message(), message(1, "t", &"x".repeat(200)));
        assert_eq!(subscriber.message(), message(2, "t", "third"));
        publisher.disconnect();
    }
}
