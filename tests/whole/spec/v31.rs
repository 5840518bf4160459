//! MQTT 3.1, where it differs from 3.1.1: devices of its time are served as it says.
//!
//! It has no numbered statements, so its tests are not in the table.

use super::v3::{
    client::{Client, message},
    packets::{
        Connect, DUP, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, UNSUBACK, ack, connack, packet,
        publish, publish_with, suback, subscribe, unsubscribe,
    },
};
use crate::support::gateway::Gateway;

/// CONNECT of MQTT 3.1.
fn connect(client_id: &str) -> Connect {
    let mut connect = Connect::new(client_id);
    connect.protocol = b"MQIsdp";
    connect.level = 3;
    connect
}

#[test]
fn a_client_of_mqtt_3_1_is_served_at_every_qos() {
    let gateway = Gateway::start("");
    let mut client = Client::connect_with(&gateway, &connect("client"));
    let mut newer = Client::connect(&gateway, "newer");
    client.subscribe("to/old/+", 2);
    newer.subscribe("to/new/+", 2);
    for qos in 0..=2 {
        client.publish(qos, "to/new/x", "hello");
        assert_eq!(newer.message(), message(qos, "to/new/x", "hello"));
        newer.publish(qos, "to/old/x", "hello");
        assert_eq!(client.message(), message(qos, "to/old/x", "hello"));
    }
    client.unsubscribe("to/old/+");
    client.disconnect();
}

#[test]
fn another_level_beside_its_name_is_refused_with_code_1() {
    let gateway = Gateway::start("");
    for level in [0, 2, 4, 5, 0xFF] {
        let mut connect = connect("client");
        connect.level = level;
        let mut client = Client::open_with(&gateway, &connect.bytes());
        client.expect(&connack(false, 1));
        client.expect_end();
    }
}

#[test]
fn its_connack_has_no_session_present_flag() {
    let gateway = Gateway::start("");
    let stored = connect("stored").keeping_session();
    let mut client = Client::connect_with(&gateway, &stored);
    client.subscribe("t", 1);
    client.disconnect();
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(1, "t", "waiting");
    // The byte of the flag is reserved, though the session goes on.
    let mut client = Client::connect_with(&gateway, &stored);
    assert_eq!(client.message(), message(1, "t", "waiting"));
}

#[test]
fn an_empty_client_identifier_without_clean_session_is_refused_with_code_2() {
    let gateway = Gateway::start("");
    let connect = connect("").keeping_session();
    let mut client = Client::open_with(&gateway, &connect.bytes());
    client.expect(&connack(false, 2));
    client.expect_end();
}

// 2.1 of its specification gives these packets a DUP flag.
#[test]
fn what_is_sent_again_may_have_dup_set_on_subscribe_unsubscribe_and_pubrel() {
    let gateway = Gateway::start("");
    let mut client = Client::connect_with(&gateway, &connect("client"));
    let mut again = |bytes: Vec<u8>, answer: Vec<u8>| {
        client.send(&bytes);
        client.expect(&answer);
        let mut repeated = bytes;
        repeated[0] |= DUP;
        client.send(&repeated);
        client.expect(&answer);
    };
    again(subscribe(1, &[(b"t", 0)]), suback(1, &[0]));
    again(unsubscribe(2, &[b"t"]), ack(UNSUBACK, 2));
    again(publish(1, 3, "u", "x"), ack(PUBACK, 3));
    again(publish(2, 4, "u", "x"), ack(PUBREC, 4));
    again(ack(PUBREL, 4), ack(PUBCOMP, 4));
    client.send(&publish_with(DUP, 2, 4, "u", "x"));
    client.expect(&ack(PUBREC, 4));
}

// 3.1 of its specification lets the length of the packet decide whether they are there.
#[test]
fn flags_for_a_user_name_and_a_password_that_are_missing_are_no_fault() {
    let gateway = Gateway::start("");
    for flags in [0x80, 0xC0] {
        let mut connect = connect("client");
        connect.flags |= flags;
        Client::connect_with(&gateway, &connect).ping();
    }
    let mut connect = connect("client").user_name("user");
    connect.flags |= 0x40;
    Client::connect_with(&gateway, &connect).ping();
}

#[test]
fn its_will_is_published_as_any_other() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect_with(&gateway, &connect("watcher"));
    watcher.subscribe("will", 1);
    let client = connect("client").will("will", "gone", 1).retaining();
    Client::connect_with(&gateway, &client).break_off();
    assert_eq!(watcher.message(), message(1, "will", "gone"));
    watcher.subscribe("will", 0);
    assert_eq!(watcher.message(), message(0, "will", "gone").retained());
}

#[test]
fn a_packet_of_its_server_ends_the_connection() {
    let gateway = Gateway::start("");
    for bytes in [connack(false, 0), suback(1, &[0]), packet(0xD0, &[])] {
        let mut client = Client::connect_with(&gateway, &connect("client"));
        client.send(&PINGREQ);
        client.expect(&[0xD0, 0]);
        client.send(&bytes);
        client.expect_end();
    }
}
