//! Client identifiers: none, hostile ones, and ones that are longer than a key may be.

use std::collections::HashSet;

use super::{NOTHING, Target};
use crate::support::{
    device::{Device, Hello, Publish},
    version::Version::{V5, V31, V311},
    wire::string,
};

/// MQTT 3.1.1, 3.1.3.1; brokers that took the empty text for a name let clients push each other
/// out.
#[test]
fn clients_without_an_identifier_each_get_their_own() {
    let mut target = Target::start("");
    let mut devices: Vec<Device> = (0..40)
        .map(|number| {
            let version = [V31, V311, V5][number % 3];
            let (mut device, welcome) = Hello::clean(version, "").accepted(target.address());
            assert_eq!(
                version == V5,
                !welcome.properties.is_empty(),
                "MQTT {version}"
            );
            device.subscribe(&format!("own/{number}"), 1);
            device
        })
        .collect();
    for (number, device) in devices.iter_mut().enumerate() {
        device.publish(&Publish::new(format!("own/{number}"), "x").qos(1));
        assert_eq!(device.message("its own").topic, format!("own/{number}"));
    }
    let assigned: HashSet<Vec<u8>> = (0..10)
        .map(|_| {
            let (_, welcome) = Hello::clean(V5, "").accepted(target.address());
            let at = welcome.properties.iter().position(|id| *id == 0x12);
            let text = &welcome.properties[at.expect("an assigned identifier") + 1..];
            let length = usize::from(u16::from_be_bytes([text[0], text[1]]));
            assert!(length > 0);
            text[2..2 + length].to_vec()
        })
        .collect();
    assert_eq!(assigned.len(), 10);
    // A session that nobody could come back to.
    assert_eq!(Hello::lasting(V311, "").refused(target.address()), 2);
    target.withstands("clients without an identifier", NOTHING);
}

/// Brokers that made file names or keys of identifiers wrote where they should not, or found
/// the session of somebody else.
#[test]
fn hostile_identifiers_name_sessions_like_any_other_also_after_a_restart() {
    let long = "x".repeat(1_024);
    let hostile = [
        "../../../../etc/passwd",
        "/",
        ".",
        "..",
        "#",
        "+",
        "a",
        "a/b",
        "$SYS",
        "%s%n%x",
        "' OR 1=1 --",
        "\u{1b}[31mred",
        "line\nbreak",
        "\u{202e}backwards",
        "\u{10ffff}",
        &long,
    ];
    let mut target = Target::start("");
    for version in [V311, V5] {
        for (number, id) in hostile.iter().enumerate() {
            let mut device = Hello::lasting(version, id).comes(target.address(), false);
            device.subscribe(&format!("hostile/{number}"), 1);
        }
        let mut publisher = Device::connect(target.address(), V311, "publisher");
        for number in 0..hostile.len() {
            let publish = Publish::new(format!("hostile/{number}"), number.to_string());
            publisher.publish(&publish.qos(1));
        }
        target.goes_on("hostile identifiers");
        target.gateway.kill9();
        target.gateway.restart();
        for (number, id) in hostile.iter().enumerate() {
            let mut device = Hello::lasting(version, id).comes(target.address(), true);
            assert_eq!(device.message(id).text(), number.to_string(), "{id:?}");
            device.leave();
            Hello::clean(version, id)
                .comes(target.address(), false)
                .leave();
        }
        target = Target {
            bystander: super::Bystander::beside(target.address()),
            ..target
        };
    }
    target.goes_on("hostile identifiers after a restart");
    target.has_not_panicked();
}

/// What is kept of a session has its identifier in its key, which has a bound of its own.
#[test]
fn identifiers_and_filters_as_long_as_a_packet_allows_are_refused_or_kept() {
    let mut target = Target::start("[limits]\nmax_topic_length = 64000\nmax_topic_levels = 64000");
    for length in [1_023, 1_024, 1_025, 65_533, 65_534, 65_535] {
        let id = "x".repeat(length);
        for version in [V311, V5] {
            for hello in [
                Hello::clean(version, &id),
                Hello::lasting(version, &id),
                Hello::clean(version, &id).will(Publish::new("will", "gone").qos(1)),
                Hello::lasting(version, &id).will(Publish::new("will", "gone").qos(1)),
            ] {
                let (mut device, welcome) = hello.answered(target.address());
                match welcome.reason {
                    0 => {
                        device.subscribe("t", 1);
                        device.leave();
                    }
                    0x85 | 0x02 => assert!(length > 1_024),
                    other => panic!("{length} bytes: {other:#x}"),
                }
            }
        }
        target.goes_on("a long identifier");
    }
    let id = "x".repeat(1_000);
    for version in [V311, V5] {
        let mut device = Hello::lasting(version, &id).accepted(target.address()).0;
        let group = |bytes: usize| format!("$share/{}/t", "g".repeat(bytes - 9));
        for length in [60_000, 64_000, 64_001, 65_533, 65_534, 65_535] {
            for filter in [
                "f".repeat(length),
                group(length),
                format!("{}/#", "f".repeat(length - 2)),
            ] {
                let granted = device.asks_for(&filter, 1) == 1;
                assert_eq!(granted, length <= 64_000, "{length} bytes");
            }
            for qos in 0..3 {
                let mut publisher = Device::connect(target.address(), V5, "publisher");
                let topic = "f".repeat(length);
                let reason = publisher.publishes(&Publish::new(&topic, "x").qos(qos).retained());
                let refused = qos > 0 && length > 64_000;
                assert_eq!(reason, if refused { 0x90 } else { 0 }, "{length} bytes");
                publisher.ping();
            }
        }
        drop(device);
        target.goes_on("long filters");
    }
    // What was granted is there, and the store can be read.
    target.gateway.kill9();
    target.gateway.restart();
    target.bystander = super::Bystander::beside(target.address());
    Hello::lasting(V5, &id).comes(target.address(), true);
    target.goes_on("long keys after a restart");
    target.has_not_panicked();
}

/// An identifier is as long as it says; what follows is not a part of it.
#[test]
fn an_identifier_that_is_cut_off_or_too_long_for_its_packet_is_refused() {
    let mut target = Target::start("");
    for version in [V311, V5] {
        let whole = Hello::clean(version, "identifier").encode();
        let at = whole.len() - string(b"identifier").len();
        for length in [11_u16, 12, 255, 65_535] {
            let mut bytes = whole.clone();
            bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
            let mut device = Device::open(target.address(), version);
            device.wire.send(&bytes);
            let answer = device.wire.receive();
            assert!(
                answer.is_none_or(|answer| answer.body[1] == 0x81),
                "{length}"
            );
        }
    }
    target.withstands("identifiers of a wrong length", NOTHING);
}
