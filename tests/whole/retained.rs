//! Retained messages: the last one on each topic, for whoever subscribes later.

mod bounds;
mod many;
mod race;
mod restarts;

use crate::support::{
    device::{
        Device, Hello, Message, Publish, RETAIN_AS_PUBLISHED, SEND_NO_RETAINED,
        SEND_RETAINED_IF_NEW,
    },
    gateway::Gateway,
    version::Version::{self, V5, V311},
};

/// What of a message the tests compare.
fn seen(message: &Message) -> (&str, &str, u8, bool) {
    (&message.topic, message.text(), message.qos, message.retain)
}

/// Two clients, the first of which publishes.
fn two(gateway: &Gateway, version: Version) -> (Device, Device) {
    let address = gateway.address();
    let publisher = Device::connect(address, version, "publisher");
    (publisher, Device::connect(address, version, "subscriber"))
}

#[test]
fn a_retained_message_is_the_last_one_of_its_topic_at_the_lower_qos_of_both() {
    let gateway = Gateway::start("");
    for version in Version::ALL {
        let (mut publisher, mut subscriber) = two(&gateway, version);
        for qos in 0..3 {
            for granted in 0..3 {
                let topic = format!("kept/{version}/{qos}/{granted}");
                let publish = |text: &str| Publish::new(&topic, text).qos(qos).retained();
                publisher.publish(&publish("first"));
                publisher.publish(&publish("last"));
                // A PINGRESP comes behind what was published at QoS 0.
                publisher.ping();
                subscriber.subscribe(&topic, granted);
                let message = subscriber.message("the retained message");
                assert_eq!(seen(&message), (&*topic, "last", qos.min(granted), true));
                // To a subscription that is there it is a message like any other.
                publisher.publish(&publish("live"));
                let message = subscriber.message("the live message");
                assert_eq!(seen(&message), (&*topic, "live", qos.min(granted), false));
            }
        }
    }
}

/// [MQTT-3.3.1-6], [MQTT-3.3.1-10]: a payload that is empty and not retained deletes nothing.
#[test]
fn only_an_empty_payload_that_is_retained_deletes_what_is_retained() {
    let gateway = Gateway::start("");
    for version in Version::ALL {
        let (mut publisher, mut subscriber) = two(&gateway, version);
        for qos in 0..3 {
            let topic = format!("deleted/{version}/{qos}");
            publisher.publish(&Publish::new(&topic, "kept").qos(1).retained());
            publisher.publish(&Publish::new(&topic, "").qos(qos));
            publisher.publish(&Publish::new(&topic, "passing").qos(qos));
            publisher.ping();
            subscriber.subscribe(&topic, 2);
            assert_eq!(seen(&subscriber.message("it")), (&*topic, "kept", 1, true));
            subscriber.unsubscribe(&[&topic]);

            subscriber.subscribe(&topic, 2);
            subscriber.message("it again");
            publisher.publish(&Publish::new(&topic, "").qos(qos).retained());
            // Whoever is subscribed sees the deletion, as a live message.
            assert_eq!(
                seen(&subscriber.message("the end")),
                (&*topic, "", qos, false)
            );
            subscriber.unsubscribe(&[&topic]);
            subscriber.subscribe(&topic, 2);
            assert_eq!(
                subscriber.messages_before_marker(&mut publisher, &topic),
                []
            );
        }
    }
}

/// MQTT 5, 3.3.1.3 and 3.8.3.1.
#[test]
fn the_flag_stays_where_the_subscription_asks_for_it() {
    let gateway = Gateway::start("");
    for lasting in [false, true] {
        let (mut publisher, _) = two(&gateway, V5);
        let hello = if lasting {
            Hello::lasting
        } else {
            Hello::clean
        };
        let mut subscriber = hello(V5, b"flags".as_slice()).accepted(gateway.address()).0;
        for (options, kept) in [(1, false), (1 | RETAIN_AS_PUBLISHED, true)] {
            let topic = format!("flag/{lasting}/{kept}");
            subscriber.subscribe(&topic, options);
            publisher.publish(&Publish::new(&topic, "retained").qos(1).retained());
            publisher.publish(&Publish::new(&topic, "passing").qos(1));
            let first = subscriber.message("a message");
            assert_eq!(seen(&first), (&*topic, "retained", 1, kept), "{lasting}");
            let second = subscriber.message("a message");
            assert_eq!(seen(&second), (&*topic, "passing", 1, false), "{lasting}");
            // What the subscription begins with says so in any case.
            subscriber.subscribe(&topic, options);
            let again = subscriber.message("the retained message");
            assert_eq!(seen(&again), (&*topic, "retained", 1, true), "{lasting}");
        }
    }
}

