//! Thousands of retained messages for one subscription.

use std::collections::{HashMap, HashSet};

use crate::support::{
    device::{Device, Hello, Message, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack},
    gateway::Gateway,
    version::Version::{self, V5, V311},
};

const MANY: u16 = 5_000;

/// Retains all of them, below `many/`.
fn retain_many(gateway: &Gateway) {
    let mut publisher = Device::connect(gateway.address(), V5, "retainer");
    for first in (1..=MANY).step_by(500) {
        let ids = first..first + 500;
        let publish = |id: u16| {
            let publish = Publish::new(format!("many/{id}"), "x".repeat(50))
                .qos(2)
                .retained();
            publish.encode(V5, id)
        };
        let bytes: Vec<u8> = ids.clone().flat_map(publish).collect();
        publisher.wire.send(&bytes);
        ids.clone()
            .for_each(|id| assert_eq!(publisher.acknowledged(PUBREC, id), 0));
        let releases: Vec<u8> = ids.clone().flat_map(|id| ack(PUBREL, id)).collect();
        publisher.wire.send(&releases);
        ids.for_each(|id| assert_eq!(publisher.acknowledged(PUBCOMP, id), 0));
    }
}

/// What a subscriber has of them, over all its connections.
#[derive(Default)]
struct Collection {
    /// How often each topic came; repetitions at QoS 2 that the protocol makes out are none.
    topics: HashMap<String, u32>,
    /// Packet identifiers at QoS 2 that are not released.
    open: HashSet<u16>,
}

impl Collection {
    /// Receives until `count` topics are there.
    #[track_caller]
    fn collect(&mut self, device: &mut Device, version: Version, count: usize) {
        while self.topics.len() < count {
            let packet = device.expect("a retained message");
            if packet.first == PUBREL {
                let id = u16::from_be_bytes([packet.body[0], packet.body[1]]);
                self.open.remove(&id);
                device.wire.send(&ack(PUBCOMP, id));
                continue;
            }
            let message = Message::read(version, &packet);
            assert!(message.retain, "{message:?}");
            match message.qos {
                0 => {}
                1 => device.wire.send(&ack(PUBACK, message.packet_id)),
                _ => device.wire.send(&ack(PUBREC, message.packet_id)),
            }
            if message.qos < 2 || self.open.insert(message.packet_id) {
                *self.topics.entry(message.topic).or_default() += 1;
            }
        }
    }

    fn repeated(&self) -> usize {
        self.topics.values().filter(|count| **count > 1).count()
    }
}

#[test]
fn all_of_five_thousand_retained_messages_come_at_every_qos() {
    let gateway = Gateway::start("");
    retain_many(&gateway);
    for version in Version::ALL {
        for qos in 0..3 {
            let mut device = Device::connect(gateway.address(), version, "collector");
            device.subscribe("many/#", qos);
            let mut collection = Collection::default();
            collection.collect(&mut device, version, usize::from(MANY));
            assert_eq!(collection.repeated(), 0, "MQTT {version} at QoS {qos}");
        }
    }
}

/// The session goes on where it was, also when nobody said goodbye.
#[test]
fn a_session_that_is_interrupted_gets_the_rest_when_its_client_comes_back() {
    let gateway = Gateway::start("");
    retain_many(&gateway);
    for (version, qos) in [(V311, 1), (V5, 1), (V311, 2), (V5, 2)] {
        let hello = Hello::lasting(version, format!("interrupted-{version}-{qos}"));
        let mut device = hello.comes(gateway.address(), false);
        device.subscribe("many/#", qos);
        let mut collection = Collection::default();
        for part in 1..=4 {
            collection.collect(&mut device, version, part * 700);
            drop(device);
            device = hello.comes(gateway.address(), true);
        }
        collection.collect(&mut device, version, usize::from(MANY));
        if qos == 2 {
            assert_eq!(collection.repeated(), 0, "MQTT {version}");
        }
    }
}

