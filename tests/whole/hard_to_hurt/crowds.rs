//! Many subscribers, one of them slow or all of them at once.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    alone,
    device::{Device, Publish},
    gateway::Gateway,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// Two clients that pass one message after the other.
struct Pair {
    from: Device,
    to: Device,
}

impl Pair {
    fn connect(address: SocketAddr) -> Self {
        let from = Device::connect(address, V311, "pair-from");
        let mut to = Device::connect(address, V5, "pair-to");
        to.subscribe("pair", 1);
        Self { from, to }
    }

    /// Passes messages until `is_over`, and at least one; how long each took, the longest last.
    fn pass_until(&mut self, is_over: &AtomicBool) -> Vec<Duration> {
        let mut times = Vec::new();
        loop {
            let began = Instant::now();
            self.from.publish(&Publish::new("pair", "x").qos(1));
            self.to.message("the pair's message");
            times.push(began.elapsed());
            if is_over.load(Ordering::Relaxed) {
                times.sort();
                return times;
            }
        }
    }
}

#[test]
fn one_slow_subscriber_among_a_hundred_costs_the_others_nothing() {
    const OTHERS: usize = 99;
    const MESSAGES: usize = 600;
    const SIZE: usize = 20_000;
    let _alone = alone();
    let gateway = Gateway::start("[limits]\nmailbox_messages = 100");
    let address = gateway.address();
    let mut slow = Device::connect(address, V5, "slow");
    slow.subscribe("crowd", 1);
    let mut others: Vec<Device> = (0..OTHERS)
        .map(|number| {
            let mut device = Device::connect(address, V311, &format!("other-{number}"));
            device.subscribe("crowd", 1);
            device
        })
        .collect();
    let mut publisher = Device::connect(address, V311, "publisher");
    let payload = |number: usize| format!("{number:06}{}", "x".repeat(SIZE));
    for first in (0..MESSAGES).step_by(20) {
        let numbers = first..first + 20;
        let publish = |number| Publish::new("crowd", payload(number)).qos(1);
        let bytes: Vec<u8> = numbers
            .clone()
            .flat_map(|number| publish(number).encode(V311, number as u16 + 1))
            .collect();
        publisher.wire.send(&bytes);
        for number in numbers.clone() {
            publisher.acknowledged(0x40, number as u16 + 1);
        }
        // The slow one has more to read than its socket and its mailbox hold.
        for device in &mut others {
            for number in numbers.clone() {
                let found = device.message("a message to the others");
                assert!(found.payload.starts_with(&payload(number).as_bytes()[..6]));
            }
        }
    }
    for number in 0..MESSAGES {
        let found = slow.message("what waited for the slow one");
        assert!(
            found.payload.starts_with(&payload(number).as_bytes()[..6]),
            "{number}"
        );
    }
}

/// How many subscribers there are to be, and what a process may have open here for them.
const MANY: usize = 10_000;
const FEW: usize = 1_000;

/// Sockets of this process and of the gateway, which have a bound each.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits are told");
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|rest| rest.split_whitespace().next());
    let soft: usize = soft
        .and_then(|soft| soft.parse().ok())
        .unwrap_or(usize::MAX);
    if soft > MANY + 500 {
        return MANY;
    }
    println!("{soft} open files are allowed here, which is enough for {FEW} subscribers alone");
    FEW
}

