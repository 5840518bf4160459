//! 4.6: the order of messages and of acknowledgements.

use std::collections::BTreeMap;

use super::{
    client::Client,
    packets::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack, publish},
};
use crate::support::gateway::Gateway;

/// Publishes on `durable/...` are acknowledged when they are on disk, others at once.
const SOME_ARE_DURABLE: &str = r#"
    [[connector]]
    name = "archive"
    contract = "plain"
    upstream = "file"
    parameters = { destination = "archive" }
    upstream_parameters = { path = "archive" }
    [[rule]]
    filter = "durable/#"
    connector = "archive"
"#;

/// Publishes of which only some have to wait for the disk, and their packet identifiers.
fn mixed_publishes(qos: u8) -> (Vec<u8>, Vec<u16>) {
    let ids: Vec<_> = (0..200).map(|number| 1 + number * 37 % 251).collect();
    let mut bytes = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let topic = ["durable/t", "volatile/t"][number / 3 % 2];
        bytes.extend_from_slice(&publish(qos, *id, topic, "x"));
    }
    (bytes, ids)
}

#[test]
fn mqtt_4_6_0_2_pubacks_come_in_the_order_of_the_publishes() {
    let gateway = Gateway::start(SOME_ARE_DURABLE);
    let mut client = Client::connect(&gateway, "client");
    let (bytes, ids) = mixed_publishes(1);
    client.send(&bytes);
    for id in ids {
        client.expect(&ack(PUBACK, id));
    }
}

#[test]
fn mqtt_4_6_0_3_pubrecs_come_in_the_order_of_the_publishes() {
    let gateway = Gateway::start(SOME_ARE_DURABLE);
    let mut client = Client::connect(&gateway, "client");
    let (bytes, ids) = mixed_publishes(2);
    client.send(&bytes);
    for id in ids {
        client.expect(&ack(PUBREC, id));
    }
}

#[test]
fn mqtt_4_6_0_4_pubrels_come_in_the_order_of_the_pubrecs() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    for _ in 0..30 {
        publisher.publish(2, "t", "x");
    }
    let sent: Vec<_> = (0..30).map(|_| subscriber.delivery().packet_id).collect();
    // Not the order in which they were sent.
    let received: Vec<_> = (0..30).map(|number| sent[number * 7 % 30]).collect();
    let pubrecs: Vec<_> = received.iter().flat_map(|&id| ack(PUBREC, id)).collect();
    subscriber.send(&pubrecs);
    for &id in &received {
        subscriber.expect(&ack(PUBREL, id));
    }
    for id in received {
        subscriber.send(&ack(PUBCOMP, id));
    }
    subscriber.ping();
}

#[test]
fn mqtt_4_6_0_5_and_4_6_0_6_a_subscriber_gets_the_messages_of_each_publisher_in_their_order() {
    const PUBLISHERS: usize = 3;
    const ROUNDS: usize = 20;
    let gateway = Gateway::start(SOME_ARE_DURABLE);
    for topic in ["durable/t", "volatile/t"] {
        let mut subscribers = [0, 1, 2].map(|qos| {
            let mut subscriber = Client::connect(&gateway, &format!("subscriber {qos}"));
            subscriber.subscribe(topic, qos);
            subscriber
        });
        let mut publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| Client::connect(&gateway, &format!("publisher {number}")))
            .collect();
        // Each publisher sends ten messages at a time, at all QoS in turns.
        for round in 0..ROUNDS {
            for (number, publisher) in publishers.iter_mut().enumerate() {
                let mut bytes = Vec::new();
                for place in 0..10 {
                    let sequence = 10 * round + place;
                    let payload = format!("{number} {sequence}");
                    let qos = (sequence % 3) as u8;
                    bytes.extend_from_slice(&publish(qos, 1 + place as u16, topic, payload));
                }
                publisher.send(&bytes);
            }
            for publisher in &mut publishers {
                for place in 0..10 {
                    let id = 1 + place as u16;
                    match (10 * round + place) % 3 {
                        0 => {}
                        1 => publisher.wait_for(&ack(PUBACK, id)),
                        _ => {
                            publisher.wait_for(&ack(PUBREC, id));
                            publisher.send(&ack(PUBREL, id));
                            publisher.wait_for(&ack(PUBCOMP, id));
                        }
                    }
                }
            }
        }
        for subscriber in &mut subscribers {
            let mut last = BTreeMap::new();
            for _ in 0..PUBLISHERS * ROUNDS * 10 {
                let message = subscriber.message();
                let (publisher, sequence) = message.payload.split_once(' ').unwrap();
                let sequence: usize = sequence.parse().unwrap();
                // At the same QoS of publishing, which is what the sequence says.
                let key = (publisher.to_owned(), sequence % 3);
                let before = last.insert(key, sequence);
                let expected = before.map_or(sequence % 3, |before| before + 3);
                assert_eq!(sequence, expected, "publisher {publisher}");
            }
        }
    }
}
