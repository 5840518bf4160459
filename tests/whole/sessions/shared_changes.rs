//! Shared subscriptions whose members come and go: what one of them has not acknowledged goes to
//! the others.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::shared::taken;
use crate::support::{
    alone,
    client::{Client, Message, PUBACK, PUBREC, PUBREL},
    gateway::Gateway,
    hello::Hello,
    properties::id,
    random::Random,
    version::Version::{V5, V311},
    wait::{PATIENCE, pause, wait_for},
    wire,
};

fn member(gateway: &Gateway, hello: &Hello, qos: u8) -> Client {
    let mut client = hello.connect(gateway.address());
    client.subscribe("$share/group/t", qos);
    client
}

fn publish(gateway: &Gateway, qos: u8, numbers: std::ops::Range<usize>) {
    let mut publisher = Hello::new(V5, "publisher").connect(gateway.address());
    for number in numbers {
        publisher.publish(qos, "t", &number.to_string());
    }
}

#[test]
fn what_a_leaving_member_has_not_acknowledged_goes_to_the_others() {
    for version in [V311, V5] {
        let gateway = Gateway::start("");
        // It takes less at once than it is given, so some of it waits in memory.
        let hello = Hello::new(version, "leaving").receive_maximum(5);
        let mut leaving = member(&gateway, &hello, 1);
        publish(&gateway, 1, 0..20);
        let first = leaving.take();
        assert_eq!(first.payload, "0");
        let second = leaving.message();
        assert_eq!(second.payload, "1");
        leaving.ping();
        let mut staying = member(&gateway, &Hello::new(V5, "staying"), 1);
        drop(leaving);
        let mut moved: Vec<usize> = (1..20)
            .map(|_| {
                let message = staying.take();
                assert!(!message.dup, "to this member it is new");
                message.payload.parse().unwrap()
            })
            .collect();
        moved.sort_unstable();
        assert_eq!(moved, (1..20).collect::<Vec<_>>());
        assert!(taken(&mut staying, "own").is_empty());
    }
}

#[test]
fn the_end_of_a_session_gives_its_queue_to_the_others_but_what_may_have_been_sent_at_qos_2() {
    for kills in [false, true] {
        let mut gateway = Gateway::start("");
        let hello = Hello::lasting(V5, "ending").receive_maximum(2);
        let mut ending = member(&gateway, &hello, 2);
        let mut staying = member(&gateway, &Hello::lasting(V5, "staying"), 2);
        staying.unsubscribe("$share/group/t");
        publish(&gateway, 2, 0..2);
        publish(&gateway, 1, 2..4);
        publish(&gateway, 2, 4..6);
        // One waits for PUBREC, one for PUBCOMP; the others were not sent.
        let first = ending.message();
        let second = ending.message();
        assert_eq!((&*first.payload, &*second.payload), ("0", "1"));
        ending.acknowledge(PUBREC, second.id);
        ending.expect_ack(PUBREL, second.id);
        staying.subscribe("$share/group/t", 2);
        if kills {
            // Nobody knows what of the QoS 2 messages was sent.
            ending.ping();
            gateway.kill9();
            gateway.restart();
            staying = Hello::lasting(V5, "staying").connect(gateway.address());
        } else {
            ending.disconnect();
        }
        let client = hello
            .clone()
            .expiry(0)
            .clean(true)
            .connect(gateway.address());
        client.disconnect();
        let expected = if kills { vec![2, 3] } else { vec![2, 3, 4, 5] };
        assert_eq!(taken(&mut staying, "own"), expected, "kill: {kills}");
    }
}

