//! How much may be unacknowledged, and how large packets are (3.1.2.11.3, 3.1.2.11.4, 3.3.4, 4.9).

use super::{
    build::{Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_because},
    client::Client,
    prop,
    reason::RECEIVE_MAXIMUM_EXCEEDED,
};
use crate::support::gateway::Gateway;

/// A client that takes `maximum` publishes at once, and a publisher that has published 10
/// at `qos` for it.
#[track_caller]
fn start(maximum: u16, qos: u8) -> (Gateway, Client, Client) {
    let gateway = Gateway::start("");
    let connect = Connect::resuming("client").with(&prop::receive_maximum(maximum));
    let (mut client, _) = Client::accepted(&gateway, &connect);
    client.subscribe("t", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    for number in 0..10 {
        publisher.publishes("t", &number.to_string(), qos);
    }
    (gateway, client, publisher)
}

#[test]
fn mqtt_3_3_4_9_and_4_9_0_1_and_4_9_0_2_no_more_than_the_receive_maximum_is_unacknowledged() {
    for qos in 1..=2 {
        let (_gateway, mut client, _publisher) = start(3, qos);
        let mut ids = Vec::new();
        for number in 0..3 {
            let publish = client.publish();
            assert_eq!(publish.text(), number.to_string());
            ids.push(publish.packet_id);
        }
        client.pings();
        // Each that is acknowledged makes place for one, in whatever order.
        for (next, id) in (3..).zip([ids[1], ids[0], ids[2]]) {
            match qos {
                1 => client.send(&ack(PUBACK, id)),
                _ => {
                    client.send(&ack(PUBREC, id));
                    client.acked(PUBREL, id);
                    client.pings();
                    client.send(&ack(PUBCOMP, id));
                }
            }
            assert_eq!(client.publish().text(), next.to_string());
            client.pings();
        }
    }
}

#[test]
fn mqtt_4_9_0_2_a_refusal_makes_place_too() {
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        let (_gateway, mut client, _publisher) = start(1, qos);
        for number in 0..10 {
            let publish = client.publish();
            assert_eq!(publish.text(), number.to_string());
            client.pings();
            client.send(&ack_because(first, publish.packet_id, 0x80));
        }
        client.gets_nothing();
    }
}

#[test]
fn mqtt_4_9_0_2_the_receive_maximum_is_kept_to_on_a_new_connection() {
    let (gateway, mut client, _publisher) = start(5, 1);
    for _ in 0..5 {
        client.publish();
    }
    client.vanish();
    let connect = Connect::resuming("client").with(&prop::receive_maximum(2));
    let (mut client, _) = Client::accepted(&gateway, &connect);
    for number in 0..10 {
        let publish = client.publish();
        assert_eq!(publish.text(), number.to_string());
        if number >= 1 {
            client.pings();
            client.send(&ack(PUBACK, publish.packet_id));
        }
    }
}

#[test]
fn mqtt_3_3_4_10_and_4_9_0_3_at_the_receive_maximum_all_other_packets_are_handled() {
    let (_gateway, mut client, _publisher) = start(1, 1);
    let held = client.publish();
    client.pings();
    client.subscribe("other", 0);
    client.publishes("elsewhere", "", 1);
    client.publishes("elsewhere", "", 2);
    client.unsubscribe("other");
    client.send(&ack(PUBACK, held.packet_id));
    assert_eq!(client.publish().text(), "1");
    client.leave();
}

#[test]
fn mqtt_3_3_4_7_a_client_beyond_the_gateways_receive_maximum_is_disconnected() {
    let gateway = Gateway::start("[limits]\nreceive_maximum = 2\n");
    let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
    assert_eq!(answer.properties.number(prop::RECEIVE_MAXIMUM), Some(2));
    for id in 1..=2 {
        client.send(&Publish::new("t", "").qos(2, id).encode());
        client.acked(PUBREC, id);
    }
    // QoS 0 does not count.
    client.publishes("t", "", 0);
    client.pings();
    client.send(&Publish::new("t", "").qos(2, 3).encode());
    client.is_disconnected(&[RECEIVE_MAXIMUM_EXCEEDED]);
}

#[test]
fn mqtt_3_3_4_7_a_publish_that_a_client_sends_again_is_not_a_further_one() {
    let gateway = Gateway::start("[limits]\nreceive_maximum = 2\n");
    let (mut client, _) = Client::resume(&gateway, "client");
    for id in 1..=2 {
        client.send(&Publish::new("t", "").qos(2, id).encode());
        client.acked(PUBREC, id);
    }
    client.vanish();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    for id in 1..=2 {
        client.send(&Publish::new("t", "").qos(2, id).dup().encode());
        client.acked(PUBREC, id);
    }
    for id in 1..=2 {
        client.send(&ack(PUBREL, id));
        client.acked(PUBCOMP, id);
    }
}

#[test]
fn mqtt_3_1_2_24_and_3_1_2_25_a_message_that_is_too_large_for_a_client_is_dropped_for_it() {
    let gateway = Gateway::start("");
    const LIMIT: usize = 200;
    let small = Connect::new("small")
        .with(&prop::maximum_packet_size(LIMIT as u32))
        .with(&prop::receive_maximum(1));
    let (mut small, _) = Client::accepted(&gateway, &small);
    let mut large = Client::connect(&gateway, "large");
    for client in [&mut small, &mut large] {
        client.subscribe("t", 2);
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    for qos in 0..=2 {
        // The fixed header of three bytes, the topic, the packet identifier and no properties.
        let around = 3 + 3 + usize::from(qos > 0) * 2 + 1;
        let fits = "x".repeat(LIMIT - around);
        let does_not = "x".repeat(LIMIT - around + 1);
        for text in [&does_not, &fits, &does_not, &does_not, &fits] {
            publisher.publishes("t", text, qos);
            assert_eq!(large.take().text(), text);
        }
        for _ in 0..2 {
            assert_eq!(small.take().text(), fits);
        }
        small.gets_nothing();
    }
    assert_eq!(small.largest, LIMIT);
}
