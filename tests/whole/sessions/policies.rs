//! The queue of a session that is away is full: what the configuration says happens.

use std::{collections::HashSet, thread};

use crate::support::{
    client::{Client, MARKER, PUBCOMP, PUBREC, PUBREL},
    gateway::Gateway,
    hello::Hello,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire,
};

const ROOM: usize = 10;

fn gateway(policy: &str) -> Gateway {
    Gateway::start(&format!(
        "[limits]\nsession_queue_messages = {ROOM}\nsession_queue_full = \"{policy}\"\n"
    ))
}

/// A session that is away, with a subscription to `t`.
fn subscriber(gateway: &Gateway) -> Hello {
    let hello = Hello::lasting(V5, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe("t", 2);
    client.disconnect();
    hello
}

fn publish_numbers(gateway: &Gateway, numbers: std::ops::Range<usize>) -> Client {
    let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
    for number in numbers {
        publisher.publish(1 + (number % 2) as u8, "t", &number.to_string());
    }
    publisher
}

/// What the session has, as numbers.
fn taken(client: &mut Client, count: usize) -> Vec<usize> {
    let numbers = (0..count).map(|_| client.take().payload.parse().unwrap());
    numbers.collect()
}

#[test]
fn the_newest_are_dropped_and_there_is_room_when_some_were_taken() {
    let mut gateway = gateway("drop_newest");
    let hello = subscriber(&gateway);
    publish_numbers(&gateway, 0..25);
    gateway.kill9();
    gateway.restart();
    publish_numbers(&gateway, 25..26);
    let mut client = hello.connect(gateway.address());
    assert_eq!(taken(&mut client, ROOM), (0..ROOM).collect::<Vec<_>>());
    publish_numbers(&gateway, 26..27);
    assert_eq!(taken(&mut client, 1), [26]);
}

#[test]
fn the_oldest_are_dropped() {
    let mut gateway = gateway("drop_oldest");
    let hello = subscriber(&gateway);
    publish_numbers(&gateway, 0..25);
    gateway.kill9();
    gateway.restart();
    publish_numbers(&gateway, 25..26);
    let mut client = hello.connect(gateway.address());
    assert_eq!(taken(&mut client, ROOM), (16..26).collect::<Vec<_>>());
    publish_numbers(&gateway, 26..27);
    assert_eq!(taken(&mut client, 1), [26]);
}

#[test]
fn a_handshake_goes_on_when_its_message_is_dropped_for_newer_ones() {
    let gateway = gateway("drop_oldest");
    let hello = Hello::lasting(V5, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe("t", 2);
    publish_numbers(&gateway, 1..2);
    let first = client.message();
    client.acknowledge(PUBREC, first.id);
    client.expect_ack(PUBREL, first.id);
    // Sent, and dropped before they are acknowledged.
    publish_numbers(&gateway, 2..30);
    drop(client);
    let mut client = hello.connect(gateway.address());
    client.expect_ack(PUBREL, first.id);
    client.acknowledge(PUBCOMP, first.id);
    publish_numbers(&gateway, 30..31);
    let mut numbers: Vec<usize> = Vec::new();
    while numbers.last() != Some(&30) {
        numbers.extend(taken(&mut client, 1));
    }
    assert_eq!(numbers, (20..31).collect::<Vec<_>>());
}

#[test]
fn a_publish_is_refused_and_everything_that_was_acknowledged_is_there() {
    let mut gateway = gateway("refuse");
    let hello = subscriber(&gateway);
    let mut publisher = publish_numbers(&gateway, 0..ROOM);
    for _ in 0..2 {
        publisher.publish_raw(2, 100, "t", &[], "one too many");
        let puback = publisher.receive().expect("PUBACK");
        assert_eq!((puback.first, puback.body[2]), (0x40, 0x97));
        publisher.publish_raw(4, 101, "t", &[], "one too many");
        let pubrec = publisher.receive().expect("PUBREC");
        assert_eq!((pubrec.first, pubrec.body[2]), (PUBREC, 0x97));
    }
    publisher.publish(0, "t", "dropped at QoS 0");
    publisher.publish(1, "elsewhere", "taken");
    for qos in [1, 2] {
        let mut old = Hello::new(V311, "old").connect(gateway.address());
        old.publish_raw(qos << 1, 1, "t", &[], "one too many");
        assert_eq!(old.receive(), None, "MQTT 3.1.1 has no answer but this");
    }
    gateway.kill9();
    gateway.restart();
    let mut client = hello.connect(gateway.address());
    assert_eq!(taken(&mut client, ROOM), (0..ROOM).collect::<Vec<_>>());
    publish_numbers(&gateway, 10..11);
    assert_eq!(taken(&mut client, 1), [10]);
}

#[test]
fn a_queue_that_is_full_by_its_bytes_has_everything_that_was_acknowledged() {
    let config = "[limits]\nsession_queue_bytes = \"64KiB\"\nsession_queue_full = \"refuse\"\n";
    let gateway = Gateway::start(config);
    let hello = subscriber(&gateway);
    let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
    let mut acknowledged = Vec::new();
    // Ever smaller messages, so that the last free bytes are asked for.
    for size in [1_000, 100, 10, 1] {
        loop {
            let payload = "x".repeat(size);
            publisher.publish_raw(2, 1, "t", &[], &payload);
            let puback = publisher.receive().expect("PUBACK");
            if puback.body.get(2) == Some(&0x97) {
                break;
            }
            acknowledged.push(payload);
            assert!(acknowledged.len() < 65_536, "it is never full");
        }
    }
    assert!(acknowledged.len() > 60);
    let mut client = hello.connect(gateway.address());
    for payload in acknowledged {
        assert_eq!(client.take().payload, payload);
    }
    wait_for(PATIENCE, "there is room again", || {
        publisher.publish_raw(2, 1, "t", &[], MARKER);
        let puback = publisher.receive().expect("PUBACK");
        puback.body.get(2).is_none_or(|code| *code < 0x80)
    });
    assert!(client.take_until_marker().is_empty());
}

#[test]
fn many_publishers_at_once_lose_nothing_that_a_full_queue_acknowledges() {
    let gateway = gateway("refuse");
    let hello = subscriber(&gateway);
    for round in 0..20 {
        let address = gateway.address();
        let publishers: Vec<_> = (0..8)
            .map(|publisher| {
                thread::spawn(move || {
                    let name = format!("publisher-{publisher}");
                    let mut client = Hello::new(V5, &name).connect(address);
                    let payload = |number: u16| format!("{round} {publisher} {number}");
                    for number in 1..=5 {
                        client.publish_raw(2, number, "t", &[], &payload(number));
                    }
                    let mut acknowledged = Vec::new();
                    for _ in 1..=5 {
                        let puback = client.receive().expect("PUBACK");
                        if puback.body.get(2).is_none_or(|code| *code < 0x80) {
                            acknowledged.push(payload(wire::acknowledged(&puback)));
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let acknowledged: HashSet<String> = publishers
            .into_iter()
            .flat_map(|publisher| publisher.join().expect("a publisher"))
            .collect();
        assert!(acknowledged.len() >= ROOM, "{acknowledged:?}");
        let mut client = hello.connect(gateway.address());
        let taken: HashSet<String> = (0..acknowledged.len())
            .map(|_| client.take().payload)
            .collect();
        assert_eq!(taken, acknowledged);
        client.ping();
        client.publish(1, "t", MARKER);
        assert!(client.take_until_marker().is_empty());
        client.disconnect();
    }
}

#[test]
fn a_group_refuses_only_when_no_member_has_room() {
    let gateway = gateway("refuse");
    for name in ["one", "two"] {
        let mut member = Hello::lasting(V5, name).connect(gateway.address());
        member.subscribe("$share/g/t", 1);
        member.disconnect();
    }
    let mut publisher = publish_numbers(&gateway, 0..2 * ROOM);
    publisher.publish_raw(2, 100, "t", &[], "one too many");
    let puback = publisher.receive().expect("PUBACK");
    assert_eq!((puback.first, puback.body[2]), (0x40, 0x97));
    let mut all = Vec::new();
    for name in ["one", "two"] {
        let mut member = Hello::lasting(V5, name).connect(gateway.address());
        all.extend(taken(&mut member, ROOM));
    }
    all.sort_unstable();
    assert_eq!(all, (0..2 * ROOM).collect::<Vec<_>>());
}
