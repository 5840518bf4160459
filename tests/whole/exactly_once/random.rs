//! The same with many messages at once and kills at any time.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::parties::{TOPIC, hello};
use crate::support::{
    alone,
    client::{Client, Message, PUBACK, PUBCOMP, PUBREC, PUBREL},
    gateway::{Gateway, quiet_port},
    random::Random,
    version::Version::{self, V5, V311},
    wait::{PATIENCE, pause, wait_for},
    wire,
};

const MESSAGES: usize = 1_500;
const KILLS: usize = 8;
/// Messages that the publisher has open at most.
const WINDOW: usize = 15;

#[test]
fn many_messages_arrive_exactly_once_and_in_order_over_kills_at_any_time() {
    let _alone = alone();
    for version in [V311, V5] {
        let (mut random, seed) = Random::seeded();
        println!("MQTT {version}, seed {seed}");
        let mut gateway = Gateway::start_on(quiet_port(), "");
        let address = gateway.address();
        hello(version, "subscriber")
            .connect(address)
            .subscribe(TOPIC, 2);
        let (sent, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let received = thread::scope(|scope| {
            scope.spawn(|| publish(version, address, &sent, &stop));
            let order = Random::from_seed(seed ^ 1);
            let subscriber =
                scope.spawn(|| Receiver::new(version, order).receive_all(address, &stop));
            let _stop = StopAtEnd(&stop);
            for kill in 1..=KILLS {
                let due = MESSAGES * kill / (KILLS + 1);
                wait_for(PATIENCE, "messages are sent", || {
                    sent.load(Ordering::Relaxed) >= due
                });
                pause(Duration::from_micros(random.within(0..20_000)));
                gateway.kill9();
                gateway.restart();
            }
            subscriber.join().expect("the subscriber gets everything")
        });
        let expected: Vec<usize> = (0..MESSAGES).collect();
        assert_eq!(received, expected, "MQTT {version}");
    }
}

#[test]
fn what_was_sent_before_comes_again_with_dup_and_first_deliveries_keep_their_order() {
    let _alone = alone();
    for version in [V311, V5] {
        let (mut random, seed) = Random::seeded();
        println!("MQTT {version}, seed {seed}");
        let mut gateway = Gateway::start("");
        let subscriber = hello(version, "subscriber");
        subscriber.connect(gateway.address()).subscribe(TOPIC, 1);
        let mut publisher = hello(version, "publisher").connect(gateway.address());
        for number in 0..600 {
            publisher.publish(1, TOPIC, &number.to_string());
        }
        let (mut first, mut seen) = (Vec::<usize>::new(), HashSet::new());
        while first.len() < 600 {
            let mut client = subscriber.connect(gateway.address());
            assert!(client.session_present);
            let mut open = Vec::new();
            for _ in 0..random.within(1..250) {
                if seen.len() == 600 {
                    break;
                }
                let message = client.message();
                let is_new = seen.insert(message.payload.clone());
                if is_new {
                    first.push(message.payload.parse().unwrap());
                }
                assert!(is_new || message.dup, "sent before: {message:?}");
                open.push(message.id);
                // The window is 100 messages.
                while open.len() > random.within(0..90) as usize {
                    let any = random.within(0..open.len() as u64) as usize;
                    client.acknowledge(PUBACK, open.swap_remove(any));
                }
            }
            if random.within(0..2) == 0 {
                client.ping();
            }
            gateway.kill9();
            gateway.restart();
        }
        assert_eq!(first, (0..600).collect::<Vec<_>>(), "MQTT {version}");
    }
}

/// Publishes all messages, several at once, over as many connections as it takes.
fn publish(version: Version, address: SocketAddr, sent: &AtomicUsize, stop: &AtomicBool) {
    // What is open, the oldest first; whether PUBREC has come.
    let mut open: VecDeque<(u16, usize, bool)> = VecDeque::new();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) && (next < MESSAGES || !open.is_empty()) {
        let Ok(mut client) = hello(version, "publisher").attempt(address) else {
            pause(Duration::from_millis(5));
            continue;
        };
        for (id, number, is_received) in &open {
            if *is_received {
                client.acknowledge(PUBREL, *id);
            } else {
                client.publish_raw(0x0C, *id, TOPIC, &[], &number.to_string());
            }
        }
        loop {
            while open.len() < WINDOW && next < MESSAGES {
                let id = (next % 60_000) as u16 + 1;
                client.publish_raw(4, id, TOPIC, &[], &next.to_string());
                open.push_back((id, next, false));
                next += 1;
            }
            sent.store(next, Ordering::Relaxed);
            if open.is_empty() {
                return;
            }
            let Some(packet) = client.receive() else {
                break;
            };
            let id = wire::acknowledged(&packet);
            match packet.first {
                PUBREC => {
                    if let Some(open) = open.iter_mut().find(|(other, ..)| *other == id) {
                        open.2 = true;
                    }
                    client.acknowledge(PUBREL, id);
                }
                _ => open.retain(|(other, ..)| *other != id),
            }
        }
    }
}

/// A subscriber that acknowledges in any order.
struct Receiver {
    version: Version,
    random: Random,
    /// Identifiers of messages that the application has and that are not released.
    held: HashMap<u16, usize>,
    application: Vec<usize>,
}

impl Receiver {
    fn new(version: Version, random: Random) -> Receiver {
        Receiver {
            version,
            random,
            held: HashMap::new(),
            application: Vec::new(),
        }
    }

    fn receive_all(mut self, address: SocketAddr, stop: &AtomicBool) -> Vec<usize> {
        while !stop.load(Ordering::Relaxed)
            && (self.application.len() < MESSAGES || !self.held.is_empty())
        {
            match hello(self.version, "subscriber").attempt(address) {
                Ok(client) => self.receive_over_one_connection(client),
                Err(_) => pause(Duration::from_millis(5)),
            }
        }
        self.application
    }

    fn receive_over_one_connection(&mut self, mut client: Client) {
        assert!(client.session_present);
        let mut answers: Vec<(u8, u16)> = Vec::new();
        while self.application.len() < MESSAGES || !self.held.is_empty() {
            let Some(packet) = client.receive() else {
                return;
            };
            let mut packet = Some(packet);
            while let Some(some) = packet {
                answers.push(self.answer(&some));
                packet = client.buffered();
            }
            while !answers.is_empty() {
                let any = self.random.within(0..answers.len() as u64) as usize;
                let (first, id) = answers.swap_remove(any);
                client.acknowledge(first, id);
            }
        }
        client.ping();
    }

    fn answer(&mut self, packet: &wire::Packet) -> (u8, u16) {
        if packet.first == PUBREL {
            let id = wire::acknowledged(packet);
            self.held.remove(&id);
            return (PUBCOMP, id);
        }
        let message = Message::read(self.version, packet);
        let number = message.payload.parse().expect("a number");
        let earlier = self.held.insert(message.id, number);
        match earlier {
            None => self.application.push(number),
            Some(earlier) => assert_eq!((earlier, message.dup), (number, true)),
        }
        (PUBREC, message.id)
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
