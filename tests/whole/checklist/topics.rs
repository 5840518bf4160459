//! Topics and filters that are empty, malformed, or somebody else's.

use super::{NOTHING, Target};
use crate::support::{
    device::{Device, Hello, Publish},
    version::Version::{self, V5, V311},
    wire::{Wire, packet, string},
};

/// mosquitto CVE-2021-34432: a topic without a character ended the process.
#[test]
fn a_topic_without_a_character_ends_its_own_connection_alone() {
    let mut target = Target::start("");
    for version in Version::ALL {
        for qos in 0..3 {
            let mut device = Device::connect(target.address(), version, "empty");
            device
                .wire
                .send(&Publish::new("", "x").qos(qos).encode(version, 1));
            let reason = device.is_sent_away();
            assert_eq!(reason, (version == V5).then_some(0x82), "MQTT {version}");
        }
        let mut device = Device::connect(target.address(), version, "empty");
        let refused = if version == V5 { 0x8F } else { 0x80 };
        assert_eq!(device.asks_for("", 1), refused, "MQTT {version}");
        device.ping();

        let will = Hello::clean(version, "empty-will").will(Publish::new("", "gone"));
        let mut wire = Wire::open(target.address());
        wire.send(&will.encode());
        let answer = wire.receive();
        let is_refused = answer.is_none_or(|answer| answer.body[1] != 0);
        assert!(is_refused, "MQTT {version}: a will without a topic");
    }
    target.withstands("topics without a character", NOTHING);
}

/// A filter that shares nothing, or nobody's, found its way into the tables of many brokers.
#[test]
fn a_malformed_shared_subscription_is_refused_and_takes_no_message() {
    const MALFORMED: &[&str] = &[
        "$share/",
        "$share//",
        "$share//t",
        "$share/g",
        "$share/g/",
        "$share/+/t",
        "$share/#/t",
        "$share/#",
        "$share/g+/t",
        "$share/g/t#",
        "$share/g/#/t",
    ];
    let mut target = Target::start("");
    for version in Version::ALL {
        let mut device = Device::connect(target.address(), version, "sharer");
        let refused = if version == V5 { 0x8F } else { 0x80 };
        for filter in MALFORMED {
            assert_eq!(device.asks_for(filter, 1), refused, "{filter}");
            device.unsubscribe(&[filter]);
        }
        // It is a filter like any other, and a group may be named like one.
        for filter in [
            "$share",
            "$share/$share/t",
            "$share/g/$share/g/t",
            "$share/g//",
        ] {
            device.subscribe(filter, 1);
            device.unsubscribe(&[filter]);
            device.unsubscribe(&[filter]);
        }
        // Nobody has subscribed to what was refused.
        device.subscribe("fence", 1);
        let mut publisher = Device::connect(target.address(), version, "publisher");
        for topic in ["t", "$share/g/t", "g/t", "/", "x"] {
            publisher.publish(&Publish::new(topic, "x").qos(1));
        }
        let messages = device.messages_before_marker(&mut publisher, "fence");
        assert_eq!(messages, [], "MQTT {version}");
        target.goes_on("malformed shared subscriptions");
    }
    target.withstands("malformed shared subscriptions", NOTHING);
}

/// mosquitto CVE-2018-12543: a topic that begins with a dollar and is not the broker's own ended
/// the process.
#[test]
fn a_will_on_a_topic_of_the_brokers_own_is_not_published_and_no_wildcard_sees_a_dollar() {
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V5, "subscriber");
    for filter in [
        "#",
        "+/broker/uptime",
        "$SYS/forged/#",
        "$SYS",
        "$own/#",
        "fence",
    ] {
        subscriber.subscribe(filter, 1);
    }
    let mut publisher = Device::connect(target.address(), V5, "publisher");
    for version in Version::ALL {
        for topic in [
            "$SYS/forged/uptime",
            "$SYS",
            "$SYS/forged",
            "$own/t",
            "$share/g/t",
        ] {
            let will = Publish::new(topic, "forged").qos(1).retained();
            let device = Hello::clean(version, "forger")
                .will(will)
                .accepted(target.address());
            drop(device);
        }
    }
    // Each of the three wills on `$own/t` comes, and is all that comes.
    for _ in Version::ALL {
        assert_eq!(subscriber.message("a will").topic, "$own/t");
    }
    let rest = subscriber.messages_before_marker(&mut publisher, "fence");
    let topics: Vec<&str> = rest.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics, [""; 0]);
    target.withstands("wills on topics of the broker's own", NOTHING);
}

