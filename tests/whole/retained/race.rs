//! Subscribing while retained messages change.

use std::{
    sync::atomic::{AtomicU16, Ordering},
    thread,
};

use crate::support::{
    device::{Device, Hello, Publish},
    gateway::Gateway,
    random::Random,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
};

const TOPICS: u16 = 60;
const ROUNDS: u32 = 7;

/// Whoever subscribes is sent the value that is retained, the one that replaces it, or both;
/// the newer one comes last.
#[test]
fn whoever_subscribes_while_values_change_ends_up_with_the_last_of_each() {
    let (mut random, seed) = Random::seeded();
    println!("seed {seed}");
    let gateway = Gateway::start("");
    for hello in [
        Hello::clean(V311, "racer"),
        Hello::clean(V5, "racer"),
        Hello::lasting(V311, "racer"),
        Hello::lasting(V5, "racer"),
    ] {
        for qos in 0..3 {
            for _ in 0..ROUNDS {
                let begin = random.within(0..u64::from(TOPICS)) as u16;
                one_race(&gateway, &hello, qos, begin);
            }
            let ended = Hello::clean(V311, "racer").accepted(gateway.address());
            ended.0.leave();
        }
    }
}

/// Each value changes once; the subscription begins when `begin` of them have.
fn one_race(gateway: &Gateway, hello: &Hello, qos: u8, begin: u16) {
    let address = gateway.address();
    let mut subscriber = hello.accepted(address).0;
    let mut publisher = Device::connect(address, V311, "changer");
    let topic = |number: u16| format!("race/{number}");
    for number in 0..TOPICS {
        let old = Publish::new(topic(number), "old").retained();
        publisher.publish(&old.qos(qos.min(1)));
    }
    publisher.publish(&Publish::new("fence", "up").qos(qos.min(1)).retained());
    publisher.ping();
    let changed = AtomicU16::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..TOPICS {
                publisher.publish(&Publish::new(topic(number), "new").qos(qos).retained());
                changed.store(number + 1, Ordering::Relaxed);
            }
        });
        wait_for(PATIENCE, "values change", || {
            changed.load(Ordering::Relaxed) >= begin
        });
        subscriber.subscribe("race/#", qos);
    });
    publisher.ping();
    // It comes behind all that is retained, and its successor behind all that is live.
    subscriber.subscribe("fence", qos);
    let mut last = vec![String::new(); usize::from(TOPICS)];
    values_before_fence(&mut subscriber, &mut last);
    publisher.publish(&Publish::new("fence", "").qos(qos));
    values_before_fence(&mut subscriber, &mut last);
    for (number, found) in last.iter().enumerate() {
        assert_eq!(*found, "new", "race/{number} at QoS {qos} of {hello:?}");
    }
    subscriber.unsubscribe(&["fence", "race/#"]);
    subscriber.leave();
}

fn values_before_fence(subscriber: &mut Device, last: &mut [String]) {
    loop {
        let message = subscriber.message("a value");
        let Some(number) = message.topic.strip_prefix("race/") else {
            return;
        };
        let number: usize = number.parse().expect("a number");
        message.text().clone_into(&mut last[number]);
    }
}
