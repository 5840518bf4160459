//! 3.3: PUBLISH as a client sends it, and how it is answered.

use super::{
    client::{Client, message},
    packets::{DUP, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, packet, publish, publish_with},
};
use crate::support::{firehose::Firehose, gateway::Gateway, wire::acknowledged};

#[test]
fn mqtt_3_3_1_2_a_message_at_qos_0_has_no_dup() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.send(&publish_with(DUP, 1, 1, "t", "first"));
    publisher.expect(&ack(PUBACK, 1));
    assert_eq!(subscriber.message(), message(0, "t", "first"));

    publisher.send(&publish_with(DUP, 0, 0, "t", "never delivered"));
    publisher.expect_end();
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_3_3_1_3_the_dup_of_a_publisher_does_not_reach_subscribers() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for granted in 0..=2 {
        let mut subscriber = Client::connect(&gateway, "subscriber");
        subscriber.subscribe("t", granted);
        for published in 1..=2 {
            publisher.send(&publish_with(DUP, published, 9, "t", "x"));
            if published == 1 {
                publisher.expect(&ack(PUBACK, 9));
            } else {
                publisher.expect(&ack(PUBREC, 9));
                publisher.send(&ack(PUBREL, 9));
                publisher.expect(&ack(PUBCOMP, 9));
            }
            let expected = message(granted.min(published), "t", "x");
            assert_eq!(subscriber.message(), expected);
        }
    }
}

#[test]
fn mqtt_3_3_1_4_a_publish_at_qos_3_ends_the_connection() {
    let gateway = Gateway::start("");
    for flags in [0, 1, 8, 9] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&publish_with(flags, 3, 1, "t", "x"));
        client.expect_end();
    }
}

#[test]
fn mqtt_3_3_2_1_a_topic_name_comes_first_and_is_utf_8() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("#", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    for topic in ["a", "a/b", "ü", "grün/日本/𝄞", "\u{10fffd}", "a b"] {
        publisher.publish(1, topic, topic);
        assert_eq!(subscriber.message(), message(1, topic, topic));
    }
    for body in [&b""[..], b"\0", b"\0\x05abcd", b"\xff\xff", b"\0\x01\xff"] {
        let mut publisher = Client::connect(&gateway, "faulty");
        publisher.send(&packet(0x30, body));
        publisher.expect_end();
    }
}

#[test]
fn mqtt_3_3_2_2_and_4_7_1_1_a_topic_name_with_a_wildcard_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("#", 1);
    for topic in ["#", "+", "a/#", "a/+/b", "+/a", "a#", "a+b", "#/a"] {
        for qos in 0..=2 {
            let mut client = Client::connect(&gateway, "client");
            client.send(&publish(qos, 1, topic, "x"));
            client.expect_end();
        }
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(watcher.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_3_3_4_1_a_publish_is_answered_as_its_qos_demands() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&publish(0, 0, "t", "x"));
    client.send(&[0xC0, 0]);
    client.expect(&[0xD0, 0]);
    client.send(&publish(1, 10, "t", "x"));
    client.expect(&ack(PUBACK, 10));
    client.send(&publish(2, 11, "t", "x"));
    client.expect(&ack(PUBREC, 11));
    client.send(&ack(PUBREL, 11));
    client.expect(&ack(PUBCOMP, 11));
    // Payloads of any size, none included.
    for size in [0, 1, 127, 128, 16_383, 16_384, 500_000] {
        client.send(&publish(1, 12, "t", vec![b'x'; size]));
        client.expect(&ack(PUBACK, 12));
    }
}

#[test]
fn mqtt_3_3_5_2_a_publish_that_is_refused_is_acknowledged_or_ends_the_connection() {
    let mut firehose = Firehose::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[connector]]
        name = "full"
        contract = "plain"
        upstream = "firehose"
        parameters = {{ destination = "full", queue_size = 1 }}
        upstream_parameters = {}
        [[rule]]
        filter = "full"
        connector = "full"
        "#,
        firehose.upstream_parameters()
    ));
    firehose.stop();
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(1, "full", "the one that has room");
    publisher.send(&publish(1, 2, "full", "refused"));
    match publisher.receive() {
        None => {}
        Some(answer) => {
            assert_eq!((answer.first, acknowledged(&answer)), (PUBACK, 2));
            publisher.ping();
        }
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.send(&publish(2, 3, "full", "refused"));
    match publisher.receive() {
        None => {}
        Some(answer) => {
            assert_eq!((answer.first, acknowledged(&answer)), (PUBREC, 3));
            publisher.send(&ack(PUBREL, 3));
            publisher.expect(&ack(PUBCOMP, 3));
        }
    }
    Client::connect(&gateway, "publisher").publish(1, "elsewhere", "taken");
}
