//! As many retained messages as the configuration allows, and one more.

use super::seen;
use crate::support::{
    device::{Device, Hello, Publish},
    gateway::Gateway,
    version::Version::{V5, V311},
};

const THREE: &str = "[limits]\nmax_retained_messages = 3\nsys_interval = \"0s\"";

fn publish(topic: &str, qos: u8) -> Publish {
    Publish::new(topic, topic).qos(qos).retained()
}

/// The topics that a new subscriber finds.
#[track_caller]
fn retained(gateway: &Gateway) -> Vec<String> {
    let mut publisher = Device::connect(gateway.address(), V311, "marker");
    let mut subscriber = Device::connect(gateway.address(), V311, "finder");
    subscriber.subscribe("#", 1);
    let found = subscriber.messages_before_marker(&mut publisher, "end");
    found.into_iter().map(|message| message.topic).collect()
}

#[test]
fn a_message_on_one_topic_too_many_is_refused_in_the_words_of_its_version() {
    let mut gateway = Gateway::start(THREE);
    let mut subscriber = Device::connect(gateway.address(), V311, "subscriber");
    subscriber.subscribe("+", 2);
    let mut device = Device::connect(gateway.address(), V5, "publisher");
    for topic in ["a", "b", "c"] {
        device.publish(&publish(topic, 1));
        assert_eq!(subscriber.message("it").topic, topic);
    }
    for qos in [1, 2] {
        assert_eq!(device.publishes(&publish("d", qos)), 0x97, "QoS {qos}");
    }
    device.publish(&publish("d", 0));
    device.ping();
    for qos in [1, 2] {
        let mut older = Device::connect(gateway.address(), V311, "older");
        older.wire.send(&publish("d", qos).encode(V311, 7));
        assert_eq!(older.is_sent_away(), None, "QoS {qos}");
    }
    let mut older = Device::connect(gateway.address(), V311, "older");
    older.publish(&publish("d", 0));
    older.ping();
    let will = Hello::clean(V311, "willing").will(publish("d", 1));
    drop(will.accepted(gateway.address()));
    // What is not retained, replaces, or deletes is taken as ever.
    device.publish(&Publish::new("d", "passing").qos(2));
    assert_eq!(seen(&subscriber.message("it")), ("d", "passing", 2, false));
    device.publish(&publish("b", 2));
    assert_eq!(subscriber.message("it").topic, "b");
    assert_eq!(retained(&gateway), ["a", "b", "c"]);

    gateway.kill9();
    gateway.restart();
    assert_eq!(retained(&gateway), ["a", "b", "c"]);
    let mut device = Device::connect(gateway.address(), V5, "publisher");
    assert_eq!(device.publishes(&publish("d", 1)), 0x97);
    device.publish(&Publish::new("a", "").qos(1).retained());
    device.publish(&publish("d", 1));
    assert_eq!(device.publishes(&publish("e", 1)), 0x97);
    assert_eq!(retained(&gateway), ["b", "c", "d"]);
}

/// The same in bytes: topic, payload and properties count.
#[test]
fn a_message_of_one_byte_too_many_is_refused_and_a_smaller_one_is_taken() {
    let gateway = Gateway::start("[limits]\nmax_retained_bytes = 10000\nsys_interval = \"0s\"");
    let mut device = Device::connect(gateway.address(), V5, "publisher");
    let of_size =
        |topic: &str, bytes: usize| Publish::new(topic, "x".repeat(bytes)).qos(1).retained();
    device.publish(&of_size("large", 9_000));
    assert_eq!(device.publishes(&of_size("other", 1_000)), 0x97);
    assert_eq!(device.publishes(&of_size("large", 10_000)), 0x97);
    let property = crate::support::device::user_property("name", &"x".repeat(10_000));
    assert_eq!(
        device.publishes(&of_size("other", 1).property(&property)),
        0x97
    );
    device.publish(&of_size("other", 100));
    device.publish(&of_size("large", 10));
    device.publish(&of_size("third", 9_000));
    assert_eq!(retained(&gateway), ["large", "other", "third"]);
}
