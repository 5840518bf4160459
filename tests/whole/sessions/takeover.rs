//! Takeover: a client identifier has one connection, and its session loses and repeats nothing
//! when another comes.

use std::{sync::Barrier, thread};

use super::remains;
use crate::support::{
    alone,
    client::{Client, MARKER, Message, PUBCOMP, PUBREC, PUBREL},
    gateway::Gateway,
    hello::Hello,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire,
};

const AT_ONCE: usize = 20;
const ROUNDS: usize = 30;

#[test]
fn of_many_connections_at_once_one_is_left_and_has_what_was_queued() {
    let _alone = alone();
    let mut gateway = Gateway::start("");
    let hello = |version| Hello::lasting(version, "wanted");
    hello(V5).connect(gateway.address()).subscribe("t", 2);
    let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
    for round in 0..ROUNDS {
        for number in 0..3 {
            publisher.publish(2, "t", &format!("{round} {number}"));
        }
        let mut survivors = storm(&gateway, |at| {
            hello(if (at + round) % 2 == 0 { V5 } else { V311 })
        });
        assert_eq!(survivors.len(), 1, "round {round}");
        let mut survivor = survivors.remove(0);
        publisher.publish(2, "t", MARKER);
        let expected = (0..3).map(|number| format!("{round} {number}"));
        assert_eq!(
            survivor.take_until_marker(),
            expected.collect::<Vec<_>>(),
            "round {round}"
        );
        survivor.disconnect();
    }
    hello(V311)
        .clean(true)
        .connect(gateway.address())
        .disconnect();
    assert!(gateway.terminate().success());
    let remains = remains::of_client(&gateway.data_dir(), "wanted");
    assert_eq!(remains, [""; 0]);
}

#[test]
fn sessions_that_end_with_their_connections_leave_one_connection_that_works() {
    let _alone = alone();
    let mut gateway = Gateway::start("");
    for round in 0..ROUNDS {
        let mut survivors = storm(&gateway, |at| match (at + round) % 3 {
            0 => Hello::lasting(V5, "wanted"),
            1 => Hello::new(V311, "wanted"),
            _ => Hello::new(V5, "wanted"),
        });
        assert_eq!(survivors.len(), 1, "round {round}");
        let mut survivor = survivors.remove(0);
        survivor.subscribe("t", 1);
        survivor.publish(1, "t", MARKER);
        assert!(survivor.take_until_marker().is_empty(), "round {round}");
    }
    let last = Hello::new(V5, "wanted").connect(gateway.address());
    last.disconnect();
    assert!(gateway.terminate().success());
    let remains = remains::of_client(&gateway.data_dir(), "wanted");
    assert_eq!(remains, [""; 0]);
}

/// Connects many clients at the same moment; those that are connected in the end.
fn storm(gateway: &Gateway, hello: impl Fn(usize) -> Hello) -> Vec<Client> {
    let barrier = Barrier::new(AT_ONCE);
    let (barrier, address) = (&barrier, gateway.address());
    let mut clients: Vec<Client> = thread::scope(|scope| {
        let attempts: Vec<_> = (0..AT_ONCE)
            .map(|at| {
                let hello = hello(at);
                scope.spawn(move || {
                    barrier.wait();
                    match hello.attempt(address) {
                        Ok(client) => Some(client),
                        // Another came before it had the session.
                        Err(code) => {
                            assert!(matches!(code, None | Some(0x89 | 3)), "{code:?}");
                            None
                        }
                    }
                })
            })
            .collect();
        let attempts = attempts.into_iter();
        attempts
            .filter_map(|attempt| attempt.join().expect("a client"))
            .collect()
    });
    let mut left: Vec<Client> = Vec::new();
    wait_for(PATIENCE, "all but one are closed", || {
        left.append(&mut clients);
        while let Some(mut client) = left.pop() {
            if client.has_ended() {
                check_farewell(client);
            } else {
                clients.push(client);
            }
        }
        clients.len() <= 1
    });
    // Whoever is left is connected and not about to go.
    clients.iter_mut().for_each(Client::ping);
    clients
}

/// MQTT 5 is told why; what came before are messages.
fn check_farewell(mut client: Client) {
    let mut last = None;
    while let Some(packet) = client.receive() {
        last = Some(packet);
    }
    if client.version == V5 {
        let last = last.expect("DISCONNECT");
        assert_eq!((last.first, last.body[0]), (0xE0, 0x8E));
    }
}

#[test]
fn a_takeover_in_the_middle_of_a_backlog_goes_on_where_it_was() {
    const MESSAGES: usize = 2_000;
    for version in [V311, V5] {
        let gateway = Gateway::start("");
        let hello = Hello::lasting(version, "wanted");
        hello.connect(gateway.address()).subscribe("t", 2);
        let mut publisher = Hello::new(V311, "publisher").connect(gateway.address());
        for first in (0..MESSAGES).step_by(100) {
            for number in first..first + 100 {
                let id = (number % 100) as u16 + 1;
                publisher.publish_raw(4, id, "t", &[], &number.to_string());
            }
            for id in 1..=100 {
                publisher.expect_ack(PUBREC, id);
                publisher.acknowledge(PUBREL, id);
                publisher.expect_ack(PUBCOMP, id);
            }
        }
        let mut application: Vec<usize> = Vec::new();
        let mut held = std::collections::HashSet::new();
        let mut client = hello.connect(gateway.address());
        let mut handled = 0;
        while application.len() < MESSAGES || !held.is_empty() {
            handled += 1;
            if handled % 377 == 0 {
                // The connection before is open still.
                let earlier = client;
                client = hello.connect(gateway.address());
                assert!(client.session_present);
                check_farewell(earlier);
            }
            let packet = client.receive().expect("the connection holds");
            if packet.first == PUBREL {
                let id = wire::acknowledged(&packet);
                held.remove(&id);
                client.acknowledge(PUBCOMP, id);
            } else {
                let message = Message::read(version, &packet);
                if held.insert(message.id) {
                    application.push(message.payload.parse().unwrap());
                }
                client.acknowledge(PUBREC, message.id);
            }
        }
        assert_eq!(application, (0..MESSAGES).collect::<Vec<_>>());
    }
}