/// At QoS 0 nothing says what has arrived; what was not sent still comes.
#[test]
fn a_session_that_is_interrupted_at_qos_0_goes_on_with_what_was_not_sent() {
    let gateway = Gateway::start("");
    retain_many(&gateway);
    let hello = Hello::lasting(V5, "interrupted");
    let mut device = hello.comes(gateway.address(), false);
    device.subscribe("many/#", 0);
    let mut collection = Collection::default();
    collection.collect(&mut device, V5, 10);
    // The last one in the order of topics.
    device.leave();
    let mut device = hello.comes(gateway.address(), true);
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    device.subscribe("end", 0);
    let rest = device.messages_before_marker(&mut publisher, "end");
    println!("{} came behind the interruption", rest.len());
    assert!(
        rest.iter().all(|message| message.retain),
        "{:?}",
        rest.first()
    );
    let mut topics: Vec<_> = rest.into_iter().map(|message| message.topic).collect();
    topics.sort();
    let before = topics.len();
    topics.dedup();
    assert_eq!(topics.len(), before, "some came twice");
}

#[test]
fn all_of_them_come_to_a_session_over_which_the_gateway_is_killed() {
    let mut gateway = Gateway::start("");
    retain_many(&gateway);
    for (version, qos) in [(V311, 1), (V5, 2)] {
        let hello = Hello::lasting(version, format!("killed-{qos}"));
        let mut device = hello.comes(gateway.address(), false);
        device.subscribe("many/#", qos);
        let mut collection = Collection::default();
        for part in 1..=3 {
            collection.collect(&mut device, version, part * 900);
            gateway.kill9();
            gateway.restart();
            device = hello.comes(gateway.address(), true);
        }
        collection.collect(&mut device, version, usize::from(MANY));
        if qos == 2 {
            assert_eq!(collection.repeated(), 0, "MQTT {version}");
        }
    }
}

/// The subscription is there with its SUBACK: what comes behind that comes once, although
/// what is retained is still on its way.
#[test]
fn what_is_published_behind_suback_comes_once_while_retained_messages_are_on_their_way() {
    let gateway = Gateway::start("");
    retain_many(&gateway);
    for (version, qos) in [(V311, 2), (V5, 1), (V5, 2)] {
        let mut publisher = Device::connect(gateway.address(), version, "publisher");
        let mut device = Hello::lasting(version, "once").comes(gateway.address(), false);
        device.subscribe("many/#", qos);
        for id in (1..=MANY).rev().step_by(500) {
            let publish = Publish::new(format!("many/{id}"), "changed")
                .qos(qos)
                .retained();
            publisher.publish(&publish);
        }
        let mut found: HashMap<(String, bool), u32> = HashMap::new();
        // Of a topic that has changed before its turn there is the new value alone.
        let is_complete = |found: &HashMap<(String, bool), u32>| {
            let old = found.keys().filter(|(_, is_changed)| !is_changed);
            let topics: HashSet<&String> = found.keys().map(|(topic, _)| topic).collect();
            found.len() - old.count() == 10 && topics.len() == usize::from(MANY)
        };
        while found.len() < usize::from(MANY) || !is_complete(&found) {
            let message = device.message("a message");
            let is_changed = message.payload == b"changed";
            *found.entry((message.topic, is_changed)).or_default() += 1;
        }
        let rest = device.messages_before_marker(&mut publisher, "many/end");
        assert_eq!(rest, [], "MQTT {version} at QoS {qos}");
        let repeated: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
        assert_eq!(repeated, [], "MQTT {version} at QoS {qos}");
        device.leave();
        Hello::clean(version, "once")
            .comes(gateway.address(), false)
            .leave();
        for id in (1..=MANY).rev().step_by(500) {
            let publish = Publish::new(format!("many/{id}"), "x".repeat(50))
                .qos(qos)
                .retained();
            publisher.publish(&publish);
        }
    }
}
