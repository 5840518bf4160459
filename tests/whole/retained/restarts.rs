//! What is retained is on disk with its acknowledgement, and expires there too.

use std::time::{Duration, Instant};

use super::seen;
use crate::support::{
    device::{Device, Publish},
    gateway::Gateway,
    version::Version::{self, V5, V311},
    wait::pause,
};

#[test]
fn what_is_retained_survives_a_kill_and_what_was_deleted_does_not_come_back() {
    let mut gateway = Gateway::start("");
    for version in Version::ALL {
        let mut publisher = Device::connect(gateway.address(), version, "publisher");
        for qos in 0..3 {
            let publish = |topic: &str, text: &str| {
                Publish::new(format!("{topic}/{qos}"), text)
                    .qos(qos)
                    .retained()
            };
            publisher.publish(&publish("kept", "first"));
            publisher.publish(&publish("kept", "last"));
            publisher.publish(&publish("deleted", "gone"));
            publisher.publish(&publish("deleted", ""));
            publisher.publish(&publish("back", "gone"));
            publisher.publish(&publish("back", ""));
            publisher.publish(&publish("back", "again"));
        }
        // Its acknowledgement covers what was published at QoS 0 before it.
        publisher.publish(&Publish::new("fence", "up").qos(1).retained());
        gateway.kill9();
        gateway.restart();

        let mut subscriber = Device::connect(gateway.address(), version, "subscriber");
        subscriber.subscribe("#", 2);
        let mut found: Vec<_> = (0..7)
            .map(|_| subscriber.message("a retained message"))
            .collect();
        found.sort_by(|one, other| one.topic.cmp(&other.topic));
        let found: Vec<_> = found.iter().map(seen).collect();
        assert_eq!(
            found,
            [
                ("back/0", "again", 0, true),
                ("back/1", "again", 1, true),
                ("back/2", "again", 2, true),
                ("fence", "up", 1, true),
                ("kept/0", "last", 0, true),
                ("kept/1", "last", 1, true),
                ("kept/2", "last", 2, true),
            ]
        );
        let mut publisher = Device::connect(gateway.address(), version, "publisher");
        assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
        drop(subscriber);
    }
}

/// MQTT 5, 3.3.2.3.3: the interval runs while the gateway is down.
#[test]
fn a_retained_message_expires_while_the_gateway_is_down_and_its_time_is_counted_down() {
    const SHORT: Duration = Duration::from_secs(2);
    let expiry = |seconds: u32| [&[0x02][..], &seconds.to_be_bytes()].concat();
    let mut gateway = Gateway::start("");
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    let publish = |topic: &str| Publish::new(topic, "x").qos(1).retained();
    publisher.publish(&publish("expiring/long").property(&expiry(3_600)));
    publisher.publish(&publish("expiring/never"));
    publisher.publish(&publish("expiring/short").property(&expiry(2)));
    let published = Instant::now();
    let mut subscriber = Device::connect(gateway.address(), V311, "subscriber");
    subscriber.subscribe("expiring/+", 1);
    for _ in 0..3 {
        subscriber.message("all three are there");
    }
    gateway.kill9();
    pause(SHORT.saturating_sub(published.elapsed()) + Duration::from_millis(100));
    gateway.restart();

    let mut subscriber = Device::connect(gateway.address(), V5, "subscriber");
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    subscriber.subscribe("expiring/#", 1);
    let found = subscriber.messages_before_marker(&mut publisher, "expiring/end");
    let topics: Vec<&str> = found.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics, ["expiring/long", "expiring/never"]);
    let [id, seconds @ ..] = &found[0].properties[..] else {
        panic!("no expiry is left: {:?}", found[0]);
    };
    let left = u32::from_be_bytes(seconds.try_into().expect("four bytes"));
    assert_eq!(*id, 0x02);
    assert!((3_570..3_600).contains(&left), "{left} s are left");
    assert_eq!(found[1].properties, b"");
}

#[test]
fn a_message_expires_for_those_who_subscribe_later() {
    let gateway = Gateway::start("");
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    let expiring = Publish::new("expiring", "x").qos(1).retained();
    publisher.publish(&expiring.property(&[0x02, 0, 0, 0, 1]));
    let published = Instant::now();
    let mut subscriber = Device::connect(gateway.address(), V5, "subscriber");
    let mut comes = true;
    while comes {
        assert!(
            published.elapsed() < Duration::from_secs(10),
            "it does not expire"
        );
        subscriber.subscribe("expiring", 1);
        let found = subscriber.messages_before_marker(&mut publisher, "expiring");
        comes = !found.is_empty();
    }
    assert!(
        published.elapsed() > Duration::from_millis(900),
        "it expired too soon"
    );
}
