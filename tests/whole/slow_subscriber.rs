//! A subscriber that does not keep up loses nothing, and others do not notice it.

use std::{thread, time::Instant};

use crate::support::{
    alone,
    gateway::Gateway,
    numbered::{Publishers, Tally},
    version::Version::V5,
    wait::{PATIENCE, wait_for, wait_to_reach},
    wire::{self, Wire},
};

const PUBLISHERS: usize = 10;
const SIZE: usize = 8 * 1024;

/// Messages, 224 MiB of them; its queue on disk takes 256 MiB.
const FLOOD: u64 = (224 << 20) / SIZE as u64;

/// What the process may grow by: the store has many times its 8 MiB in a debug build.
const GROWTH: u64 = 160 << 20;

const END: &[u8] = b"end";

#[test]
fn a_slow_subscriber_gets_all_that_ten_publishers_flood_and_the_other_gets_it_in_time() {
    let _alone = alone();
    let gateway = Gateway::start("[limits]\nmailbox_messages = 100");
    let address = gateway.address();
    let mut slow = Wire::connect(address, V5, "slow");
    slow.subscribe(V5, "flood/#", 1);
    let mut fast = Wire::connect(address, V5, "fast");
    fast.subscribe(V5, "flood/#", 1);
    let before = gateway.resident_bytes();
    let mut most = before;

    let publishers = Publishers::new(PUBLISHERS, "flood", SIZE);
    let began = Instant::now();
    let fast = thread::scope(|scope| {
        let fast = scope.spawn(|| receive_until_end(&mut fast));
        publishers.run(address, || {
            wait_to_reach(FLOOD, "messages of the flood", || {
                most = gateway.resident_bytes().max(most);
                publishers.total()
            });
            publishers.stop();
        });
        let published = Instant::now();
        let flood = published - began;
        let mut last = Wire::connect(address, V5, "last");
        last.send(&wire::publish(V5, 1, 1, b"flood/end", END));
        assert_eq!(last.expect("PUBACK").first, 0x40);
        // It keeps up, or it would be further behind.
        wait_for(
            PATIENCE.max(flood),
            "the fast subscriber gets it all",
            || fast.is_finished(),
        );
        println!(
            "the fast subscriber was {:?} behind after {flood:?}",
            published.elapsed()
        );
        fast.join().expect("the fast subscriber gets everything")
    });
    let acknowledged = publishers.acknowledged();
    assert_eq!(
        (fast.missing(&acknowledged), fast.repeated, fast.early),
        (0, 0, 0),
        "fast"
    );

    // The slow one has not read a byte so far.
    let slow = receive_until_end(&mut slow);
    most = gateway.resident_bytes().max(most);
    assert_eq!(
        (slow.missing(&acknowledged), slow.repeated, slow.early),
        (0, 0, 0),
        "slow"
    );

    let grown = most - before;
    let total = publishers.total();
    println!(
        "{total} messages; {} KiB before, at most {} KiB more",
        before >> 10,
        grown >> 10
    );
    assert!(
        grown < GROWTH,
        "grown by {grown} bytes for {FLOOD} messages of {SIZE} bytes"
    );
}

/// Receives and acknowledges everything up to the last message.
fn receive_until_end(wire: &mut Wire) -> Tally {
    let mut tally = Tally::default();
    let mut acks = Vec::new();
    loop {
        let mut next = Some(wire.expect("a message"));
        while let Some(packet) = next {
            let (packet_id, payload) = wire::delivered(V5, &packet);
            if payload == END {
                return tally;
            }
            tally.count(payload);
            acks.extend_from_slice(&wire::puback(packet_id));
            next = wire.buffered();
        }
        wire.send(&acks);
        acks.clear();
    }
}
