//! A will is a publish of its client: rules take it, subscribers see it.

use std::fs;

use crate::support::{
    gateway::Gateway,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// Clean session, and a will at QoS 1.
const WILL: u8 = 0x0E;

#[test]
fn the_will_of_a_lost_client_becomes_a_record_and_that_of_one_that_disconnects_does_not() {
    let gateway = Gateway::start(
        r#"
        [[connector]]
        name = "archive"
        contract = "plain"
        upstream = "file"
        parameters = { destination = "archive", publish_interval = "10ms" }
        upstream_parameters = { path = "archive" }
        [[rule]]
        filter = "will"
        connector = "archive"
        "#,
    );
    let mut subscriber = Wire::connect(gateway.address(), V311, "subscriber");
    subscriber.subscribe(V311, "will", 0);
    for version in [V311, V5] {
        let mut polite = Wire::open(gateway.address());
        polite.send(&wire::connect_with(version, WILL, &[]));
        assert_eq!(polite.expect("CONNACK").body[1], 0);
        polite.send(&wire::packet(0xE0, &[]));
        assert_eq!(polite.receive(), None);

        let mut lost = Wire::open(gateway.address());
        lost.send(&wire::connect_with(version, WILL, &[]));
        assert_eq!(lost.expect("CONNACK").body[1], 0);
        drop(lost);
        assert!(
            subscriber.expect("the will").body.ends_with(b"gone"),
            "MQTT {version}"
        );
    }

    let records = gateway.data_dir().join("archive/records.ndjson");
    let lines = || {
        fs::read_to_string(&records)
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait_for(PATIENCE, "both wills are records", || lines() >= 2);
    // A marker behind them arrives, and no third will before it.
    subscriber.send(&wire::publish(V311, 1, 1, b"will", b"marker"));
    wait_for(PATIENCE, "the marker is a record", || {
        fs::read_to_string(&records).is_ok_and(|text| text.contains("marker"))
    });
    assert_eq!(lines(), 3);
}
