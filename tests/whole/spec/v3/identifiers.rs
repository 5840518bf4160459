//! 2.2.2 and 2.3.1: flags of the fixed header, packet identifiers.

use std::collections::BTreeSet;

use super::{
    client::{Client, message},
    packets::{
        Connect, DISCONNECT, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, UNSUBACK, ack, packet,
        publish, suback, subscribe, unsubscribe,
    },
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_2_2_2_1_the_flags_of_each_packet_are_those_of_the_table() {
    let gateway = Gateway::start("");
    let mut client = Client::open_with(&gateway, &Connect::new("client").bytes());
    client.expect(&[0x20, 2, 0, 0]);
    client.send(&subscribe(1, &[(b"t", 2)]));
    client.expect(&[0x90, 3, 0, 1, 2]);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.send(&publish(1, 2, "other", ""));
    publisher.expect(&[0x40, 2, 0, 2]);
    publisher.send(&publish(2, 3, "t", "x"));
    publisher.expect(&[0x50, 2, 0, 3]);
    publisher.send(&ack(PUBREL, 3));
    publisher.expect(&[0x70, 2, 0, 3]);

    let id = client.delivery().packet_id;
    client.send(&ack(PUBREC, id));
    client.expect(&ack(0x62, id));
    client.send(&ack(PUBCOMP, id));
    client.send(&PINGREQ);
    client.expect(&[0xD0, 0]);
    client.send(&unsubscribe(4, &[b"t"]));
    client.expect(&[0xB0, 2, 0, 4]);
}

#[test]
fn mqtt_2_2_2_2_a_packet_with_other_flags_ends_the_connection() {
    let gateway = Gateway::start("");
    let right = [
        ack(PUBACK, 1),
        ack(PUBREC, 1),
        ack(PUBREL, 1),
        ack(PUBCOMP, 1),
        subscribe(1, &[(b"t", 0)]),
        unsubscribe(1, &[b"t"]),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
    ];
    for flags in 1..16 {
        let mut connect = Connect::new("client").bytes();
        connect[0] ^= flags;
        Client::open_with(&gateway, &connect).expect_end();
        for mut packet in right.clone() {
            packet[0] ^= flags;
            let mut client = Client::connect(&gateway, "client");
            client.send(&packet);
            client.expect_end();
        }
    }
}

#[test]
fn mqtt_2_3_1_1_no_packet_has_the_identifier_0() {
    let gateway = Gateway::start("");
    for packet in [
        publish(1, 0, "t", ""),
        publish(2, 0, "t", ""),
        subscribe(0, &[(b"t", 0)]),
        unsubscribe(0, &[b"t"]),
    ] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&packet);
        client.expect_end();
    }
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    for qos in [1, 2] {
        publisher.publish(qos, "t", "");
        assert_ne!(subscriber.delivery().packet_id, 0);
    }
}

#[test]
fn mqtt_2_3_1_4_an_identifier_of_the_gateway_stays_with_its_message_until_it_is_acknowledged() {
    const MESSAGES: usize = 20;
    let gateway = Gateway::start("");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    let take = |subscriber: &mut Client| {
        let mut taken = Vec::new();
        for _ in 0..MESSAGES {
            let delivery = subscriber.delivery();
            taken.push((delivery.packet_id, delivery.message.payload));
        }
        taken
    };
    for number in 0..MESSAGES {
        publisher.publish(1, "t", number.to_string());
    }
    let first = take(&mut subscriber);
    let ids: BTreeSet<_> = first.iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids.len(),
        MESSAGES,
        "an identifier is used twice: {first:?}"
    );

    subscriber.vanish();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(take(&mut subscriber), first);

    for (id, _) in &first {
        subscriber.send(&ack(PUBACK, *id));
    }
    subscriber.vanish();
    let mut subscriber = Client::resume(&gateway, "subscriber");
    assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_2_3_1_5_a_message_at_qos_0_has_no_packet_identifier() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(0, "t", "payload");
    subscriber.expect(&packet(0x30, b"\0\x01tpayload"));
    publisher.publish(2, "t", "payload");
    subscriber.expect(&packet(0x30, b"\0\x01tpayload"));
}

#[test]
fn mqtt_2_3_1_6_an_acknowledgement_has_the_identifier_of_its_publish() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    for id in [1, 2, 0xFF, 0x100, 0x1234, 0x7FFF, 0x8000, 0xFFFF] {
        publisher.send(&publish(1, id, "other", ""));
        publisher.expect(&ack(PUBACK, id));
        publisher.send(&publish(2, id, "t", id.to_string()));
        publisher.expect(&ack(PUBREC, id));
        publisher.send(&ack(PUBREL, id));
        publisher.expect(&ack(PUBCOMP, id));

        let delivery = subscriber.delivery();
        assert_eq!(delivery.message, message(2, "t", &id.to_string()));
        subscriber.send(&ack(PUBREC, delivery.packet_id));
        subscriber.expect(&ack(PUBREL, delivery.packet_id));
        subscriber.send(&ack(PUBCOMP, delivery.packet_id));
    }
}

#[test]
fn mqtt_2_3_1_7_suback_and_unsuback_have_the_identifier_of_what_they_answer() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for id in [1, 2, 0xFF, 0x100, 0x1234, 0x7FFF, 0x8000, 0xFFFF] {
        client.send(&subscribe(id, &[(b"t", 1)]));
        client.expect(&suback(id, &[1]));
        client.send(&unsubscribe(id, &[b"t"]));
        client.expect(&ack(UNSUBACK, id));
    }
}