#[test]
fn a_member_that_has_expired_leaves_its_queue_to_one_that_is_away() {
    let away = Hello::lasting(V311, "away");
    // The other one has to be a member before it expires, which takes its time on a busy machine.
    let prepared = [1, 10, 60].into_iter().find_map(|expiry| {
        let gateway = Gateway::start("");
        let hello = Hello::lasting(V5, "expiring").expiry(expiry);
        let expiring = member(&gateway, &hello, 1);
        let (left, lifetime) = (Instant::now(), Duration::from_secs(expiry.into()));
        expiring.disconnect();
        publish(&gateway, 1, 0..50);
        member(&gateway, &away, 1).disconnect();
        (left.elapsed() < lifetime).then_some((gateway, left + lifetime))
    });
    let (mut gateway, expired) = prepared.expect("the other one is a member in time");
    assert!(gateway.terminate().success());
    pause(expired.saturating_duration_since(Instant::now()) + Duration::from_millis(100));
    gateway.restart();
    let mut all = Vec::new();
    wait_for(PATIENCE, "the session has expired", || {
        let mut away = away.connect(gateway.address());
        all.append(&mut taken(&mut away, "own"));
        all.len() >= 50
    });
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_member_that_refuses_a_message_is_the_last_to_see_it() {
    // [MQTT-4.8.2-6]
    let gateway = Gateway::start("");
    let mut refusing = member(&gateway, &Hello::new(V5, "refusing"), 2);
    let mut other = member(&gateway, &Hello::new(V5, "other"), 2);
    publish(&gateway, 1, 0..2);
    publish(&gateway, 2, 2..4);
    for _ in 0..2 {
        let message = refusing.message();
        let first = if message.qos == 1 { PUBACK } else { PUBREC };
        let [high, low] = message.id.to_be_bytes();
        refusing.send(&wire::packet(first, &[high, low, 0x80]));
    }
    refusing.disconnect();
    assert_eq!(taken(&mut other, "own"), [1, 3]);
}

#[test]
fn members_that_come_and_go_lose_nothing_between_them() {
    const MESSAGES: usize = 12_000;
    let _alone = alone();
    let (_, seed) = Random::seeded();
    println!("seed {seed}");
    let gateway = Gateway::start("");
    let address = gateway.address();
    let mut steady = member(&gateway, &Hello::new(V5, "steady"), 1);
    let stop = AtomicBool::new(false);
    let (published, stop) = (AtomicBool::new(false), &stop);
    let received = thread::scope(|scope| {
        let restless: Vec<_> = (0..4u64)
            .map(|number| {
                let mut random = Random::from_seed(seed + number);
                scope.spawn(move || {
                    let mut received = HashSet::new();
                    let name = format!("restless-{number}");
                    let hello = if number % 2 == 0 {
                        Hello::new(V5, &name)
                    } else {
                        Hello::lasting(V5, &name)
                    };
                    while !stop.load(Ordering::Relaxed) {
                        let mut client = hello.connect(address);
                        client.subscribe("$share/group/t", 1);
                        client.publish(1, "elsewhere", "some time");
                        // What has come by then is acknowledged, the rest is not.
                        client.ping();
                        for _ in 0..random.within(0..30) {
                            let Some(packet) = client.buffered() else {
                                break;
                            };
                            let message = Message::read(V5, &packet);
                            client.acknowledge(PUBACK, message.id);
                            received.insert(message.payload);
                        }
                        match random.within(0..3) {
                            0 => drop(client),
                            1 => client.disconnect(),
                            _ => client.disconnect_with(&[0, 5, id::SESSION_EXPIRY, 0, 0, 0, 0]),
                        }
                    }
                    let last = hello.clean(true).expiry(0).connect(address);
                    last.disconnect();
                    received
                })
            })
            .collect();
        scope.spawn(|| {
            let mut publisher = Hello::new(V311, "publisher").connect(address);
            for first in (0..MESSAGES).step_by(100) {
                for number in first..first + 100 {
                    let id = (number % 100) as u16 + 1;
                    publisher.publish_raw(2, id, "t", &[], &number.to_string());
                }
                for id in 1..=100 {
                    publisher.expect_ack(PUBACK, id);
                }
            }
            published.store(true, Ordering::Relaxed);
        });
        let mut received = HashSet::new();
        while !published.load(Ordering::Relaxed) {
            steady.ping();
            while let Some(packet) = steady.buffered() {
                let message = Message::read(V5, &packet);
                steady.acknowledge(PUBACK, message.id);
                received.insert(message.payload);
            }
        }
        stop.store(true, Ordering::Relaxed);
        for restless in restless {
            received.extend(restless.join().expect("a member"));
        }
        let rest = taken(&mut steady, "own");
        received.extend(rest.iter().map(usize::to_string));
        received
    });
    let missing: Vec<usize> = (0..MESSAGES)
        .filter(|number| !received.contains(&number.to_string()))
        .collect();
    assert!(
        missing.is_empty(),
        "{} are missing: {missing:?}",
        missing.len()
    );
}
