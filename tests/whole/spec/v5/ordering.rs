//! Messages reach who subscribed, in their order and whole (4.2, 4.5, 4.6).

use super::{
    build::{PUBACK, PUBREC, PUBREL, Publish, ack},
    client::Client,
    read::Packet,
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_4_2_0_1_bytes_arrive_in_order_and_without_loss_in_both_directions() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 0);
    let payload = |number: usize| format!("{number}:{}", "x".repeat(number * number % 70_001));
    for number in 0..200 {
        let packet = Publish::new("t", payload(number)).encode();
        // In two pieces that have nothing to do with the packets.
        let (head, tail) = packet.split_at(number.min(packet.len()));
        client.send(head);
        client.send(tail);
        assert_eq!(client.take().text(), payload(number));
    }
}

#[test]
fn mqtt_4_5_0_1_a_message_is_added_to_all_sessions_with_a_subscription_that_matches() {
    let gateway = Gateway::start("");
    let filters = ["a/b", "a/+", "a/#", "#", "+/b", "a/b/#"];
    let ids: Vec<String> = (0..30).map(|number| format!("client {number}")).collect();
    let mut present = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let (mut client, _) = Client::resume(&gateway, id);
        client.subscribe(filters[number % filters.len()], 1);
        if number % 2 == 0 {
            client.leave();
        } else {
            present.push(client);
        }
    }
    let (mut other, _) = Client::resume(&gateway, "other");
    other.subscribe("a/c", 1);
    Client::connect(&gateway, "publisher").publishes("a/b", "text", 2);
    for client in &mut present {
        assert_eq!(client.take().text(), "text");
        client.gets_nothing();
    }
    for id in ids.iter().step_by(2) {
        let (mut client, is_present) = Client::resume(&gateway, id);
        assert!(is_present);
        assert_eq!(client.take().text(), "text");
        client.gets_nothing();
    }
    other.gets_nothing();
}

#[test]
fn mqtt_4_6_0_5_and_4_6_0_6_messages_keep_their_order_for_each_topic_and_qos() {
    let gateway = Gateway::start("");
    let (mut away, _) = Client::resume(&gateway, "away");
    away.subscribe("t/+", 1);
    away.leave();
    let mut present = Client::connect(&gateway, "present");
    present.subscribe("t/+", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    // Faster than they are acknowledged, over two topics and three QoS.
    let mut expected = Vec::new();
    for number in 0..600_u16 {
        let topic = format!("t/{}", number % 2);
        let qos = (number % 3) as u8;
        let publish = Publish::new(&topic, number.to_string());
        publisher.send(&publish.qos(qos, number + 1).encode());
        expected.push((topic, qos.min(1), number));
    }
    let (mut acks, mut wanted) = (0, 400);
    while acks < wanted {
        let Packet::Ack(answer) = publisher.expect() else {
            panic!("an acknowledgement");
        };
        acks += 1;
        if answer.first == PUBREC {
            publisher.send(&ack(PUBREL, answer.packet_id));
            wanted += 1;
        }
    }

    let in_lane = |all: &[(String, u8, u16)], topic: &str, qos: u8| -> Vec<u16> {
        all.iter()
            .filter(|(other, level, _)| other == topic && *level == qos)
            .map(|(_, _, number)| *number)
            .collect()
    };
    let (mut away, _) = Client::resume(&gateway, "away");
    for (client, levels) in [(&mut present, 0..=1), (&mut away, 1..=1)] {
        let count = expected
            .iter()
            .filter(|(_, qos, _)| levels.contains(qos))
            .count();
        let mut seen = Vec::new();
        // Messages at QoS 0 may wait for a session that is away, or not.
        while seen
            .iter()
            .filter(|(_, qos, _)| levels.contains(qos))
            .count()
            < count
        {
            let publish = client.publish();
            if publish.qos > 0 {
                client.send(&ack(PUBACK, publish.packet_id));
            }
            let number = publish.text().parse().expect("a number");
            seen.push((publish.topic, publish.qos, number));
        }
        for topic in ["t/0", "t/1"] {
            for qos in levels.clone() {
                assert_eq!(in_lane(&seen, topic, qos), in_lane(&expected, topic, qos));
            }
        }
    }
}
