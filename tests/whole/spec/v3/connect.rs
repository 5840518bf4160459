//! 3.1 and 3.2: CONNECT, how it is answered, and what a refused one leads to.

use std::time::{Duration, Instant};

use super::{
    client::{Client, message},
    packets::{Connect, PINGREQ, PUBACK, ack, connack, packet, publish, subscribe},
};
use crate::support::{
    gateway::Gateway,
    wait::{PATIENCE, pause},
    wire::Packet,
};

/// A CONNECT with every field that there is.
fn full(client_id: &str) -> Connect {
    Connect::new(client_id)
        .will("will", "gone", 1)
        .user_name("user")
        .password("password")
}

/// The return code of CONNACK, if there is one.
fn code(answer: Option<Packet>) -> Option<u8> {
    answer.map(|answer| {
        assert_eq!((answer.first, answer.body.len()), (0x20, 2), "{answer:x?}");
        answer.body[1]
    })
}

#[test]
fn mqtt_3_1_0_1_a_client_that_begins_with_another_packet_is_not_served() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("t", 1);
    for packet in [
        publish(0, 0, "t", "too soon"),
        publish(1, 1, "t", "too soon"),
        subscribe(1, &[(b"t", 0)]),
        PINGREQ.to_vec(),
    ] {
        let mut client = Client::open(&gateway);
        client.send(&packet);
        client.send(&Connect::new("late").bytes());
        client.expect_end();
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(watcher.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_ends_the_connection() {
    let gateway = Gateway::start("");
    for second in ["client", "another"] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&Connect::new(second).bytes());
        client.expect_end();
    }
}

#[test]
fn mqtt_3_1_2_1_a_client_of_another_protocol_is_not_served() {
    let gateway = Gateway::start("");
    for protocol in [&b""[..], b"mqtt", b"MQT", b"MQTTT", b"MQIsdp", b"HTTP"] {
        let mut connect = Connect::new("client");
        connect.protocol = protocol;
        let mut client = Client::open_with(&gateway, &connect.bytes());
        assert_ne!(code(client.receive()), Some(0), "{protocol:?}");
        client.expect_end();
    }
}

#[test]
fn mqtt_3_1_2_2_a_protocol_level_that_is_not_served_is_refused_with_code_1() {
    let gateway = Gateway::start("");
    for level in [0, 1, 2, 3, 6, 0x7F, 0x84, 0xFF] {
        let mut connect = Connect::new("client");
        connect.level = level;
        let mut client = Client::open_with(&gateway, &connect.bytes());
        assert_eq!(code(client.receive()), Some(1), "level {level}");
        client.expect_end();
    }
}

#[test]
fn mqtt_3_1_2_24_a_silent_client_is_disconnected_as_if_its_network_had_failed() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("will/#", 1);
    let connect = |id: &str| {
        let will = format!("will/{id}");
        let connect = Connect::new(id).keep_alive(1).will(will, "gone", 1);
        Client::connect_with(&gateway, &connect)
    };
    let mut lively = connect("lively");
    let began = Instant::now();
    let mut silent = connect("silent");
    while !silent.has_ended() {
        lively.ping();
        pause(Duration::from_millis(50));
        let lasted = began.elapsed();
        assert!(lasted < PATIENCE, "still open after {lasted:?}");
    }
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_secs(1), "closed after {lasted:?}");
    silent.expect_end();
    assert_eq!(watcher.message(), message(1, "will/silent", "gone"));
    // The one that pinged is still there.
    assert_eq!(watcher.messages_before_marker(&mut lively, "will/x"), []);
}

#[test]
fn mqtt_3_1_4_1_a_connect_that_is_not_well_formed_ends_the_connection_without_connack() {
    let gateway = Gateway::start("");
    let body = full("client").body();
    for length in 0..body.len() {
        let cut = packet(0x10, &body[..length]);
        Client::open_with(&gateway, &cut).expect_end();
    }
    for behind in [&b"\0"[..], b"\0\0", b"\0\x01x"] {
        let long = packet(0x10, &[&body, behind].concat());
        Client::open_with(&gateway, &long).expect_end();
    }
    Client::connect_with(&gateway, &full("client")).ping();
}

#[test]
fn mqtt_3_1_4_4_a_valid_connect_is_answered_with_code_0() {
    let gateway = Gateway::start("");
    let connects = [
        Connect::new("client"),
        Connect::new("client").keep_alive(0xFFFF),
        Connect::new("client").user_name("user"),
        Connect::new("client").user_name("").password(""),
        Connect::new("client").will("will", "", 0),
        full("client"),
        full("client").keeping_session(),
    ];
    for connect in connects {
        let mut client = Client::open_with(&gateway, &connect.bytes());
        client.expect(&connack(false, 0));
        client.ping();
        client.disconnect();
    }
}

#[test]
fn mqtt_3_1_4_5_what_follows_a_rejected_connect_is_not_served() {
    let gateway = Gateway::start("");
    let mut watcher = Client::connect(&gateway, "watcher");
    watcher.subscribe("t", 1);
    let mut wrong_level = Connect::new("rejected");
    wrong_level.level = 9;
    for connect in [wrong_level, Connect::new("").keeping_session()] {
        let mut bytes = connect.bytes();
        bytes.extend_from_slice(&publish(0, 0, "t", "after a refusal"));
        bytes.extend_from_slice(&publish(1, 1, "t", "after a refusal"));
        bytes.extend_from_slice(&PINGREQ);
        let mut client = Client::open_with(&gateway, &bytes);
        assert_ne!(code(client.receive()), Some(0));
        client.expect_end();
    }
    let mut publisher = Client::connect(&gateway, "publisher");
    assert_eq!(watcher.messages_before_marker(&mut publisher, "t"), []);
}

#[test]
fn mqtt_3_2_0_1_connack_comes_before_anything_else() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::begin(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    subscriber.disconnect();
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publish(1, "t", "waiting");

    // Everything is asked for at once, and there is a message that waits.
    let mut bytes = Connect::new("subscriber").keeping_session().bytes();
    bytes.extend_from_slice(&publish(1, 1, "t", "own"));
    bytes.extend_from_slice(&PINGREQ);
    let mut subscriber = Client::open_with(&gateway, &bytes);
    subscriber.expect(&connack(true, 0));
    subscriber.wait_for(&ack(PUBACK, 1));
    subscriber.wait_for(&[0xD0, 0]);
    assert_eq!(
        subscriber.messages_before_marker(&mut publisher, "t").len(),
        2
    );
}

#[test]
fn mqtt_3_2_2_4_and_3_2_2_5_a_refusal_says_that_no_session_is_present_and_ends_the_connection() {
    let gateway = Gateway::start("");
    Client::begin(&gateway, "stored").disconnect();
    let mut wrong_level = Connect::new("stored").keeping_session();
    wrong_level.level = 6;
    let mut client = Client::open_with(&gateway, &wrong_level.bytes());
    client.expect(&connack(false, 1));
    client.expect_end();
    let nameless = Connect::new("").keeping_session();
    let mut client = Client::open_with(&gateway, &nameless.bytes());
    client.expect(&connack(false, 2));
    client.expect_end();
    Client::resume(&gateway, "stored").ping();
}

#[test]
fn mqtt_3_2_2_6_a_connect_that_no_return_code_fits_ends_the_connection_without_connack() {
    let gateway = Gateway::start("");
    for topic in ["", "will/#", "+", "a\0b"] {
        let connect = Connect::new("client").will(topic, "gone", 0);
        Client::open_with(&gateway, &connect.bytes()).expect_end();
    }
}
