//! `$SYS/broker/#`: what the gateway says about itself, to those who ask.

use std::collections::BTreeMap;

use crate::support::{
    device::{Device, Hello, Message, Publish},
    gateway::Gateway,
    version::Version::{self, V5, V311},
    wait::{PATIENCE, wait_for},
};

const OFTEN: &str = "[limits]\nsys_interval = \"1s\"";

/// Reads until every topic of `wanted` has come with its value, in any of its updates.
#[track_caller]
fn wait_for_values(watcher: &mut Device, wanted: &[(&str, &str)]) {
    let mut found = BTreeMap::new();
    wait_for(PATIENCE, &format!("{wanted:?}"), || {
        let message = watcher.message("an update");
        let name = message.topic.strip_prefix("$SYS/broker/").expect("its own");
        found.insert(name.to_owned(), message.text().to_owned());
        let is_there = |(name, value): &(&str, &str)| found.get(*name).is_some_and(|v| v == value);
        wanted.iter().all(is_there)
    });
}

#[test]
fn whoever_asks_for_the_gateways_own_topics_gets_them_at_once_and_then_their_updates() {
    let gateway = Gateway::start(OFTEN);
    for version in Version::ALL {
        let mut watcher = Device::connect(gateway.address(), version, "watcher");
        watcher.subscribe("$SYS/#", 1);
        let first = watcher.message("a retained value");
        assert!(
            first.retain && first.topic.starts_with("$SYS/broker/"),
            "{first:?}"
        );
        watcher.unsubscribe(&["$SYS/#"]);
        watcher.ping();
        watcher.leave();

        let mut watcher = Device::connect(gateway.address(), version, "watcher");
        watcher.subscribe("$SYS/broker/version", 0);
        let found = watcher.message("the version");
        assert!(found.retain);
        assert_eq!(
            found.text(),
            format!("perennial version {}", env!("CARGO_PKG_VERSION"))
        );
        watcher.subscribe("$SYS/broker/uptime", 0);
        let uptime = |message: &Message| -> u64 {
            let seconds = message.text().strip_suffix(" seconds");
            seconds.and_then(|text| text.parse().ok()).expect("seconds")
        };
        let mut of_uptime = || loop {
            let message = watcher.message("an update");
            if message.topic == "$SYS/broker/uptime" {
                return message;
            }
        };
        let first = of_uptime();
        assert!(first.retain);
        let second = of_uptime();
        assert!(!second.retain);
        assert!(
            uptime(&second) > uptime(&first),
            "{} after {}",
            second.text(),
            first.text()
        );
    }
}

#[test]
fn the_gateways_own_topics_count_clients_subscriptions_and_messages() {
    let gateway = Gateway::start(OFTEN);
    let mut watcher = Device::connect(gateway.address(), V311, "watcher");
    watcher.subscribe("$SYS/broker/#", 0);
    wait_for_values(
        &mut watcher,
        &[
            ("clients/connected", "1"),
            ("clients/disconnected", "0"),
            ("clients/total", "1"),
            ("subscriptions/count", "1"),
            ("publish/messages/received", "0"),
        ],
    );
    let mut away = Hello::lasting(V5, "away").accepted(gateway.address()).0;
    away.subscribe("t/+", 1);
    away.subscribe("$share/g/t", 1);
    away.leave();
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    for _ in 0..3 {
        publisher.publish(&Publish::new("nobody", "x").qos(1));
    }
    wait_for_values(
        &mut watcher,
        &[
            ("clients/connected", "2"),
            ("clients/disconnected", "1"),
            ("clients/total", "3"),
            ("subscriptions/count", "3"),
            ("publish/messages/received", "3"),
            ("publish/messages/dropped", "0"),
        ],
    );
    publisher.leave();
    Hello::clean(V5, "away")
        .accepted(gateway.address())
        .0
        .leave();
    wait_for_values(
        &mut watcher,
        &[("clients/total", "1"), ("subscriptions/count", "1")],
    );
}

/// A message that waits for its client is not one that was dropped.
#[test]
fn messages_that_wait_are_not_counted_as_dropped() {
    let gateway = Gateway::start("[limits]\nsys_interval = \"1s\"\nsession_queue_messages = 10");
    let mut away = Hello::lasting(V311, "away").accepted(gateway.address()).0;
    away.subscribe("t", 1);
    away.leave();
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    let mut watcher = Device::connect(gateway.address(), V311, "watcher");
    for _ in 0..10 {
        publisher.publish(&Publish::new("t", "x").qos(1));
    }
    watcher.subscribe("$SYS/broker/publish/messages/#", 0);
    wait_for_values(&mut watcher, &[("publish/messages/received", "10")]);
    wait_for_values(&mut watcher, &[("publish/messages/dropped", "0")]);
    for _ in 0..5 {
        publisher.publish(&Publish::new("t", "x").qos(1));
    }
    wait_for_values(&mut watcher, &[("publish/messages/dropped", "5")]);
}

/// MQTT 5, 4.7.2.
#[test]
fn nobody_gets_them_who_asks_for_everything() {
    let gateway = Gateway::start(OFTEN);
    for version in Version::ALL {
        let mut curious = Device::connect(gateway.address(), version, "curious");
        for filter in ["#", "+/#", "+/broker/uptime", "+/+/uptime"] {
            curious.subscribe(filter, 0);
        }
        // An update of theirs has been published meanwhile.
        let mut watcher = Device::connect(gateway.address(), version, "watcher");
        watcher.subscribe("$SYS/broker/uptime", 0);
        for _ in 0..3 {
            watcher.message("an update");
        }
        let mut publisher = Device::connect(gateway.address(), version, "publisher");
        assert_eq!(curious.messages_before_marker(&mut publisher, "end"), []);
    }
}

#[test]
fn no_client_publishes_there() {
    let gateway = Gateway::start(OFTEN);
    let mut watcher = Device::connect(gateway.address(), V5, "watcher");
    for filter in ["$SYS/forged", "$SYS/broker/forged/#", "$SYS"] {
        watcher.subscribe(filter, 1);
    }
    for topic in [
        "$SYS/forged",
        "$SYS/broker/forged/x",
        "$SYS",
        "$SYS/broker/uptime",
    ] {
        for retained in [false, true] {
            for qos in 0..3 {
                let mut publish = Publish::new(topic, "forged").qos(qos);
                if retained {
                    publish = publish.retained();
                }
                let mut device = Device::connect(gateway.address(), V5, "forger");
                let refused = if qos == 0 { 0 } else { 0x87 };
                assert_eq!(device.publishes(&publish), refused, "{topic} at QoS {qos}");
                device.ping();
                let mut device = Device::connect(gateway.address(), V311, "forger");
                device.wire.send(&publish.encode(V311, 7));
                assert_eq!(device.is_sent_away(), None, "{topic} at QoS {qos}");
            }
        }
    }
    let mut publisher = Device::connect(gateway.address(), V5, "publisher");
    watcher.subscribe("end", 1);
    assert_eq!(watcher.messages_before_marker(&mut publisher, "end"), []);
    watcher.subscribe("$SYS/broker/uptime", 1);
    assert_ne!(watcher.message("the uptime").text(), "forged");
}

#[test]
fn without_an_interval_there_are_none() {
    let gateway = Gateway::start("[limits]\nsys_interval = \"0s\"");
    let mut watcher = Device::connect(gateway.address(), V311, "watcher");
    let mut publisher = Device::connect(gateway.address(), V311, "publisher");
    watcher.subscribe("$SYS/#", 1);
    watcher.subscribe("end", 1);
    assert_eq!(watcher.messages_before_marker(&mut publisher, "end"), []);
}