/// mosquitto CVE-2017-7653: text that is not UTF-8 reached clients, which disconnected.
#[test]
fn text_that_is_not_utf_8_reaches_nobody() {
    const NOT_TEXT: &[(&str, &[u8])] = &[
        ("U+0000", b"a\0b"),
        ("an overlong U+0000", b"a\xc0\x80"),
        ("an overlong slash", b"a\xc0\xafb"),
        ("an overlong slash of three bytes", b"a\xe0\x80\xafb"),
        ("the first surrogate", b"a\xed\xa0\x80"),
        ("the last surrogate", b"a\xed\xbf\xbf"),
        ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("a character beyond U+10FFFF", b"a\xf4\x90\x80\x80"),
        ("a character of five bytes", b"\xf8\x88\x80\x80\x80"),
        ("a continuation without a beginning", b"\x80"),
        ("a beginning without a continuation", b"a\xc3"),
        ("the byte FE", b"a\xfe"),
    ];
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V5, "subscriber");
    subscriber.subscribe("#", 1);
    for version in Version::ALL {
        for (what, text) in NOT_TEXT {
            let what = format!("MQTT {version}, {what}");
            let hello = Hello::clean(version, text);
            assert!(is_turned_away(&target, &hello), "{what}: client identifier");
            let will = Hello::clean(version, "will").will(Publish::new(text, "gone"));
            assert!(is_turned_away(&target, &will), "{what}: will topic");

            let mut packets = vec![
                Publish::new(text, "x").encode(version, 0),
                Publish::new(text, "x").qos(2).retained().encode(version, 1),
                subscribe_or_not(version, 0x82, &[&string(text)[..], &[0]].concat()),
                subscribe_or_not(version, 0xA2, &string(text)),
            ];
            if version == V5 {
                for id in [0x03, 0x08] {
                    let property = [&[id][..], &string(text)].concat();
                    packets.push(Publish::new("t", "x").property(&property).encode(V5, 0));
                }
                let pair = [&[0x26][..], &string(b"name"), &string(text)].concat();
                packets.push(Publish::new("t", "x").property(&pair).encode(V5, 0));
            }
            for bytes in packets {
                let mut device = Device::connect(target.address(), version, "writer");
                device.wire.send(&bytes);
                let reason = device.is_sent_away();
                assert_eq!(
                    reason,
                    (version == V5).then_some(0x81),
                    "{what}: {bytes:x?}"
                );
            }
        }
    }
    let mut publisher = Device::connect(target.address(), V5, "publisher");
    let seen = subscriber.messages_before_marker(&mut publisher, "end");
    assert_eq!(seen, []);
    target.withstands("text that is not UTF-8", NOTHING);
}

fn is_turned_away(target: &Target, hello: &Hello) -> bool {
    let mut wire = Wire::open(target.address());
    wire.send(&hello.encode());
    let answer = wire.receive();
    answer.is_none_or(|answer| answer.body[1] != 0 && wire.receive().is_none())
}

/// SUBSCRIBE or UNSUBSCRIBE.
fn subscribe_or_not(version: Version, first: u8, filters: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if version == V5 { &[0] } else { &[] };
    packet(first, &[&[0, 9], properties, filters].concat())
}

/// rumqttd 0.20: the router ended with a first character that is not ASCII.
#[test]
fn every_character_that_unicode_has_may_begin_a_topic() {
    let mut target = Target::start("");
    let mut device = Device::connect(target.address(), V311, "writer");
    let mut other = Device::connect(target.address(), V5, "reader");
    for topic in [
        "ünit/1",
        "温度/室内",
        "😀/😀",
        "\u{feff}bom",
        "\u{200b}/zero width",
        "\u{10ffff}/last",
        "\u{fffe}/no character",
        "\u{1}/control",
        " / ",
        "/",
        "//",
        "a//b/",
        "$",
        "$/",
        "İi",
    ] {
        other.subscribe(topic, 1);
        device.publish(&Publish::new(topic, topic).qos(2).retained());
        let message = other.message(topic);
        assert_eq!((message.topic.as_str(), message.text()), (topic, topic));
        other.unsubscribe(&[topic]);
        device.publish(&Publish::new(topic, "").qos(1).retained());
    }
    target.withstands("topics of all characters", NOTHING);
}

/// NanoMQ issue 2040: an alias was passed on to a client that takes none. EMQX issue 6978:
/// one that was not set ended the connection's process.
#[test]
fn an_alias_belongs_to_the_connection_that_has_set_it() {
    let mut target = Target::start("");
    let mut subscribers = [V311, V5].map(|version| {
        let mut device = Device::connect(target.address(), version, &format!("{version}"));
        device.subscribe("named/once", 0);
        device
    });
    let mut publisher = Device::connect(target.address(), V5, "publisher");
    for topic in ["named/once", "", ""] {
        publisher.publish(&Publish::new(topic, "x").qos(1).property(b"\x23\0\x07"));
    }
    for subscriber in &mut subscribers {
        for _ in 0..3 {
            let message = subscriber.message("it");
            assert_eq!(
                (message.topic.as_str(), &message.properties[..]),
                ("named/once", &b""[..])
            );
        }
    }
    let mut stranger = Device::connect(target.address(), V5, "stranger");
    let unknown = Publish::new("", "x").qos(1).property(b"\x23\0\x07");
    stranger.wire.send(&unknown.encode(V5, 1));
    assert_eq!(stranger.is_sent_away(), Some(0x82));
    target.withstands("an alias of somebody else", NOTHING);
}
