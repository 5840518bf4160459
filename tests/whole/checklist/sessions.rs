//! Handshakes and subscriptions that never end, or end what never began.

use super::{NOTHING, STORED, Target};
use crate::support::{
    device::{Device, Hello, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack},
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
};

/// How many acknowledgements of nothing a client sends, a part of them before memory is measured.
const ACKS: u32 = 100_000;
const AT_ONCE: u32 = 1_000;

/// What fits no handshake is answered, where an answer is due, and forgotten.
#[test]
fn acknowledgements_of_nothing_change_nothing() {
    let mut target = Target::start("");
    for version in [V311, V5] {
        for hello in [
            Hello::clean(version, "acker"),
            Hello::lasting(version, "acker"),
        ] {
            let mut device = hello.accepted(target.address()).0;
            // A session that outlives its connection notes nothing of them either.
            for (first, answered) in [
                (PUBREL, Some(PUBCOMP)),
                (PUBREC, Some(PUBREL)),
                (PUBACK, None),
                (PUBCOMP, None),
            ] {
                acknowledges(&mut device, first, answered, ACKS / 10);
                target.rest();
                acknowledges(&mut device, first, answered, ACKS);
                target.withstands(&format!("MQTT {version}: {ACKS} of {first:#x}"), NOTHING);
            }
            // It can publish and is served with any identifier.
            device.subscribe("acker", 2);
            device.publish(&Publish::new("acker", "x").qos(2));
            assert_eq!(device.message("its own").text(), "x");
            device.leave();
        }
    }
}

/// Sends `count` acknowledgements with identifiers all over the range.
#[track_caller]
fn acknowledges(device: &mut Device, first: u8, answered: Option<u8>, count: u32) {
    for batch in 0..count / AT_ONCE {
        let ids = (0..AT_ONCE).map(|number| ((batch * AT_ONCE + number) % 65_535 + 1) as u16);
        let bytes: Vec<u8> = ids.clone().flat_map(|id| ack(first, id)).collect();
        device.wire.send(&bytes);
        for id in ids.filter(|_| answered.is_some()) {
            let reason = device.acknowledged(answered.unwrap_or_default(), id);
            assert!([0, 0x92].contains(&reason), "{reason:#x}");
        }
    }
    device.ping();
}

/// wolfMQTT issue 506, mosquitto CVE-2023-28366: a repeated publish was forwarded, or kept.
#[test]
fn a_publish_at_qos_2_that_is_repeated_a_thousand_times_arrives_once() {
    let mut target = Target::start("");
    let mut publisher = Device::connect(target.address(), V311, "marker");
    for version in [V311, V5] {
        let mut subscriber = Device::connect(target.address(), V5, "subscriber");
        subscriber.subscribe("once", 2);
        for hello in [
            Hello::clean(version, "repeater"),
            Hello::lasting(version, "repeater"),
        ] {
            let mut device = hello.accepted(target.address()).0;
            let mut bytes = Publish::new("once", "x").qos(2).encode(version, 5);
            device.wire.send(&bytes);
            bytes[0] |= 0x08;
            device.wire.send(&bytes.repeat(1_000));
            for _ in 0..=1_000 {
                device.acknowledged(PUBREC, 5);
            }
            device.wire.send(&ack(PUBREL, 5).repeat(1_000));
            for _ in 0..1_000 {
                device.acknowledged(PUBCOMP, 5);
            }
            let messages = subscriber.messages_before_marker(&mut publisher, "once");
            assert_eq!(messages.len(), 1, "MQTT {version}");
            device.leave();
        }
    }
    target.withstands("a publish that is repeated", NOTHING);
}

/// A client may open every packet identifier and release none.
#[test]
fn all_packet_identifiers_may_be_open_and_still_bind_nobody_else() {
    const ALL: u16 = u16::MAX;
    let mut target = Target::start("");
    for hello in [
        Hello::clean(V311, "hoarder"),
        Hello::lasting(V311, "hoarder"),
    ] {
        let mut device = hello.accepted(target.address()).0;
        target.rest();
        for first in (1..=ALL).step_by(1_000) {
            let last = first.saturating_add(999);
            let publish = Publish::new("open", "x").qos(2);
            let bytes: Vec<u8> = (first..=last)
                .flat_map(|id| publish.encode(V311, id))
                .collect();
            device.wire.send(&bytes);
            for id in first..=last {
                device.acknowledged(PUBREC, id);
            }
        }
        target.withstands("all packet identifiers are open", 40 << 20);
        // Each is known: what comes with it again is the same publish.
        let mut subscriber = Device::connect(target.address(), V5, "subscriber");
        subscriber.subscribe("open", 0);
        device
            .wire
            .send(&Publish::new("open", "again").qos(2).encode(V311, ALL));
        device.acknowledged(PUBREC, ALL);
        let mut publisher = Device::connect(target.address(), V311, "publisher");
        assert_eq!(
            subscriber.messages_before_marker(&mut publisher, "open"),
            []
        );
        device.wire.send(&ack(PUBREL, ALL));
        device.acknowledged(PUBCOMP, ALL);
        device.publish(&Publish::new("open", "at QoS 1").qos(1));
        assert_eq!(subscriber.message("it").text(), "at QoS 1");
        device.leave();
        target.goes_on("all packet identifiers were open");
    }
    Hello::clean(V311, "hoarder").comes(target.address(), false);
    // MQTT 5 has a bound, which its CONNACK told.
    let mut device = Device::connect(target.address(), V5, "hoarder");
    let publish = Publish::new("open", "x").qos(2);
    let bytes: Vec<u8> = (1..=1_001).flat_map(|id| publish.encode(V5, id)).collect();
    device.wire.send(&bytes);
    for id in 1..=1_000 {
        device.acknowledged(PUBREC, id);
    }
    assert_eq!(device.is_sent_away(), Some(0x93));
    target.goes_on("more than the receive maximum");
    target.has_not_panicked();
}

