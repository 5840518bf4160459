//! `max_publish_rate`: a client that is too fast is slowed, and loses nothing.

use std::time::{Duration, Instant};

use crate::support::{
    device::{Device, PUBREC, Publish},
    gateway::Gateway,
    version::Version::{V5, V311},
};

#[test]
fn a_client_that_publishes_too_fast_is_slowed_loses_nothing_and_slows_nobody() {
    const RATE: u32 = 200;
    const MESSAGES: u16 = 500;
    let gateway = Gateway::start(&format!("[limits]\nmax_publish_rate = {RATE}"));
    for version in [V311, V5] {
        for qos in [1, 2] {
            let mut subscriber = Device::connect(gateway.address(), V5, "subscriber");
            subscriber.subscribe("fast", 1);
            let mut fast = Device::connect(gateway.address(), version, "fast");
            let mut other = Device::connect(gateway.address(), version, "other");
            other.subscribe("other", 1);
            let began = Instant::now();
            let bytes: Vec<u8> = (1..=MESSAGES)
                .flat_map(|id| {
                    Publish::new("fast", id.to_string())
                        .qos(qos)
                        .encode(version, id)
                })
                .collect();
            fast.wire.send(&bytes);
            for round in 0..50 {
                other.publish(&Publish::new("other", round.to_string()).qos(1));
                assert_eq!(other.message("its own").text(), round.to_string());
            }
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "the other one was slowed"
            );
            for id in 1..=MESSAGES {
                assert_eq!(subscriber.message("a message").text(), id.to_string());
            }
            let first = if qos == 1 { 0x40 } else { PUBREC };
            for id in 1..=MESSAGES {
                assert_eq!(fast.acknowledged(first, id), 0);
            }
            // As many at once as in a second, and then an even stream.
            let least = Duration::from_secs(1) * u32::from(MESSAGES - 200) / RATE;
            let took = began.elapsed();
            assert!(
                took > least.mul_f32(0.9),
                "{took:?} for {MESSAGES} messages"
            );
            assert!(
                took < least + Duration::from_secs(10),
                "{took:?} for {MESSAGES} messages"
            );
            fast.ping();
        }
    }
}

/// A client that waits for its turn is not one that is silent.
#[test]
fn a_client_that_is_slowed_is_not_closed_for_its_silence() {
    let gateway = Gateway::start("[limits]\nmax_publish_rate = 1");
    let hello = crate::support::device::Hello::clean(V5, "slowed").keep_alive(1);
    let mut device = hello.accepted(gateway.address()).0;
    let bytes: Vec<u8> = (1..=4)
        .flat_map(|id| Publish::new("t", "x").qos(1).encode(V5, id))
        .collect();
    device.wire.send(&bytes);
    for id in 1..=4 {
        assert_eq!(device.acknowledged(0x40, id), 0);
    }
    device.ping();
}
