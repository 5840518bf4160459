//! What AWS IoT Core does differently, on a listener that is compatible with it, and the same
//! on one beside it that follows MQTT.

use std::net::SocketAddr;

use crate::support::{
    device::{Device, Hello, Publish},
    gateway::Gateway,
    version::Version::{self, V5, V311},
};

/// The number of a property in a CONNACK: its encoding behind `id`.
fn property<const N: usize>(properties: &[u8], id: u8) -> Option<[u8; N]> {
    let mut rest = properties;
    while let Some((&found, value)) = rest.split_first() {
        let length = match found {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            _ => 2 + usize::from(u16::from_be_bytes([value[0], value[1]])),
        };
        if found == id {
            return value[..length].try_into().ok();
        }
        rest = &value[length..];
    }
    None
}

/// A gateway with both listeners; the first address is compatible with AWS.
fn start() -> (Gateway, [SocketAddr; 2]) {
    let gateway = Gateway::start(
        "compat.aws_iot = true\n[[listener]]\naddress = \"127.0.0.1:0\"\n[limits]\n\
         max_topic_levels = 200\nreceive_maximum = 500\nmax_inflight = 500",
    );
    let addresses = [gateway.address(), gateway.address_of(1)];
    assert_ne!(addresses[0], addresses[1]);
    (gateway, addresses)
}

#[test]
fn qos_2_ends_the_connection() {
    let (_gateway, [aws, mqtt]) = start();
    for version in Version::ALL {
        let reason = (version == V5).then_some(0x9B);
        let mut device = Device::connect(aws, version, "publisher");
        device
            .wire
            .send(&Publish::new("t", "x").qos(2).encode(version, 1));
        assert_eq!(device.is_sent_away(), reason, "MQTT {version}: PUBLISH");
        let mut device = Device::connect(aws, version, "subscriber");
        let subscribe = device.subscribe_packet(1, &[], &[(b"t", 1), (b"u", 2)]);
        device.wire.send(&subscribe);
        assert_eq!(device.is_sent_away(), reason, "MQTT {version}: SUBSCRIBE");

        let mut device = Device::connect(mqtt, version, "both");
        device.subscribe("t", 2);
        device.publish(&Publish::new("t", "x").qos(2));
        assert_eq!(device.message("it").qos, 2);
        // Who asks for less at the other listener gets it so.
        let mut other = Device::connect(aws, version, "other");
        other.subscribe("t", 1);
        device.publish(&Publish::new("t", "x").qos(2));
        assert_eq!(other.message("it").qos, 1);
    }
    let will = Publish::new("will", "gone").qos(2);
    assert_eq!(
        Hello::clean(V5, "will").will(will.clone()).refused(aws),
        0x9B
    );
    Hello::clean(V5, "will").will(will).accepted(mqtt);
    let (_, welcome) = Hello::clean(V5, "told").accepted(aws);
    assert_eq!(property(&welcome.properties, 0x24), Some([1]));
    let (_, welcome) = Hello::clean(V5, "told").accepted(mqtt);
    assert_eq!(property::<1>(&welcome.properties, 0x24), None);
}

#[test]
fn subscription_identifiers_are_refused() {
    let (_gateway, [aws, mqtt]) = start();
    for (address, reason, available) in [(aws, 0xA1, Some([0])), (mqtt, 1, None)] {
        let (mut device, welcome) = Hello::clean(V5, "identified").accepted(address);
        assert_eq!(property(&welcome.properties, 0x29), available);
        let subscribe = device.subscribe_packet(7, b"\x0b\x05", &[(b"t", 1)]);
        device.wire.send(&subscribe);
        assert_eq!(device.answer("SUBACK").body.last(), Some(&reason));
        device.subscribe("t", 1);
    }
}

