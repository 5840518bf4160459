//! Clients that come and go faster than anything else happens.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{NOTHING, Target};
use crate::support::{
    alone,
    device::{Device, Hello, Publish},
    version::Version::{V5, V31, V311},
    wait::{PATIENCE, wait_for},
    wire::Wire,
};

/// mosquitto CVE-2021-34431 and many others: each connection left a little behind.
#[test]
fn five_thousand_connections_that_come_and_go_leave_nothing() {
    const FIRST: usize = 1_000;
    const ALL: usize = 5_000;
    let _alone = alone();
    let mut target = Target::start("");
    let files = target.gateway.open_files();
    let storm = |from: usize, to: usize| {
        thread::scope(|scope| {
            for worker in 0..4 {
                let address = target.address();
                scope.spawn(move || {
                    for number in (from..to).filter(|number| number % 4 == worker) {
                        comes_and_goes(address, number);
                    }
                });
            }
        });
        wait_for(PATIENCE, "the sockets are given back", || {
            target.gateway.open_files() <= files
        });
    };
    storm(0, FIRST);
    let before = target.gateway.resident_bytes();
    storm(FIRST, ALL);
    target.before = before;
    target.withstands("connections that come and go", NOTHING);
}

/// One client of many kinds, which ends in one of many ways.
fn comes_and_goes(address: std::net::SocketAddr, number: usize) {
    let version = [V31, V311, V5][number % 3];
    let id = format!("storm-{number}");
    let will = Publish::new("storm/will", "gone").qos(1);
    match number % 8 {
        0 => Device::connect(address, version, &id).leave(),
        1 => drop(Device::connect(address, version, &id)),
        2 => drop(Wire::open(address)),
        3 => Wire::open(address).send(b"\x10\x40\0\x04MQTT"),
        4 => Wire::open(address).send(&Hello::clean(version, &id).encode()),
        5 => {
            let mut device = Hello::clean(version, &id).will(will).accepted(address).0;
            device.subscribe(&format!("storm/{number}/#"), 2);
            device.publish(&Publish::new(format!("storm/{number}/x"), "x").qos(2));
        }
        6 => {
            // Its session is there until it comes again.
            let mut device = Hello::lasting(version, &id).accepted(address).0;
            device.subscribe("storm/#", 0);
            drop(device);
            Hello::clean(version, &id).accepted(address).0.leave();
        }
        _ => Device::connect(address, version, &id).wire.send(&[0xFF; 9]),
    }
}

/// sol issue 17, and nearly every broker once: two connections had one identifier.
#[test]
fn of_many_clients_that_take_one_identifier_at_once_one_is_left_and_works() {
    const CLIENTS: usize = 12;
    const ROUNDS: usize = 25;
    let mut target = Target::start("");
    let files = target.gateway.open_files();
    for (round, version) in (0..ROUNDS).zip([V311, V5].into_iter().cycle()) {
        let hello = match round % 4 {
            0 | 1 => Hello::clean(version, "taken"),
            _ => Hello::lasting(version, "taken"),
        };
        let accepted = AtomicUsize::new(0);
        let mut devices: Vec<Device> = thread::scope(|scope| {
            let racers: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut device = Device::open(target.address(), version);
                        device.wire.send(&hello.encode());
                        let answer = device.wire.receive();
                        if answer.is_some_and(|answer| answer.body[1] == 0) {
                            accepted.fetch_add(1, Ordering::Relaxed);
                        }
                        device
                    })
                })
                .collect();
            let joined = racers.into_iter().map(|racer| racer.join());
            joined.map(|device| device.expect("a racer")).collect()
        });
        assert!(accepted.load(Ordering::Relaxed) > 0);
        wait_for(PATIENCE, "one connection is left", || {
            devices.retain_mut(|device| !device.wire.has_ended());
            devices.len() == 1
        });
        let mut last = devices.pop().expect("one is left");
        last.subscribe("taken", 1);
        last.publish(&Publish::new("taken", round.to_string()).qos(1));
        assert_eq!(last.message("its own").text(), round.to_string());
        last.leave();
        target.goes_on("a race for one identifier");
    }
    Hello::clean(V311, "taken")
        .accepted(target.address())
        .0
        .leave();
    wait_for(PATIENCE, "the sockets are given back", || {
        target.gateway.open_files() <= files
    });
    target.withstands("races for one identifier", NOTHING);
}
