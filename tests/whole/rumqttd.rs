//! Why the router is ours: what rumqttd 0.20 does where devices need something else.
//!
//! Every case runs against both. What rumqttd does is asserted, too, so that a release that does
//! better is noticed.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::{
    alone,
    gateway::Gateway,
    numbered::Tally,
    rumqttd::Rumqttd,
    version::Version::V311,
    wait::PATIENCE,
    wire::{self, Packet, Wire},
};

/// What a failed expectation of rumqttd means.
const BETTER: &str = "rumqttd does not do what it did when the router was written; weigh again \
                      whether that has to be ours";

/// How long a new client waits for a router that may be dead.
const SILENCE: Duration = Duration::from_secs(3);

/// Publishes that a publisher has unacknowledged at most.
const WINDOW: usize = 1000;

#[test]
fn a_topic_that_begins_beyond_ascii_is_delivered_here_and_ends_the_router_of_rumqttd() {
    let topic = "ünit/1".as_bytes();

    let gateway = Gateway::start("");
    let mut subscriber = connect(gateway.address(), "subscriber");
    subscriber.subscribe(V311, "+/1", 1);
    let mut publisher = connect(gateway.address(), "publisher");
    assert!(is_acknowledged(&mut publisher, topic));
    assert_eq!(wire::delivered(V311, &subscriber.expect("it")).1, b"hello");
    assert!(accepts(gateway.address(), 60, PATIENCE));

    let rumqttd = Rumqttd::start();
    let mut subscriber = connect(rumqttd.address(), "subscriber");
    subscriber.subscribe(V311, "+/1", 1);
    let mut publisher = connect(rumqttd.address(), "publisher");
    assert!(is_acknowledged(&mut publisher, b"unit/1"));
    assert_eq!(wire::delivered(V311, &subscriber.expect("it")).1, b"hello");
    assert!(!is_acknowledged(&mut publisher, topic), "{BETTER}");
    assert_eq!(subscriber.receive(), None, "{BETTER}");
    assert!(!accepts(rumqttd.address(), 60, SILENCE), "{BETTER}");
}

#[test]
fn a_shadow_is_heard_of_here_and_its_topics_close_the_connection_at_rumqttd() {
    let topic = "$aws/things/x/shadow/update";

    let gateway = Gateway::start("");
    let mut subscriber = connect(gateway.address(), "subscriber");
    subscriber.subscribe(V311, topic, 1);
    let mut publisher = connect(gateway.address(), "publisher");
    assert!(is_acknowledged(&mut publisher, topic.as_bytes()));
    assert_eq!(wire::delivered(V311, &subscriber.expect("it")).1, b"hello");

    let rumqttd = Rumqttd::start();
    let mut subscriber = connect(rumqttd.address(), "subscriber");
    subscriber.send(&wire::subscribe(V311, 1, topic.as_bytes(), 1));
    let grants = std::iter::from_fn(|| subscriber.receive())
        .filter(|answer| answer.first == 0x90 && answer.body.len() > 2);
    assert_eq!(grants.count(), 0, "{BETTER}");
    // It takes for kept what nobody can hear of.
    let mut publisher = connect(rumqttd.address(), "publisher");
    assert!(
        is_acknowledged(&mut publisher, topic.as_bytes()),
        "{BETTER}"
    );
}

#[test]
fn a_slow_subscriber_loses_nothing_here_and_what_was_acknowledged_at_rumqttd() {
    const MESSAGES: u64 = 20_000;
    const SIZE: usize = 256;
    let _alone = alone();
    let missing = |address: SocketAddr| {
        let mut subscriber = connect(address, "subscriber");
        subscriber.subscribe(V311, "flood", 1);
        let mut publisher = connect(address, "publisher");
        let messages = (0..MESSAGES).map(|number| {
            let mut payload = format!("0 {number} ").into_bytes();
            payload.resize(SIZE, b'.');
            (b"flood".to_vec(), payload)
        });
        publish_all(&mut publisher, messages);
        // It has read nothing so far, and every message was acknowledged to the publisher.
        receive_until(&mut subscriber, MESSAGES - 1).missing(&[MESSAGES])
    };

    let gateway = Gateway::start("");
    assert_eq!(missing(gateway.address()), 0);

    let rumqttd = Rumqttd::start();
    let lost = missing(rumqttd.address());
    println!("rumqttd lost {lost} of {MESSAGES} acknowledged messages");
    assert!(lost > MESSAGES / 2, "{lost} lost: {BETTER}");
}

