//! The maximum packet size of a client (MQTT 5, 3.1.2.11.4): what is larger is left out as if it
//! were sent ([MQTT-3.1.2-25]).

use crate::support::{
    device::{Device, Hello, Publish, user_property},
    gateway::Gateway,
    version::Version::{V5, V311},
};

/// Takes packets of 100 bytes.
const SMALL: &[u8] = &[0x27, 0, 0, 0, 100];

/// A message on `topic` whose packet at QoS 1 has `size` bytes without properties.
fn of_size(topic: &str, size: usize) -> Publish {
    let rest = 2 + 2 + topic.len() + 2 + 1;
    Publish::new(topic, "x".repeat(size - rest)).qos(1)
}

#[test]
fn a_message_of_the_maximum_packet_size_comes_and_one_of_a_byte_more_does_not() {
    let gateway = Gateway::start("");
    for hello in [Hello::clean(V5, "small"), Hello::lasting(V5, "small")] {
        let mut device = hello.property(SMALL).accepted(gateway.address()).0;
        let mut large = Device::connect(gateway.address(), V5, "large");
        for device in [&mut device, &mut large] {
            device.subscribe("t", 2);
        }
        for version in [V311, V5] {
            let mut publisher = Device::connect(gateway.address(), version, "publisher");
            for (publish, fits) in [
                (of_size("t", 100), true),
                (of_size("t", 101), false),
                (of_size("t", 99), true),
                (of_size("t", 5_000), false),
                (of_size("t", 102).qos(2), false),
                (of_size("t", 100).qos(2), true),
                (of_size("t", 102).qos(0), true),
                (of_size("t", 103).qos(0), false),
            ] {
                publisher.publish(&publish);
                publisher.publish(&Publish::new("t", "next").qos(1));
                let message = large.message("the message");
                assert_ne!(message.text(), "next");
                assert_eq!(large.message("the next one").text(), "next");
                let message = device.message("a message");
                assert_eq!(message.text() != "next", fits, "{publish:?}");
                if fits {
                    assert_eq!(device.message("the next one").text(), "next");
                }
            }
        }
        device.leave();
        Hello::clean(V5, "small")
            .accepted(gateway.address())
            .0
            .leave();
    }
}

#[test]
fn retained_and_queued_messages_that_are_too_large_are_left_out_too() {
    let gateway = Gateway::start("");
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    publisher.publish(&of_size("kept/1", 101).retained());
    publisher.publish(&of_size("kept/2", 100).retained());
    publisher.publish(
        &of_size("kept/3", 90)
            .retained()
            .property(&user_property("name", "value")),
    );
    publisher.publish(&of_size("kept/4", 90).retained());
    let hello = Hello::lasting(V5, "small").property(SMALL);
    for retained_again in [false, true] {
        let mut device = hello.accepted(gateway.address()).0;
        if !retained_again {
            device.subscribe("kept/#", 1);
        }
        for topic in ["kept/2", "kept/4"] {
            assert_eq!(device.message("what fits").topic, topic);
        }
        device.subscribe("fence", 1);
        assert_eq!(device.messages_before_marker(&mut publisher, "fence"), []);
        device.leave();
        publisher.publish(&of_size("kept/1", 101));
        publisher.publish(&of_size("kept/2", 100));
        publisher.publish(&of_size("kept/3", 5_000));
        publisher.publish(&of_size("kept/4", 90));
    }
    // Who comes with a larger size later does not get what was left out before.
    let mut device = Hello::lasting(V5, "small").accepted(gateway.address()).0;
    for topic in ["kept/1", "kept/2", "kept/3", "kept/4"] {
        assert_eq!(device.message("what waited").topic, topic);
    }
    device.ping();
}

/// An alias saves bytes later, and must not cost a message now.
#[test]
fn a_topic_alias_makes_no_message_too_large() {
    let gateway = Gateway::start("");
    let hello = Hello::clean(V5, "small")
        .property(SMALL)
        .property(&[0x22, 0, 5]);
    let mut device = hello.accepted(gateway.address()).0;
    device.subscribe("topic/#", 1);
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    publisher.publish(&of_size("topic/1", 100));
    let message = device.message("it, without an alias");
    assert_eq!(
        (message.topic.as_str(), &message.properties[..]),
        ("topic/1", &b""[..])
    );
    publisher.publish(&of_size("topic/1", 97));
    let message = device.message("it, with an alias");
    assert_eq!(
        (message.topic.as_str(), &message.properties[..]),
        ("topic/1", &b"\x23\0\x01"[..])
    );
    // Without its topic it is small enough.
    publisher.publish(&of_size("topic/1", 104));
    let message = device.message("it, by its alias alone");
    assert_eq!(
        (message.topic.as_str(), &message.properties[..]),
        ("", &b"\x23\0\x01"[..])
    );
    publisher.publish(&of_size("topic/1", 105));
    publisher.publish(&of_size("topic/1", 50));
    assert_eq!(device.message("the next that fits").payload.len(), 50 - 14);
}
