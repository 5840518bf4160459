//! 3.3.5 and 3.8.4: several subscriptions of one client to one topic.

use super::{
    client::{Client, message},
    packets::{PUBACK, ack, publish, suback, subscribe},
};
use crate::support::{gateway::Gateway, version::Version::V311, wire::delivered};

#[test]
fn mqtt_3_3_5_1_a_message_comes_at_the_highest_qos_of_the_subscriptions_that_match() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for qoss in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 0]] {
        let mut subscriber = Client::connect(&gateway, "subscriber");
        for (filter, qos) in ["a/b", "a/+", "#"].iter().zip(qoss) {
            subscriber.subscribe(filter, qos);
        }
        for published in 0..=2 {
            publisher.publish(published, "a/b", "x");
            // One copy for all subscriptions or one for each: the specification leaves it open.
            let copies = subscriber.messages_before_marker(&mut publisher, "a/b");
            let highest = copies.iter().map(|copy| copy.qos).max();
            assert_eq!(highest, Some(published), "{qoss:?}: {copies:?}");
            assert!(copies.len() <= 3, "{copies:?}");
        }
    }
}

#[test]
fn mqtt_3_8_4_3_a_subscription_to_the_same_filter_replaces_the_old_one() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(2, "t/kept", "kept");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    for qos in [0, 2, 1, 1, 0] {
        subscriber.subscribe("t/+", qos);
        assert_eq!(
            subscriber.message(),
            message(qos, "t/kept", "kept").retained()
        );
        publisher.publish(2, "t/live", "live");
        let copies = subscriber.messages_before_marker(&mut publisher, "t/live");
        assert_eq!(copies, [message(qos, "t/live", "live")]);
    }
    subscriber.unsubscribe("t/+");
    subscriber.subscribe("end", 1);
    publisher.publish(2, "t/live", "live");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "end"), []);
}

#[test]
fn mqtt_3_8_4_3_a_subscription_that_replaces_another_misses_nothing() {
    const ROUNDS: u16 = 40;
    const BATCH: u16 = 50;
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let mut batch = Vec::new();
        for id in 1..=BATCH {
            let payload = format!("{round}/{id}");
            batch.extend_from_slice(&publish(1, id, "t", &payload));
            expected.push(payload);
        }
        publisher.send(&batch);
        subscriber.send(&subscribe(round + 1, &[(b"t", 1 + (round % 2) as u8)]));
        for id in 1..=BATCH {
            publisher.expect(&ack(PUBACK, id));
        }
    }
    let mut found = Vec::new();
    let mut answers = 0;
    while found.len() < expected.len() || answers < ROUNDS {
        let packet = subscriber.receive().expect("the connection lasts");
        if packet.first == 0x90 {
            answers += 1;
            continue;
        }
        let (id, payload) = delivered(V311, &packet);
        subscriber.send(&ack(PUBACK, id));
        found.push(String::from_utf8_lossy(payload).into_owned());
    }
    assert_eq!(found, expected);
}

#[test]
fn mqtt_3_8_4_4_several_filters_are_served_as_if_each_had_come_alone() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(1, "kept/1", "first");
    publisher.retain(1, "kept/2", "second");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    let filters: [(&[u8], u8); 4] = [(b"a", 0), (b"b", 1), (b"a", 2), (b"c", 0)];
    subscriber.send(&subscribe(7, &filters));
    subscriber.expect(&suback(7, &[0, 1, 2, 0]));
    for (topic, qos) in [("a", 2), ("b", 1), ("c", 0)] {
        publisher.publish(2, topic, "x");
        let copies = subscriber.messages_before_marker(&mut publisher, topic);
        assert_eq!(copies, [message(qos, topic, "x")]);
    }

    let filters: [(&[u8], u8); 3] = [(b"kept/1", 1), (b"kept/2", 1), (b"kept/+", 0)];
    subscriber.send(&subscribe(8, &filters));
    subscriber.wait_for(&suback(8, &[1, 1, 0]));
    let mut kept = [(); 4].map(|()| subscriber.message());
    kept.sort();
    assert_eq!(
        kept,
        [
            message(0, "kept/1", "first").retained(),
            message(1, "kept/1", "first").retained(),
            message(0, "kept/2", "second").retained(),
            message(1, "kept/2", "second").retained(),
        ]
    );
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "a"), []);
}