#[test]
fn topics_and_filters_have_256_bytes_and_seven_slashes() {
    let (_gateway, [aws, mqtt]) = start();
    let longest = "t".repeat(256);
    for (text, fits) in [
        ("1/2/3/4/5/6/7/8", true),
        ("1/2/3/4/5/6/7/8/9", false),
        ("///////", true),
        ("////////", false),
        (longest.as_str(), true),
        (&(longest.clone() + "t"), false),
    ] {
        for (address, fits) in [(aws, fits), (mqtt, true)] {
            let mut device = Device::connect(address, V5, "publisher");
            assert_eq!(
                device.asks_for(text, 1),
                if fits { 1 } else { 0x8F },
                "{text}"
            );
            // The group does not count.
            let shared = format!("$share/{}/{text}", "group".repeat(60));
            assert_eq!(
                device.asks_for(&shared, 1),
                if fits { 1 } else { 0x8F },
                "{text}"
            );
            let reason = device.publishes(&Publish::new(text, "x").qos(1));
            assert_eq!(reason, if fits { 0 } else { 0x90 }, "{text}");

            let mut device = Device::connect(address, V311, "publisher");
            assert_eq!(
                device.asks_for(text, 1),
                if fits { 1 } else { 0x80 },
                "{text}"
            );
            device
                .wire
                .send(&Publish::new(text, "x").qos(1).encode(V311, 9));
            if fits {
                device.acknowledged(0x40, 9);
            } else {
                assert_eq!(device.is_sent_away(), None, "{text}");
            }
            let will = Hello::clean(V5, "willing").will(Publish::new(text, "gone"));
            if fits {
                will.accepted(address);
            } else {
                assert_eq!(will.refused(address), 0x90, "{text}");
            }
        }
    }
}

#[test]
fn a_payload_has_128_kib() {
    let (_gateway, [aws, mqtt]) = start();
    for version in [V311, V5] {
        for (address, bytes, fits) in [
            (aws, 128 << 10, true),
            (aws, (128 << 10) + 1, false),
            (mqtt, (128 << 10) + 1, true),
        ] {
            let mut device = Device::connect(address, version, "publisher");
            let publish = Publish::new("t", "x".repeat(bytes)).qos(1);
            if fits {
                device.publish(&publish);
            } else {
                device.wire.send(&publish.encode(version, 1));
                assert_eq!(device.is_sent_away(), (version == V5).then_some(0x95));
            }
        }
    }
}

#[test]
fn a_client_identifier_has_128_bytes_and_no_dollar_at_its_start() {
    let (_gateway, [aws, mqtt]) = start();
    let longest = "x".repeat(128);
    for (id, fits) in [
        (longest.as_str(), true),
        (&(longest.clone() + "x"), false),
        ("a$", true),
        ("$a", false),
    ] {
        for (address, fits) in [(aws, fits), (mqtt, true)] {
            for (version, refused) in [(V311, 2), (V5, 0x85)] {
                let hello = Hello::clean(version, id);
                if fits {
                    hello.accepted(address);
                } else {
                    assert_eq!(hello.refused(address), refused, "{id}");
                }
            }
        }
    }
}

#[test]
fn a_subscribe_has_eight_filters_and_a_client_50_subscriptions() {
    let (_gateway, [aws, mqtt]) = start();
    for (version, refused) in [(V311, 0x80), (V5, 0x97)] {
        for (address, is_aws) in [(aws, true), (mqtt, false)] {
            let mut device = Device::connect(address, version, "subscriber");
            let names: Vec<String> = (0..51).map(|number| format!("t/{number}")).collect();
            let nine: Vec<(&[u8], u8)> =
                names[..9].iter().map(|name| (name.as_bytes(), 1)).collect();
            let subscribe = device.subscribe_packet(1, &[], &nine);
            device.wire.send(&subscribe);
            let answer = device.answer("SUBACK");
            let codes = &answer.body[answer.body.len() - 9..];
            assert_eq!(
                codes,
                [if is_aws { refused } else { 1 }; 9],
                "MQTT {version}"
            );
            let subscribe = device.subscribe_packet(2, &[], &nine[..8]);
            device.wire.send(&subscribe);
            assert_eq!(device.answer("SUBACK").body.last(), Some(&1));
            for name in &names[..50] {
                device.subscribe(name, 1);
            }
            let last = device.asks_for(&names[50], 1);
            assert_eq!(last, if is_aws { refused } else { 1 }, "MQTT {version}");
            device.subscribe(&names[49], 0);
        }
    }
}