#[test]
fn a_fan_out_to_a_crowd_does_not_stop_those_beside_it() {
    const ROUNDS: usize = 5;
    let _alone = alone();
    let crowd = crowd();
    let gateway = Gateway::start(
        "[limits]\nmax_connections = 20000\nmax_connections_per_address = 20000\nconnect_rate = 0",
    );
    let address = gateway.address();
    let mut pair = Pair::connect(address);
    let quiet = pair.pass_for(Duration::from_millis(300));
    let mut subscribers: Vec<Wire> = (0..crowd)
        .map(|number| {
            // Every loopback address has ports of its own, and so has every hundredth client.
            let mut wire = Wire::open(address);
            let mut bytes = wire::connect(V311, &format!("crowd-{number}"));
            bytes.extend(wire::subscribe(V311, 1, b"fan", (number % 2) as u8));
            wire.send(&bytes);
            wire
        })
        .collect();
    for wire in &mut subscribers {
        assert_eq!(wire.expect("CONNACK").body, [0, 0]);
        assert_eq!(wire.expect("SUBACK").first, 0x90);
    }
    let mut publisher = Device::connect(address, V5, "publisher");
    let is_over = AtomicBool::new(false);
    let busy = thread::scope(|scope| {
        let passing = scope.spawn(|| pair.pass_until(&is_over));
        for round in 0..ROUNDS {
            let publish = Publish::new("fan", round.to_string()).qos(1);
            publisher.publish(&publish);
            for (number, wire) in subscribers.iter_mut().enumerate() {
                let packet = wire.expect("the message");
                assert!(packet.body.ends_with(round.to_string().as_bytes()));
                if number % 2 == 1 {
                    let (id, _) = wire::delivered(V311, &packet);
                    wire.send(&wire::puback(id));
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        passing.join().expect("the pair goes on")
    });
    let longest = |times: &[Duration]| times.last().copied().unwrap_or_default();
    println!(
        "{crowd} subscribers; the pair passed {} messages, median {:?}, longest {:?}; alone {:?}, {:?}",
        busy.len(),
        busy[busy.len() / 2],
        longest(&busy),
        quiet[quiet.len() / 2],
        longest(&quiet),
    );
    // One fan-out takes the processors for some time, and never for long.
    assert!(
        busy.len() > 10 * ROUNDS,
        "the pair passed {} messages",
        busy.len()
    );
    assert!(
        longest(&busy) < Duration::from_secs(2),
        "{:?}",
        longest(&busy)
    );
}

impl Pair {
    fn pass_for(&mut self, time: Duration) -> Vec<Duration> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                crate::support::wait::pause(time);
                is_over.store(true, Ordering::Relaxed);
            });
            self.pass_until(&is_over)
        })
    }
}

/// `mailbox_bytes_total` counts for all subscribers together; what does not fit goes to disk at
/// QoS 1, and is dropped at QoS 0.
#[test]
fn all_subscribers_together_hold_no_more_than_their_common_bound() {
    const DEAF: usize = 60;
    const MESSAGES: usize = 4_000;
    let _alone = alone();
    let gateway = Gateway::start(
        "[limits]\nmailbox_bytes_total = \"1MiB\"\nsys_interval = \"1s\"\nmailbox_messages = 1000000",
    );
    let address = gateway.address();
    let deaf: Vec<Device> = (0..DEAF)
        .map(|number| {
            let mut device = Device::connect(address, V311, &format!("deaf-{number}"));
            device.subscribe("t", 0);
            device
        })
        .collect();
    let before = gateway.resident_bytes();
    let mut publisher = Device::connect(address, V311, "publisher");
    // Until their sockets are full, and then some thousand messages without a byte.
    for _ in 0..150 {
        publisher.publish(&Publish::new("t", "x".repeat(60_000)));
        publisher.ping();
    }
    for _ in 0..MESSAGES / 100 {
        publisher
            .wire
            .send(&Publish::new("t", "").encode(V311, 0).repeat(100));
        publisher.ping();
    }
    let grown = gateway.resident_bytes().saturating_sub(before);
    println!(
        "{DEAF} subscribers that read nothing: grown by {} KiB",
        grown >> 10
    );
    assert!(grown < 48 << 20, "grown by {grown} bytes");
    let mut watcher = Device::connect(address, V311, "watcher");
    watcher.subscribe("$SYS/broker/store/messages/bytes", 0);
    wait_for(PATIENCE, "the bytes that wait are told", || {
        let held: u64 = watcher
            .message("an update")
            .text()
            .parse()
            .expect("a number");
        // An equal part for each, and one message beyond it.
        assert!(held < 6 << 20, "{held} bytes wait");
        held > 512 << 10
    });
    drop(deaf);
    wait_for(PATIENCE, "nothing waits any more", || {
        watcher.message("an update").text() == "0"
    });
}
