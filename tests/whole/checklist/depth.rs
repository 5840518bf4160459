//! Topics and filters of great depth and length.

use std::time::{Duration, Instant};

use super::Target;
use crate::support::{
    device::{Device, Hello, Publish},
    version::Version::{V5, V311},
};

/// mosquitto CVE-2019-11779: a filter of 65,400 slashes went to the end of the stack.
#[test]
fn a_topic_that_is_deeper_than_the_configuration_allows_is_refused() {
    let mut target = Target::start("");
    for (what, filter, topic) in [
        ("129 levels", "+/".repeat(128) + "#", "a/".repeat(128) + "a"),
        (
            "30,000 levels",
            "+/".repeat(29_999) + "+",
            "a/".repeat(29_999) + "a",
        ),
        ("65,535 slashes", "/".repeat(65_535), "/".repeat(65_535)),
        ("4,097 bytes", "a".repeat(4_097), "a".repeat(4_097)),
    ] {
        let mut device = Device::connect(target.address(), V5, "deep");
        assert_eq!(device.asks_for(&filter, 1), 0x8F, "{what}");
        for qos in [1, 2] {
            let publish = Publish::new(&topic, "x").qos(qos);
            assert_eq!(device.publishes(&publish), 0x90, "{what}");
            assert_eq!(device.publishes(&publish.retained()), 0x90, "{what}");
        }
        device.publish(&Publish::new(&topic, "at QoS 0"));
        device.ping();

        let mut device = Device::connect(target.address(), V311, "deep");
        assert_eq!(device.asks_for(&filter, 1), 0x80, "{what}");
        device
            .wire
            .send(&Publish::new(&topic, "x").qos(1).encode(V311, 7));
        assert_eq!(device.is_sent_away(), None, "{what}");

        // MQTT 5, 3.2.2.2: the will's topic is one, and is not accepted.
        let will = Publish::new(&topic, "gone");
        let refused = Hello::clean(V5, "deep").will(will.clone());
        assert_eq!(refused.refused(target.address()), 0x90, "{what}");
        let mut device = Device::open(target.address(), V311);
        device
            .wire
            .send(&Hello::clean(V311, "deep").will(will).encode());
        assert_eq!(device.wire.receive(), None, "{what}");
        target.goes_on(what);
    }
    // What is just allowed is served.
    let mut device = Device::connect(target.address(), V5, "deep");
    device.subscribe(&("+/".repeat(127) + "+"), 1);
    device.publish(&Publish::new("a/".repeat(127) + "a", "x").qos(1));
    device.message("a message of 128 levels");
    device.subscribe(&"b".repeat(4_096), 1);
    device.publish(&Publish::new("b".repeat(4_096), "x").qos(1));
    device.message("a message on a topic of 4,096 bytes");
    target.has_not_panicked();
}

/// Where the configuration allows it, depth costs time in proportion, and no stack.
#[test]
fn a_filter_of_thirty_thousand_levels_is_matched_without_an_end_of_the_stack() {
    const LEVELS: usize = 30_000;
    let mut target = Target::start("[limits]\nmax_topic_length = 64000\nmax_topic_levels = 64000");
    let mut device = Device::connect(target.address(), V5, "deep");
    let began = Instant::now();
    let deepest = "+/".repeat(LEVELS - 1) + "+";
    let filters = [
        deepest.clone(),
        "+/".repeat(LEVELS - 1) + "#",
        "a/".repeat(LEVELS - 1) + "+",
        "a/+/".repeat(LEVELS / 2 - 1) + "a/a",
        "+/a/".repeat(LEVELS / 2 - 1) + "b/a",
        "/".repeat(LEVELS - 1),
        format!("$share/g/{}", "+/".repeat(LEVELS - 1) + "+"),
    ];
    for filter in &filters {
        device.subscribe(filter, 1);
        target.goes_on("a deep filter");
    }
    let topic = "a/".repeat(LEVELS - 1) + "a";
    let publish = Publish::new(&topic, "deep").qos(1).retained();
    device.publish(&publish);
    // Once for the subscriptions of the session, once for its group.
    for _ in 0..2 {
        assert_eq!(device.message("a deep message").topic, topic);
    }
    device.unsubscribe(&filters);
    device.subscribe(&deepest, 1);
    assert!(device.message("a deep retained message").retain);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    target.has_not_panicked();
}

/// Filters that fork at every level, matched with a topic that goes every way.
#[test]
fn filters_that_fork_at_every_level_are_matched_in_time() {
    let mut target = Target::start("[limits]\nmax_subscriptions_per_client = 10000");
    let mut device = Device::connect(target.address(), V5, "forks");
    // Every way to write twelve levels with `a` and `+`, and the same again with `#`.
    let filters: Vec<String> = (0..1_u32 << 12)
        .flat_map(|ways| {
            let levels = (0..12).map(|level| if ways >> level & 1 == 0 { "a" } else { "+" });
            let path = levels.collect::<Vec<_>>().join("/");
            [format!("{path}/#"), path]
        })
        .collect();
    for some in filters.chunks(1_000) {
        let wanted: Vec<_> = some.iter().map(|text| (text.as_bytes(), 1)).collect();
        let packet_id = device.next_id();
        let subscribe = device.subscribe_packet(packet_id, &[], &wanted);
        device.wire.send(&subscribe);
        let answer = device.answer("SUBACK");
        assert!(answer.body[3..].iter().all(|code| *code == 1));
    }
    let began = Instant::now();
    for number in 0..20 {
        // A topic of its own each time, so that nothing is remembered.
        let topic = format!("{}/{number}", ["a"; 12].join("/"));
        device.publish(&Publish::new(&topic, "x").qos(1));
        assert_eq!(device.message("the message, once").topic, topic);
        target.goes_on("a topic that goes every way");
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    device.unsubscribe(&filters);
    target.has_not_panicked();
}
