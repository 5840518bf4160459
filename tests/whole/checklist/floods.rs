//! More of everything than there is room for: the bound is told, and memory follows it.

use super::{NOTHING, Target};
use crate::support::{
    alone,
    device::{Device, Hello, Publish},
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
};

/// Each retained message is kept, until the disk or the memory is full.
#[test]
fn a_flood_of_retained_messages_ends_at_the_bound() {
    const BOUND: u16 = 1_000;
    const ALL: u16 = 10_000;
    let mut target = Target::start("[limits]\nmax_retained_messages = 1000\nsys_interval = \"0s\"");
    let mut device = Device::connect(target.address(), V5, "hoarder");
    let publish = |number: u16| {
        let topic = format!("hoard/{number}/{}", "x".repeat(500));
        Publish::new(topic, "x".repeat(500)).qos(1).retained()
    };
    let mut refused = 0;
    for first in (1..=ALL).step_by(500) {
        let numbers = first..first + 500;
        let bytes: Vec<u8> = numbers
            .clone()
            .flat_map(|id| publish(id).encode(V5, id))
            .collect();
        device.wire.send(&bytes);
        for id in numbers {
            match device.acknowledged(0x40, id) {
                0 => assert!(id <= BOUND, "{id} is beyond the bound"),
                0x97 => refused += 1,
                other => panic!("{id}: {other:#x}"),
            }
        }
        if first > BOUND {
            target.bystander.goes_on("retained messages");
        }
        if first == 2_001 {
            target.rest();
        }
    }
    assert_eq!(refused, ALL - BOUND);
    // What is there may change, and go; then there is room for another.
    assert_eq!(device.publishes(&publish(7)), 0);
    assert_eq!(device.publishes(&publish(ALL)), 0x97);
    let topic = format!("hoard/7/{}", "x".repeat(500));
    device.publish(&Publish::new(topic, "").qos(1).retained());
    assert_eq!(device.publishes(&publish(ALL)), 0);
    target.withstands("retained messages beyond the bound", NOTHING);
}

/// The same in bytes, most of them in properties.
#[test]
fn a_flood_of_large_retained_messages_ends_at_the_bound_in_bytes() {
    let mut target = Target::start("[limits]\nmax_retained_bytes = \"1MiB\"");
    let mut device = Device::connect(target.address(), V5, "hoarder");
    let property = crate::support::device::user_property("name", &"x".repeat(60_000));
    let publish = |number: u32| {
        let publish = Publish::new(format!("hoard/{number}"), "x")
            .qos(1)
            .retained();
        publish.property(&property)
    };
    let taken = (0..200)
        .filter(|number| device.publishes(&publish(*number)) == 0)
        .count();
    assert!(taken == 17, "{taken} of 60 KB fit into 1 MiB");
    target.withstands("large retained messages", 24 << 20);
}

/// Subscriptions of many clients are bounded one by one, and go with their clients.
#[test]
fn a_flood_of_subscriptions_is_given_back_when_its_clients_leave() {
    const CLIENTS: usize = 20;
    let _alone = alone();
    let mut target = Target::start("[limits]\nsys_interval = \"1s\"");
    let mut watcher = Device::connect(target.address(), V311, "watcher");
    watcher.subscribe("$SYS/broker/subscriptions/count", 0);
    for round in 0..4 {
        let clients: Vec<Device> = (0..CLIENTS)
            .map(|client| {
                let mut device = Device::connect(target.address(), V5, &format!("flood-{client}"));
                let filters: Vec<String> = (0..1_000)
                    .map(|number| format!("flood/{client}/+/{number}/{}/#", "x".repeat(100)))
                    .collect();
                let filters: Vec<_> = filters.iter().map(|text| (text.as_bytes(), 1)).collect();
                let subscribe = device.subscribe_packet(1, &[], &filters);
                device.wire.send(&subscribe);
                let answer = device.answer("SUBACK");
                assert!(answer.body[3..].iter().all(|code| *code == 1));
                device
            })
            .collect();
        // Whoever publishes goes through all of them.
        let mut publisher = Device::connect(target.address(), V5, "publisher");
        for client in 0..CLIENTS {
            publisher.publish(&Publish::new(format!("flood/{client}/x/7/y/z"), "x").qos(1));
        }
        let all = (CLIENTS * 1_000 + 2).to_string();
        wait_for(PATIENCE, "all are counted", || {
            watcher.message("the count").text() == all
        });
        drop(clients);
        wait_for(PATIENCE, "all are gone", || {
            watcher.message("the count").text() == "2"
        });
        if round == 0 {
            target.rest();
        }
    }
    target.withstands("subscriptions of clients that are gone", NOTHING);
}

/// A topic for each message, as devices with a request identifier in the topic have it.
#[test]
fn topics_and_clients_that_are_seen_once_are_forgotten() {
    const ALL: usize = 40_000;
    let mut target = Target::start("");
    let mut subscriber = Device::connect(target.address(), V5, "subscriber");
    subscriber.subscribe("seen/#", 0);
    let mut device = Device::connect(target.address(), V311, "publisher");
    for first in (0..ALL).step_by(100) {
        let bytes: Vec<u8> = (first..first + 100)
            .flat_map(|number| Publish::new(format!("seen/once/{number}"), "x").encode(V311, 0))
            .collect();
        device.wire.send(&bytes);
        for _ in 0..100 {
            subscriber.message("a message on its topic");
        }
        if first == ALL / 10 {
            target.rest();
        }
    }
    target.withstands("topics that are seen once", NOTHING);
}

/// Sessions that outlive their clients are bounded, and the bound is told.
#[test]
fn a_flood_of_sessions_ends_at_the_bound() {
    let mut target = Target::start("[limits]\nmax_sessions = 20");
    for number in 0..20 {
        let version = if number % 2 == 0 { V311 } else { V5 };
        let hello = Hello::lasting(version, format!("session-{number}"));
        hello.comes(target.address(), false).leave();
    }
    for _ in 0..200 {
        assert_eq!(
            Hello::lasting(V5, "one more").refused(target.address()),
            0x97
        );
        assert_eq!(
            Hello::lasting(V311, "one more").refused(target.address()),
            3
        );
    }
    Hello::lasting(V311, "session-0").comes(target.address(), true);
    Hello::clean(V5, "session-1").comes(target.address(), false);
    Hello::lasting(V5, "one more").comes(target.address(), false);
    target.withstands("sessions beyond the bound", NOTHING);
}