#[test]
fn a_topic_in_every_message_leaves_nothing_here_and_makes_rumqttd_grow() {
    const TOPICS: usize = 100_000;
    let _alone = alone();
    let growth = |address: SocketAddr, resident_bytes: &dyn Fn() -> u64| {
        let mut client = connect(address, "client");
        client.subscribe(V311, "kinesisfirehose/message/#", 0);
        let mut publish = |request: &dyn Fn(usize) -> usize| {
            let messages = (0..TOPICS).map(|number| {
                let topic = format!("kinesisfirehose/message/binary/{:040}", request(number));
                (topic.into_bytes(), b"data".to_vec())
            });
            publish_all(&mut client, messages);
            resident_bytes()
        };
        let warm = publish(&|_| 0);
        publish(&|number| number).saturating_sub(warm)
    };

    let gateway = Gateway::start("");
    let ours = growth(gateway.address(), &|| gateway.resident_bytes());
    let rumqttd = Rumqttd::start();
    let theirs = growth(rumqttd.address(), &|| rumqttd.resident_bytes());
    println!(
        "{TOPICS} topics: grown by {} KiB, rumqttd by {} KiB",
        ours >> 10,
        theirs >> 10
    );
    assert!(ours < 4 << 20, "grown by {ours} bytes");
    assert!(theirs > 16 << 20, "{theirs} bytes: {BETTER}");
}

#[test]
fn a_client_without_a_keep_alive_is_accepted_here_and_not_by_rumqttd() {
    let gateway = Gateway::start("");
    assert!(accepts(gateway.address(), 0, PATIENCE));

    let rumqttd = Rumqttd::start();
    assert!(accepts(rumqttd.address(), 60, PATIENCE));
    assert!(!accepts(rumqttd.address(), 0, PATIENCE), "{BETTER}");
}

/// Connects with a keep-alive, so that rumqttd accepts it.
#[track_caller]
fn connect(address: SocketAddr, client_id: &str) -> Wire {
    let mut wire = Wire::open(address);
    wire.send(&connect_packet(client_id, 60));
    assert_eq!(wire.expect("CONNACK").body, [0, 0]);
    wire
}

/// Whether a new client that asks for `keep_alive` seconds is accepted; otherwise it is closed,
/// or not answered before `limit` is over.
fn accepts(address: SocketAddr, keep_alive: u16, limit: Duration) -> bool {
    let mut stream = TcpStream::connect(address).expect("the system takes connections");
    stream
        .set_read_timeout(Some(limit))
        .expect("a socket option");
    stream
        .write_all(&connect_packet("newcomer", keep_alive))
        .expect("a new connection takes a packet");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).is_ok() && answer == [0x20, 2, 0, 0]
}

fn connect_packet(client_id: &str, keep_alive: u16) -> Vec<u8> {
    let mut body = wire::string(b"MQTT");
    body.extend_from_slice(&[4, 0x02]);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    body.extend_from_slice(&wire::string(client_id.as_bytes()));
    wire::packet(0x10, &body)
}

/// Publishes `hello`; whether it was acknowledged, or else the connection was closed.
fn is_acknowledged(publisher: &mut Wire, topic: &[u8]) -> bool {
    publisher.send(&wire::publish(V311, 1, 1, topic, b"hello"));
    publisher
        .receive()
        .is_some_and(|answer| answer.first == 0x40)
}

/// Publishes every topic and payload of `messages`, and waits until all are acknowledged; what
/// is delivered to the publisher itself is passed over.
#[track_caller]
fn publish_all(publisher: &mut Wire, messages: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
    let mut messages = (1..=u16::MAX).cycle().zip(messages);
    let mut unacknowledged = VecDeque::new();
    loop {
        let mut packets = Vec::new();
        let room = WINDOW - unacknowledged.len();
        for (id, (topic, payload)) in messages.by_ref().take(room) {
            packets.append(&mut wire::publish(V311, 1, id, &topic, &payload));
            unacknowledged.push_back(id);
        }
        publisher.send(&packets);
        if unacknowledged.is_empty() {
            return;
        }
        for packet in all_that_is_here(publisher) {
            if packet.first == 0x40 {
                let id = Some(wire::acknowledged(&packet));
                assert_eq!(id, unacknowledged.pop_front(), "in order");
            }
        }
    }
}

/// Receives and acknowledges messages up to the one with the number `last`.
#[track_caller]
fn receive_until(subscriber: &mut Wire, last: u64) -> Tally {
    let last = format!("0 {last} ");
    let mut tally = Tally::default();
    loop {
        let mut acks = Vec::new();
        for packet in all_that_is_here(subscriber) {
            let (id, payload) = wire::delivered(V311, &packet);
            tally.count(payload);
            if payload.starts_with(last.as_bytes()) {
                return tally;
            }
            acks.append(&mut wire::puback(id));
        }
        subscriber.send(&acks);
    }
}

/// One packet, for which it waits, and those that came with it.
#[track_caller]
fn all_that_is_here(wire: &mut Wire) -> Vec<Packet> {
    let first = wire.expect("a packet");
    std::iter::once(first)
        .chain(std::iter::from_fn(|| wire.buffered()))
        .collect()
}
