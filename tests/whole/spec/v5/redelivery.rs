//! What is sent again, and when (3.3.1.1, 4.4).

use super::{
    build::{PUBACK, PUBREC, PUBREL, ack, ack_because},
    client::Client,
    read::Packet,
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_3_1_1_a_publish_that_is_sent_again_has_dup() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 2);
    for qos in 1..=2 {
        client.publishes("t", "", qos);
        assert!(!client.publish().dup);
    }
    client.vanish();
    let (mut client, _) = Client::resume(&gateway, "client");
    for qos in 1..=2 {
        let publish = client.publish();
        assert_eq!((publish.qos, publish.dup), (qos, true));
    }
    client.publishes("t", "", 1);
    assert!(!client.publish().dup);
}

#[test]
fn mqtt_4_4_0_1_what_is_unacknowledged_is_sent_again_in_order_on_a_new_connection_only() {
    for crash in [false, true] {
        let mut gateway = Gateway::start("");
        let (mut client, _) = Client::resume(&gateway, "client");
        client.subscribe("t", 2);
        let mut sent = Vec::new();
        for number in 0..8 {
            client.publishes("t", &number.to_string(), 1 + number % 2);
            sent.push(client.publish());
        }
        // The second is released and the third acknowledged, out of order.
        client.send(&ack(PUBACK, sent[2].packet_id));
        client.send(&ack(PUBREC, sent[1].packet_id));
        client.acked(PUBREL, sent[1].packet_id);
        client.pings();
        client.vanish();
        // No answer tells a client that its PUBACK was kept: it may be lost in a crash.
        let mut again = vec![0, 3, 4, 5, 6, 7];
        if crash {
            gateway.kill9();
            gateway.restart();
        } else {
            let mut publisher = Client::connect(&gateway, "publisher");
            publisher.publishes("t", "new", 1);
        }

        let (mut client, is_present) = Client::resume(&gateway, "client");
        assert!(is_present);
        let mut publishes = Vec::new();
        let mut releases = Vec::new();
        while publishes.len() < again.len() + usize::from(!crash) || releases.is_empty() {
            match client.expect() {
                Packet::Publish(publish) => {
                    if crash && publish.text() == "2" {
                        again.insert(1, 2);
                    }
                    publishes.push(publish);
                }
                Packet::Ack(ack) => releases.push((ack.first, ack.packet_id)),
                other => panic!("{other:?}"),
            }
        }
        client.gets_nothing();
        assert_eq!(releases, [(PUBREL, sent[1].packet_id)]);
        for (publish, number) in publishes.iter().zip(&again) {
            assert_eq!(publish.text(), number.to_string());
            assert_eq!(publish.packet_id, sent[*number].packet_id);
            assert!(publish.dup);
        }
        if let Some(new) = publishes.get(again.len()) {
            assert_eq!((new.text(), new.dup), ("new", false));
        }
    }
}

#[test]
fn mqtt_4_4_0_2_a_publish_that_its_receiver_refuses_is_not_sent_again() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("t", 2);
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        for reason in [0x80, 0x97] {
            client.publishes("t", "refused", qos);
            let publish = client.publish();
            client.send(&ack_because(first, publish.packet_id, reason));
        }
    }
    client.pings();
    client.vanish();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    client.gets_nothing();
    client.publishes("t", "next", 2);
    assert_eq!(client.take().text(), "next");
}
