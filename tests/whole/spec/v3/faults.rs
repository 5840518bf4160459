//! 4.8: what ends a connection.

use super::{
    client::{Client, message},
    packets::{
        Connect, DUP, PUBACK, PUBREC, PUBREL, UNSUBACK, ack, connack, packet, publish,
        publish_with, suback, subscribe, unsubscribe,
    },
};
use crate::support::gateway::Gateway;

/// Packets that no client may send.
fn violations() -> Vec<(&'static str, Vec<u8>)> {
    let mut behind_filter = subscribe(1, &[(b"t", 0)]);
    behind_filter[1] += 1;
    behind_filter.push(0);
    let mut cut_filter = unsubscribe(1, &[b"topic"]);
    cut_filter[1] -= 1;
    cut_filter.pop();
    vec![
        ("a second CONNECT", Connect::new("client").bytes()),
        ("CONNACK", connack(false, 0)),
        ("SUBACK", suback(1, &[0])),
        ("UNSUBACK", ack(UNSUBACK, 1)),
        ("PINGRESP", packet(0xD0, &[])),
        ("packet type 0", packet(0x00, &[])),
        ("packet type 15", packet(0xF0, &[])),
        (
            "a length of five bytes",
            vec![0xC0, 0x80, 0x80, 0x80, 0x80, 0],
        ),
        ("a message at QoS 3", publish(3, 1, "t", "x")),
        ("DUP at QoS 0", publish_with(DUP, 0, 0, "t", "x")),
        ("a message without an identifier", packet(0x32, b"\0\x01t")),
        ("a message on a wildcard", publish(0, 0, "#", "x")),
        ("SUBSCRIBE without a filter", subscribe(1, &[])),
        ("SUBSCRIBE with half a filter", behind_filter),
        ("SUBSCRIBE without a QoS", packet(0x82, b"\0\x01\0\x01t")),
        ("UNSUBSCRIBE without a filter", unsubscribe(1, &[])),
        ("UNSUBSCRIBE with half a filter", cut_filter),
        ("a short PUBACK", packet(PUBACK, &[1])),
        ("a long PUBREC", packet(PUBREC, &[0, 1, 0])),
        ("an empty PUBREL", packet(PUBREL, &[])),
        ("PUBREL with other flags", ack(0x60, 1)),
        ("a ping with a body", packet(0xC0, &[0])),
    ]
}

#[test]
fn mqtt_3_6_1_1_a_pubrel_with_other_flags_ends_the_connection() {
    let gateway = Gateway::start("");
    for flags in (0..16).filter(|&flags| flags != 2) {
        let mut client = Client::connect(&gateway, "client");
        client.send(&publish(2, 1, "t", "x"));
        client.expect(&ack(PUBREC, 1));
        client.send(&ack(0x60 | flags, 1));
        client.expect_end();
    }
}

#[test]
fn mqtt_4_8_0_1_a_protocol_violation_ends_its_connection_and_no_other() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("beside", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    for (what, bytes) in violations() {
        let mut client = Client::connect(&gateway, "client");
        client.send(&bytes);
        assert_eq!(client.receive(), None, "{what}");
        publisher.publish(1, "beside", what);
        assert_eq!(subscriber.message(), message(1, "beside", what));
    }
}

#[test]
fn mqtt_4_8_0_2_a_packet_for_which_there_is_no_room_ends_its_connection_and_no_other() {
    let gateway = Gateway::start("[limits]\nmax_packet_size = \"64KiB\"\n");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("#", 1);
    let mut publisher = Client::connect(&gateway, "publisher");
    for size in [64 * 1024, 1024 * 1024] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&publish(1, 1, "t", vec![b'x'; size]));
        client.expect_end();
        assert_eq!(subscriber.messages_before_marker(&mut publisher, "t"), []);
    }
    let fits = "x".repeat(60 * 1024);
    publisher.publish(1, "t", &fits);
    assert!(subscriber.message() == message(1, "t", &fits));
}
