//! What a message carries through a session's queue and a restart.

use std::time::{Duration, Instant};

use crate::support::{
    client::{MARKER, PUBACK},
    gateway::Gateway,
    hello::Hello,
    properties::id,
    version::Version::{V5, V311},
    wait::pause,
};

const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;

/// Lets a session miss what is published meanwhile: its client goes, the gateway is killed.
fn restarted(gateway: &mut Gateway) {
    gateway.kill9();
    gateway.restart();
}

#[test]
fn overlapping_subscriptions_give_one_copy_with_all_identifiers_and_the_highest_qos() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe_as("a/#", 1, 11);
    client.subscribe_as("a/b", 2, 22);
    client.subscribe_as("+/b", 0, 33);
    client.subscribe("#", 1);
    client.disconnect();
    for is_away in [false, true] {
        let client = (!is_away).then(|| hello.connect(gateway.address()));
        let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
        publisher.publish(2, "a/b", "three");
        publisher.publish(2, "a/c", "one");
        publisher.publish(2, "c", "none");
        publisher.publish(0, "a/b", "live");
        let mut client = client.unwrap_or_else(|| {
            restarted(&mut gateway);
            hello.connect(gateway.address())
        });
        let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
        publisher.publish(2, "a/b", MARKER);
        let expected = [
            (2, "three", &[11, 22, 33][..]),
            (1, "one", &[11]),
            (1, "none", &[]),
            (0, "live", &[11, 22, 33]),
            (2, MARKER, &[11, 22, 33]),
        ];
        let is_kept = |message: &&(u8, &str, &[u32])| !is_away || message.0 > 0;
        let mut messages: Vec<_> = (0..expected.iter().filter(is_kept).count())
            .map(|_| client.take())
            .collect();
        // QoS 0 has no order with the others.
        messages.sort_by_key(|message| message.qos == 0);
        let mut expected: Vec<_> = expected.iter().filter(is_kept).collect();
        expected.sort_by_key(|message| message.0 == 0);
        for ((qos, payload, ids), message) in expected.into_iter().zip(messages) {
            assert_eq!((message.qos, &*message.payload), (*qos, *payload));
            assert_eq!(message.properties.numbers(id::SUBSCRIPTION), *ids);
        }
    }
}

#[test]
fn a_subscriber_that_wants_nothing_of_its_own_gets_nothing_of_it() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, "client");
    let mut client = hello.connect(gateway.address());
    client.subscribe("t", 2 | NO_LOCAL);
    for restarts in [false, true] {
        if restarts {
            restarted(&mut gateway);
            client = hello.connect(gateway.address());
        }
        let mut other = Hello::new(V5, "other").connect(gateway.address());
        for qos in 0..=2 {
            client.publish(qos, "t", "own");
            other.publish(qos, "t", "other's");
        }
        other.publish(2, "t", MARKER);
        assert_eq!(client.take_until_marker(), ["other's"; 3]);
    }
    // Nor when it comes back for what it has published.
    client.publish(2, "t", "own");
    drop(client);
    restarted(&mut gateway);
    let mut client = hello.connect(gateway.address());
    let mut other = Hello::new(V5, "other").connect(gateway.address());
    other.publish(2, "t", MARKER);
    assert!(client.take_until_marker().is_empty());
}

#[test]
fn of_its_own_a_subscriber_gets_what_its_other_subscriptions_give() {
    let gateway = Gateway::start("");
    for hello in [Hello::new(V5, "passing"), Hello::lasting(V5, "lasting")] {
        let mut client = hello.connect(gateway.address());
        client.subscribe_as("a/#", 2 | NO_LOCAL, 1);
        client.subscribe_as("a/+", 1, 2);
        client.publish(2, "a/b", "own");
        let own = client.take();
        assert_eq!((own.qos, &*own.payload), (1, "own"));
        assert_eq!(own.properties.numbers(id::SUBSCRIPTION), [2]);
        let mut other = Hello::new(V5, "other").connect(gateway.address());
        other.publish(2, "a/b", "other's");
        let others = client.take();
        assert_eq!((others.qos, &*others.payload), (2, "other's"));
        assert_eq!(others.properties.numbers(id::SUBSCRIPTION), [1, 2]);
        client.disconnect();
        Hello::new(V5, "lasting")
            .connect(gateway.address())
            .disconnect();
    }
}

#[test]
fn the_retain_flag_is_kept_for_those_alone_who_want_it_as_it_was_published() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe("kept/+", 1 | RETAIN_AS_PUBLISHED);
    client.subscribe("cleared/+", 1);
    client.disconnect();
    for is_away in [false, true] {
        let client = (!is_away).then(|| hello.connect(gateway.address()));
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        for (number, topic) in ["kept/1", "kept/2", "cleared/1", "cleared/2"]
            .into_iter()
            .enumerate()
        {
            let retain = 1 - (number as u8 & 1);
            publisher.publish_raw(2 | retain, number as u16 + 1, topic, &[], topic);
            publisher.expect_ack(PUBACK, number as u16 + 1);
        }
        let mut client = client.unwrap_or_else(|| {
            restarted(&mut gateway);
            hello.connect(gateway.address())
        });
        let flags: Vec<_> = (0..4)
            .map(|_| client.take())
            .map(|message| (message.payload, message.retain))
            .collect();
        let expected = [
            ("kept/1", true),
            ("kept/2", false),
            ("cleared/1", false),
            ("cleared/2", false),
        ];
        assert_eq!(
            flags,
            expected.map(|(topic, retain)| (topic.to_owned(), retain))
        );
    }
}

#[test]
fn the_time_of_a_message_runs_while_its_subscriber_and_the_gateway_are_away() {
    let mut gateway = Gateway::start("");
    let hello = Hello::lasting(V5, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe("t", 2);
    client.disconnect();
    let began = Instant::now();
    let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
    let expiry = |seconds: u8| [id::MESSAGE_EXPIRY, 0, 0, 0, seconds];
    for qos in [1, 2] {
        publisher.publish_with(qos, "t", &expiry(1), "short");
        publisher.publish_with(qos, "t", &expiry(100), "long");
        publisher.publish(qos, "t", "for ever");
    }
    pause(Duration::from_millis(600));
    gateway.kill9();
    pause(Duration::from_millis(900));
    gateway.restart();
    let mut client = hello.connect(gateway.address());
    for qos in [1, 2] {
        let long = client.take();
        assert_eq!((long.qos, &*long.payload), (qos, "long"));
        let left = long.properties.number(id::MESSAGE_EXPIRY).unwrap();
        let passed = began.elapsed().as_secs() as u32;
        assert!((99 - passed..=99).contains(&left), "{left} s are left");
        let unlimited = client.take();
        assert_eq!((unlimited.qos, &*unlimited.payload), (qos, "for ever"));
        assert_eq!(unlimited.properties.number(id::MESSAGE_EXPIRY), None);
    }
    // What was too late has left no gap behind it.
    client.publish(1, "t", MARKER);
    assert!(client.take_until_marker().is_empty());
    client.disconnect();
    let mut client = hello.connect(gateway.address());
    client.publish(1, "t", MARKER);
    assert!(client.take_until_marker().is_empty());
}
