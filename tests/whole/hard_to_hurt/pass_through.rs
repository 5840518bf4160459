//! What the gateway passes on unchanged, and what it counts down.

use std::time::Duration;

use crate::support::{
    device::{Device, Hello, Publish, user_property},
    gateway::Gateway,
    version::Version::{V5, V31, V311},
    wait::pause,
};

/// All that MQTT 5 lets a publisher say to its receivers (3.3.2.3), in no order.
fn everything() -> Vec<u8> {
    [
        &user_property("z", "first")[..],
        b"\x03\0\x0bapplication",
        b"\x09\0\x05\0\xff\0\xfe\0",
        &user_property("a", "second"),
        b"\x08\0\x08reply/to",
        b"\x01\x01",
        &user_property("z", "first"),
        &user_property("", ""),
    ]
    .concat()
}

#[test]
fn properties_pass_through_unchanged_and_in_order_and_below_mqtt_5_there_are_none() {
    let everything = everything();
    let gateway = Gateway::start("");
    let mut live = Device::connect(gateway.address(), V5, "live");
    let mut older = [V31, V311].map(|version| {
        let mut device = Device::connect(gateway.address(), version, &format!("older-{version}"));
        device.subscribe("request/#", 2);
        device
    });
    let lasting = Hello::lasting(V5, "away");
    let mut away = lasting.accepted(gateway.address()).0;
    for device in [&mut live, &mut away] {
        device.subscribe("request/#", 2);
    }
    away.leave();
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    for qos in 0..3 {
        let publish = Publish::new(format!("request/{qos}"), "body")
            .qos(qos)
            .retained();
        publisher.publish(&publish.property(&everything));
        let message = live.message("the message");
        assert_eq!((message.qos, message.properties), (qos, everything.clone()));
        for device in &mut older {
            let message = device.message("the message");
            assert_eq!((message.qos, message.text()), (qos, "body"));
        }
    }
    // Over the queue of a session, and as a retained message.
    let mut away = lasting.comes(gateway.address(), true);
    for qos in 1..3 {
        let message = away.message("a message that waited");
        assert_eq!((message.qos, message.properties), (qos, everything.clone()));
    }
    away.unsubscribe(&["request/#"]);
    away.subscribe("request/+", 0);
    for qos in 0..3 {
        let message = away.message("a retained message");
        assert_eq!(message.topic, format!("request/{qos}"));
        assert_eq!(message.properties, everything);
    }
}

#[test]
fn an_older_publisher_has_no_properties_to_pass_on() {
    let gateway = Gateway::start("");
    let mut device = Device::connect(gateway.address(), V5, "subscriber");
    device.subscribe("t", 2);
    for version in [V31, V311] {
        let mut publisher = Device::connect(gateway.address(), version, "publisher");
        for qos in 0..3 {
            publisher.publish(&Publish::new("t", "x").qos(qos));
            assert_eq!(device.message("it").properties, b"");
        }
    }
}

/// 3.3.2.3.3: what is left is told, and what has expired is not sent.
#[test]
fn a_message_that_waits_is_told_what_is_left_of_its_time_and_one_without_is_not_sent() {
    const SHORT: Duration = Duration::from_secs(1);
    let gateway = Gateway::start("");
    let expiry = |seconds: u32| [&[0x02][..], &seconds.to_be_bytes()].concat();
    let publish = |text: &str| Publish::new("t", text).qos(1);
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "away");
        let mut away = hello.accepted(gateway.address()).0;
        away.subscribe("t", 2);
        away.leave();
        let mut live = Device::connect(gateway.address(), V5, "live");
        live.subscribe("t", 1);
        let mut publisher = Device::connect(gateway.address(), V5, "publisher");
        for text in ["short", "long", "for ever", "long before"] {
            let message = match text {
                "short" => publish(text).property(&expiry(1)),
                "for ever" => publish(text),
                _ => publish(text)
                    .property(&user_property("a", "b"))
                    .property(&expiry(3_600)),
            };
            publisher.publish(&message);
            // Who is there gets the whole of it.
            let found = live.message("it");
            let expected = match text {
                "short" => expiry(1),
                "for ever" => Vec::new(),
                _ => [expiry(3_600), user_property("a", "b")].concat(),
            };
            assert_eq!((found.text(), found.properties.clone()), (text, expected));
        }
        pause(SHORT + Duration::from_millis(1_100));
        let mut away = hello.comes(gateway.address(), true);
        for text in ["long", "for ever", "long before"] {
            let found = away.message("what waited");
            assert_eq!(found.text(), text);
            if version == V5 && text != "for ever" {
                let left: [u8; 4] = found.properties[1..5].try_into().expect("four bytes");
                let left = u32::from_be_bytes(left);
                assert!((3_570..3_599).contains(&left), "{left} s");
                assert_eq!(found.properties[5..], user_property("a", "b"));
            } else {
                assert_eq!(found.properties, b"");
            }
        }
        away.subscribe("fence", 1);
        assert_eq!(away.messages_before_marker(&mut publisher, "fence"), []);
        away.leave();
        Hello::clean(version, "away")
            .accepted(gateway.address())
            .0
            .leave();
    }
}
