//! 3.3.1.3: retained messages.

use super::client::{Client, Message, message};
use crate::support::gateway::Gateway;

/// A new subscriber of `filter` at QoS 2 is sent these and no others, in whichever order.
#[track_caller]
fn assert_kept(gateway: &Gateway, filter: &str, expected: &[Message]) {
    let mut publisher = Client::connect(gateway, "publisher of the marker");
    let mut subscriber = Client::connect(gateway, "new subscriber");
    subscriber.subscribe("end", 2);
    subscriber.subscribe(filter, 2);
    let mut found: Vec<_> = expected.iter().map(|_| subscriber.message()).collect();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
}

fn retained(qos: u8, topic: &str, payload: &str) -> Message {
    message(qos, topic, payload).retained()
}

#[test]
fn mqtt_3_3_1_5_a_retained_message_is_kept_with_its_qos() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for qos in 0..=2 {
        publisher.retain(qos, format!("t/{qos}"), "kept");
    }
    publisher.disconnect();
    let expected = [0, 1, 2].map(|qos| retained(qos, &format!("t/{qos}"), "kept"));
    // It is still there for the next one.
    for _ in 0..2 {
        assert_kept(&gateway, "t/#", &expected);
    }
}

#[test]
fn mqtt_3_3_1_6_a_new_subscription_gets_the_last_retained_message_of_each_topic() {
    const TOPICS: usize = 300;
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for round in ["old", "new"] {
        for number in 0..TOPICS {
            publisher.retain(1, format!("t/{number:03}"), round);
        }
    }
    publisher.retain(1, "other", "not asked for");
    let all: Vec<_> = (0..TOPICS)
        .map(|number| retained(1, &format!("t/{number:03}"), "new"))
        .collect();
    assert_kept(&gateway, "t/+", &all);
    assert_kept(&gateway, "t/#", &all);
    assert_kept(&gateway, "+/007", &all[7..8]);
    assert_kept(&gateway, "t/007", &all[7..8]);
    assert_kept(&gateway, "t/3000", &[]);
}

#[test]
fn mqtt_3_3_1_7_a_retained_message_at_qos_0_takes_the_place_of_the_one_before() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(1, "t", "old");
    publisher.retain(0, "t", "new");
    // It may be kept or not, but the old one is gone.
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let found = subscriber.messages_before_marker(&mut publisher, "t");
    assert!(
        found.is_empty() || found == [retained(0, "t", "new")],
        "{found:?}"
    );
}

#[test]
fn mqtt_3_3_1_8_what_a_new_subscription_is_sent_has_retain_set() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(2, "t", "kept");
    for qos in 0..=2 {
        let mut subscriber = Client::begin(&gateway, &format!("subscriber {qos}"));
        subscriber.subscribe("t", qos);
        assert_eq!(subscriber.message(), retained(qos, "t", "kept"));
        // Also when its subscription is not its first.
        subscriber.subscribe("+", qos);
        assert_eq!(subscriber.message(), retained(qos, "t", "kept"));
    }
}

#[test]
fn mqtt_3_3_1_9_what_a_subscription_that_was_there_is_sent_has_no_retain() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut present = Client::connect(&gateway, "present");
    present.subscribe("t/+", 2);
    let mut away = Client::begin(&gateway, "away");
    away.subscribe("t/+", 2);
    away.disconnect();
    let mut expected = Vec::new();
    for qos in 0..=2 {
        let topic = format!("t/{qos}");
        publisher.retain(qos, &topic, "kept");
        expected.push(message(qos, &topic, "kept"));
    }
    let found = present.messages_before_marker(&mut publisher, "t/end");
    assert_eq!(found, expected);
    // Nothing is established by a session that goes on.
    let mut away = Client::resume(&gateway, "away");
    let mut found = away.messages_before_marker(&mut publisher, "t/end");
    found.retain(|message| message.qos > 0);
    assert_eq!(found, expected[1..]);
}

#[test]
fn mqtt_3_3_1_10_an_empty_retained_message_is_delivered_and_removes_what_was_kept() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    for qos in 0..=2 {
        publisher.retain(1, "t", "kept");
        assert_eq!(subscriber.message(), message(1, "t", "kept"));
        assert_kept(&gateway, "t", &[retained(1, "t", "kept")]);
        publisher.retain(qos, "t", "");
        assert_eq!(subscriber.message(), message(qos, "t", ""));
        assert_kept(&gateway, "t", &[]);
    }
}

#[test]
fn mqtt_3_3_1_11_an_empty_retained_message_is_not_kept() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for qos in 0..=2 {
        publisher.retain(qos, format!("t/{qos}"), "");
    }
    assert_kept(&gateway, "t/#", &[]);
    assert_kept(&gateway, "t/1", &[]);
}

#[test]
fn mqtt_3_3_1_12_a_message_without_retain_changes_nothing_that_is_kept() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(1, "t/kept", "kept");
    for qos in 0..=2 {
        publisher.publish(qos, "t/kept", "passing by");
        publisher.publish(qos, "t/kept", "");
        publisher.publish(qos, "t/never", "passing by");
        assert_kept(&gateway, "t/#", &[retained(1, "t/kept", "kept")]);
    }
}