/// A subscriber that sees what it publishes is a loop of its own making.
#[test]
fn a_client_that_publishes_all_that_it_is_sent_to_itself_costs_its_own_turns_alone() {
    const HOPS: u32 = 5_000;
    let mut target = Target::start("");
    let mut device = Device::connect(target.address(), V5, "echo");
    device.subscribe("#", 1);
    device.publish(&Publish::new("loop/0", "x").qos(1));
    for hop in 1..=HOPS {
        let message = device.message("the message of before");
        assert_eq!(message.topic, format!("loop/{}", hop - 1));
        device.publish(&Publish::new(format!("loop/{hop}"), "x").qos(1));
        if hop == HOPS / 10 {
            target.rest();
        }
    }
    target.withstands("a loop", NOTHING);
}

/// Each alias replaces the one before it.
#[test]
fn a_hundred_thousand_changes_of_topic_aliases_leave_as_many_as_agreed() {
    const CHANGES: u32 = 100_000;
    let mut target = Target::start("");
    let mut device = Device::connect(target.address(), V5, "renamer");
    let mut send = |from: u32, to: u32| {
        for first in (from..to).step_by(AT_ONCE as usize) {
            let bytes: Vec<u8> = (first..first + AT_ONCE)
                .flat_map(|number| {
                    let alias = [0x23, 0, (number % 32) as u8 + 1];
                    let topic = format!("renamed/{number}/{}", "x".repeat(100));
                    Publish::new(topic, "x").property(&alias).encode(V5, 0)
                })
                .collect();
            device.wire.send(&bytes);
        }
        device.ping();
    };
    send(0, CHANGES / 10);
    target.rest();
    send(CHANGES / 10, CHANGES);
    device.subscribe("renamed/#", 0);
    let last = Publish::new("", "last").property(&[0x23, 0, ((CHANGES - 1) % 32) as u8 + 1]);
    device.publish(&last);
    let topic = device.message("the last").topic;
    assert!(
        topic.starts_with(&format!("renamed/{}/", CHANGES - 1)),
        "{topic}"
    );
    target.withstands("changes of topic aliases", NOTHING);
}

/// mosquitto CVE-2021-34431 and its like: what goes left something behind.
#[test]
fn subscriptions_that_come_and_go_leave_nothing() {
    const ROUNDS: u32 = 200;
    let mut target = Target::start("[limits]\nsys_interval = \"1s\"");
    let mut watcher = Device::connect(target.address(), V311, "watcher");
    watcher.subscribe("$SYS/broker/subscriptions/count", 0);
    for (hello, growth) in [
        (Hello::clean(V311, "clean"), NOTHING),
        (Hello::clean(V5, "clean"), NOTHING),
        (Hello::lasting(V5, "lasting"), STORED),
    ] {
        let mut device = hello.accepted(target.address()).0;
        for round in 0..ROUNDS {
            let filters: Vec<String> = (0..100)
                .map(|number| match number % 4 {
                    0 => format!("churn/{round}/{number}"),
                    1 => format!("churn/+/{number}/#"),
                    2 => format!("$share/g{round}/churn/{number}"),
                    _ => format!("+/{round}/{}", "x/".repeat(number)),
                })
                .collect();
            let wanted: Vec<(&[u8], u8)> =
                filters.iter().map(|text| (text.as_bytes(), 1)).collect();
            let packet_id = device.next_id();
            let subscribe = device.subscribe_packet(packet_id, &[], &wanted);
            device.wire.send(&subscribe);
            assert_eq!(device.answer("SUBACK").first, 0x90);
            device.unsubscribe(&filters);
            if round == ROUNDS / 10 {
                target.rest();
            }
        }
        target.withstands("subscriptions that come and go", growth);
    }
    // The watcher's own and the bystander's.
    wait_for(PATIENCE, "two subscriptions are left", || {
        watcher.message("the count").text() == "2"
    });
}