/// [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11] of MQTT 5.
#[test]
fn a_subscription_says_whether_it_begins_with_what_is_retained() {
    let gateway = Gateway::start("");
    let (mut publisher, mut subscriber) = two(&gateway, V5);
    publisher.publish(&Publish::new("handled", "kept").qos(1).retained());
    for (options, comes) in [
        (1 | SEND_NO_RETAINED, false),
        (1 | SEND_RETAINED_IF_NEW, false),
        (1, true),
        (1, true),
        (1 | SEND_RETAINED_IF_NEW, false),
        (1 | SEND_NO_RETAINED, false),
    ] {
        subscriber.subscribe("handled", options);
        let messages = subscriber.messages_before_marker(&mut publisher, "handled");
        assert_eq!(messages.len(), usize::from(comes), "{options:#x}");
    }
    subscriber.unsubscribe(&["handled"]);
    subscriber.subscribe("handled", 1 | SEND_RETAINED_IF_NEW);
    assert_eq!(subscriber.message("it").text(), "kept");
}

#[test]
fn each_subscription_that_overlaps_begins_with_what_is_retained_for_it() {
    let gateway = Gateway::start("");
    let (mut publisher, mut subscriber) = two(&gateway, V311);
    for topic in ["over", "over/a", "over/a/b", "other"] {
        publisher.publish(&Publish::new(topic, topic).qos(1).retained());
    }
    for (filter, expected) in [
        ("over/#", &["over", "over/a", "over/a/b"][..]),
        ("over/+", &["over/a"]),
        ("+/a/+", &["over/a/b"]),
        ("over/a", &["over/a"]),
        ("+", &["other", "over"]),
        ("#", &["other", "over", "over/a", "over/a/b"]),
        ("over/+/+/+", &[]),
        ("ove/#", &[]),
    ] {
        subscriber.subscribe(filter, 1);
        subscriber.subscribe("fence", 1);
        let mut found: Vec<String> = subscriber
            .messages_before_marker(&mut publisher, "fence")
            .into_iter()
            .map(|message| message.topic)
            .collect();
        found.sort();
        assert_eq!(found, expected, "{filter}");
        subscriber.unsubscribe(&[filter]);
    }
}

/// MQTT 5, 4.8.2: what is retained is not sent to a shared subscription.
#[test]
fn a_shared_subscription_begins_with_nothing() {
    let gateway = Gateway::start("");
    for version in [V311, V5] {
        let (mut publisher, mut subscriber) = two(&gateway, version);
        publisher.publish(&Publish::new("shared", "kept").qos(1).retained());
        subscriber.subscribe("$share/g/shared", 1);
        subscriber.subscribe("$share/h/#", 1);
        subscriber.subscribe("fence", 1);
        // The marker also comes to the group that asks for everything.
        let messages = subscriber.messages_before_marker(&mut publisher, "fence");
        assert!(
            messages.iter().all(|message| message.topic == "fence"),
            "{messages:?}"
        );
        publisher.publish(&Publish::new("shared", "live").qos(1).retained());
        let live = subscriber.message("the live message");
        assert!(!live.retain, "{live:?}");
    }
}

/// Subscription identifiers and all other properties are with it as with a live message.
#[test]
fn a_retained_message_keeps_its_properties() {
    let gateway = Gateway::start("");
    let (mut publisher, mut subscriber) = two(&gateway, V5);
    let properties = b"\x01\x01\x08\0\x01r\x09\0\x02\0\xff\x26\0\x01a\0\x01b\x26\0\x01a\0\x01c";
    let publish = Publish::new("properties", "kept").qos(1).retained();
    publisher.publish(&publish.property(properties).property(b"\x23\0\x01"));
    let packet_id = subscriber.next_id();
    let subscribe = subscriber.subscribe_packet(packet_id, b"\x0b\x81\x01", &[(b"properties", 1)]);
    subscriber.wire.send(&subscribe);
    assert_eq!(subscriber.answer("SUBACK").body.last(), Some(&1));
    let message = subscriber.message("the retained message");
    let expected = [b"\x0b\x81\x01", &properties[..]].concat();
    assert_eq!(message.properties, expected);

    let mut older = Device::connect(gateway.address(), V311, "older");
    older.subscribe("properties", 1);
    assert_eq!(older.message("it").payload, b"kept");
}
