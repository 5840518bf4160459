//! Redelivery: what was sent and not acknowledged comes again in order, with DUP and under the
//! same identifier, and never more at once than the client takes.

use crate::support::{
    client::{Client, MARKER, PUBACK, PUBCOMP, PUBREC, PUBREL},
    gateway::Gateway,
    hello::Hello,
    version::Version::{self, V5, V311},
    wire,
};

/// A gateway with `count` messages at `qos` in the queue of a session that is away.
fn queued(version: Version, qos: u8, count: usize) -> (Gateway, Hello) {
    let gateway = Gateway::start("");
    let hello = Hello::lasting(version, "subscriber");
    let mut client = hello.connect(gateway.address());
    client.subscribe("t", 2);
    client.disconnect();
    let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
    for number in 0..count {
        publisher.publish(qos, "t", &number.to_string());
    }
    (gateway, hello)
}

/// Identifier, DUP and payload of the next messages, which are not acknowledged.
fn peek(client: &mut Client, count: usize) -> Vec<(u16, bool, String)> {
    let messages = (0..count).map(|_| client.message());
    messages
        .map(|message| (message.id, message.dup, message.payload))
        .collect()
}

#[test]
fn what_is_not_acknowledged_comes_again_in_order_and_what_was_not_sent_without_dup() {
    for (version, qos) in [(V311, 1), (V311, 2), (V5, 1), (V5, 2)] {
        let (gateway, hello) = queued(version, qos, 10);
        let mut client = hello.receive_maximum(4).connect(gateway.address());
        let first = peek(&mut client, if version == V5 { 4 } else { 10 });
        drop(client);
        let hello = Hello::lasting(version, "subscriber");
        let mut client = hello.connect(gateway.address());
        let again = peek(&mut client, 10);
        for (number, (id, dup, payload)) in again.iter().enumerate() {
            let was_sent = first.get(number);
            assert_eq!(*dup, was_sent.is_some(), "MQTT {version}, {number}");
            assert!(was_sent.is_none_or(|(earlier, ..)| earlier == id));
            assert_eq!(*payload, number.to_string());
        }
    }
}

#[test]
fn acknowledgements_in_any_order_leave_the_others_over_lost_connections_stops_and_kills() {
    for (version, qos) in [(V311, 1), (V5, 2)] {
        let (mut gateway, hello) = queued(version, qos, 10);
        let mut open: Vec<usize> = (0..10).collect();
        for (round, number) in [7, 3, 8, 1, 2, 9, 0].into_iter().enumerate() {
            let mut client = hello.connect(gateway.address());
            let messages = peek(&mut client, open.len());
            let expected: Vec<String> = open.iter().map(usize::to_string).collect();
            let payloads: Vec<&String> = messages.iter().map(|(.., payload)| payload).collect();
            assert_eq!(payloads, expected.iter().collect::<Vec<_>>());
            assert!(
                messages.iter().all(|(_, dup, _)| *dup == (round > 0)),
                "{messages:?}"
            );
            let place = open.iter().position(|other| *other == number).unwrap();
            let id = messages[place].0;
            if qos == 1 {
                client.acknowledge(PUBACK, id);
            } else {
                client.acknowledge(PUBREC, id);
                client.expect_ack(PUBREL, id);
                client.acknowledge(PUBCOMP, id);
            }
            open.remove(place);
            client.settle();
            match round % 3 {
                0 => drop(client),
                1 => assert!(gateway.terminate().success()),
                _ => gateway.kill9(),
            }
            if round % 3 > 0 {
                gateway.restart();
            }
        }
        assert_eq!(open, [4, 5, 6]);
    }
}

#[test]
fn no_more_are_in_flight_than_the_client_takes() {
    for maximum in [1, 2, u16::MAX] {
        let (gateway, hello) = queued(V5, 2, 300);
        let hello = hello.receive_maximum(maximum);
        // The default of `max_inflight`.
        let window = usize::from(maximum.min(100));
        let mut client = hello.connect(gateway.address());
        let mut ids = Vec::new();
        for expected in 0..300 {
            if ids.len() < window {
                let message = client.message();
                assert_eq!(message.payload, expected.to_string());
                ids.push(message.id);
            }
            if ids.len() == window {
                client.ping();
                assert_eq!(client.buffered(), None, "one too many of {maximum}");
                // A QoS 2 message makes room with PUBCOMP and not before.
                let id = ids.remove(0);
                client.acknowledge(PUBREC, id);
                client.expect_ack(PUBREL, id);
                client.ping();
                assert_eq!(client.buffered(), None, "one too many of {maximum}");
                client.acknowledge(PUBCOMP, id);
            }
        }
    }
}

#[test]
fn identifiers_run_over_their_whole_range_and_begin_again() {
    const MESSAGES: usize = 70_000;
    const AT_ONCE: usize = 500;
    let gateway = Gateway::start("");
    for (name, hello) in [
        ("lasting", Hello::lasting(V5, "lasting")),
        ("passing", Hello::new(V5, "passing")),
    ] {
        let mut client = hello.connect(gateway.address());
        client.subscribe(name, 1);
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        let mut expected = 0;
        for first in (0..MESSAGES).step_by(AT_ONCE) {
            for number in first..first + AT_ONCE {
                let id = (number % AT_ONCE) as u16 + 1;
                publisher.publish_raw(2, id, name, &[], &number.to_string());
            }
            let mut acks = Vec::new();
            for _ in 0..AT_ONCE {
                let message = client.message();
                assert_eq!(message.payload, expected.to_string());
                assert_eq!(usize::from(message.id), expected % 65_535 + 1, "{name}");
                expected += 1;
                acks.extend_from_slice(&wire::puback(message.id));
                if acks.len() >= 4 * 50 {
                    client.send(&acks);
                    acks.clear();
                }
            }
            for id in 1..=AT_ONCE as u16 {
                publisher.expect_ack(PUBACK, id);
            }
        }
        publisher.publish(1, name, MARKER);
        assert!(client.take_until_marker().is_empty());
    }
}