#[test]
fn a_hundred_messages_are_in_flight_in_each_direction() {
    let (_gateway, [aws, mqtt]) = start();
    for (address, most) in [(aws, 100), (mqtt, 500)] {
        let (mut device, welcome) = Hello::clean(V5, "receiver").accepted(address);
        let told = property(&welcome.properties, 0x21).map(u16::from_be_bytes);
        assert_eq!(told, Some(most));
        device.subscribe("t", 1);
        let mut publisher = Device::connect(mqtt, V311, "publisher");
        for _ in 0..=most {
            publisher.publish(&Publish::new("t", "x").qos(1));
        }
        let mut first = None;
        for _ in 0..most {
            let message = device.unacknowledged("a message in flight");
            first.get_or_insert(message);
        }
        // Two answers are behind all that was sent before the first.
        device.ping();
        device.ping();
        device.acknowledge(&first.expect("a message"));
        device.message("the next one, and it comes behind the acknowledgement");
    }
}

#[test]
fn the_keep_alive_is_between_30_seconds_and_20_minutes() {
    let (_gateway, [aws, mqtt]) = start();
    for (asked, told) in [
        (0, Some(1_200)),
        (5, Some(30)),
        (30, None),
        (1_200, None),
        (1_201, Some(1_200)),
    ] {
        let hello = Hello::clean(V5, "keeper").keep_alive(asked);
        let (_, welcome) = hello.accepted(aws);
        let found = property(&welcome.properties, 0x13).map(u16::from_be_bytes);
        assert_eq!(found, told, "{asked}");
        let (_, welcome) = hello.accepted(mqtt);
        assert_eq!(property::<2>(&welcome.properties, 0x13), None, "{asked}");
    }
}

#[test]
fn a_filter_that_ends_in_everything_below_leaves_out_its_parent() {
    let (_gateway, [aws, mqtt]) = start();
    for version in Version::ALL {
        for (address, expected) in [(aws, &["a/b", "a/b/c"][..]), (mqtt, &["a", "a/b", "a/b/c"])] {
            for share in ["", "$share/g/"] {
                let hello = Hello::lasting(version, "parent");
                let mut device = hello.accepted(address).0;
                device.subscribe(&format!("{share}a/#"), 1);
                device.subscribe("end", 1);
                let mut publisher = Device::connect(mqtt, V311, "publisher");
                for topic in ["a", "a/b", "a/b/c"] {
                    publisher.publish(&Publish::new(topic, "x").qos(1));
                }
                let found = device.messages_before_marker(&mut publisher, "end");
                let topics: Vec<&str> = found.iter().map(|found| found.topic.as_str()).collect();
                assert_eq!(topics, expected, "MQTT {version}, {share}a/#");
                device.leave();
                Hello::clean(version, "parent").accepted(mqtt).0.leave();
            }
        }
    }
}

#[test]
fn a_filter_with_wildcards_gets_nothing_retained() {
    let (_gateway, [aws, mqtt]) = start();
    let mut publisher = Device::connect(mqtt, V311, "publisher");
    publisher.publish(&Publish::new("kept/a", "x").qos(1).retained());
    for version in Version::ALL {
        for (filter, on_aws) in [("kept/a", 1), ("kept/+", 0), ("kept/#", 0), ("+/a", 0)] {
            for (address, count) in [(aws, on_aws), (mqtt, 1)] {
                let mut device = Device::connect(address, version, "subscriber");
                device.subscribe(filter, 1);
                device.subscribe("end", 1);
                let found = device.messages_before_marker(&mut publisher, "end");
                assert_eq!(found.len(), count, "MQTT {version}, {filter}");
            }
        }
    }
}

#[test]
fn nothing_is_retained_on_topics_that_begin_with_a_dollar() {
    let (_gateway, [aws, mqtt]) = start();
    let publish = Publish::new("$own/t", "x").qos(1);
    for (address, reason) in [(aws, 0x87), (mqtt, 0)] {
        let mut device = Device::connect(address, V5, "publisher");
        assert_eq!(device.publishes(&publish.clone().retained()), reason);
        device.publish(&publish);
        let mut device = Device::connect(address, V311, "publisher");
        device
            .wire
            .send(&publish.clone().retained().encode(V311, 1));
        if reason == 0 {
            device.acknowledged(0x40, 1);
        } else {
            assert_eq!(device.is_sent_away(), None);
        }
        let will = Hello::clean(V5, "willing").will(publish.clone().retained());
        if reason == 0 {
            will.accepted(address).0.leave();
        } else {
            assert_eq!(will.refused(address), reason);
        }
    }
}
