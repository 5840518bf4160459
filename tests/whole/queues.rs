//! `perennial queues`, with a gateway and without one.

use std::fs;

use crate::support::{
    admin::{command, done, json},
    firehose::Firehose,
    gateway::{Gateway, run_to_end},
    version::Version::V5,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

fn publish(gateway: &Gateway, count: u16) {
    let mut device = Wire::connect(gateway.address(), V5, "device");
    for id in 1..=count {
        device.send(&wire::publish(V5, 1, id, b"t/1", b"payload"));
        device.expect("PUBACK");
    }
}

#[test]
fn a_backlog_is_shown_while_the_gateway_runs_and_when_it_does_not() {
    let mut firehose = Firehose::start();
    let mut gateway = Gateway::start(&firehose.plain_connector("t/#", "local"));
    firehose.stop();
    publish(&gateway, 7);
    wait_for(PATIENCE, "the failure is shown", || {
        let queues = &json(&gateway, &["queues"])[0];
        queues["queues"][0]["circuit"]["state"] == "open"
            && !queues["queues"][0]["oldest"].is_null()
    });
    let queues = &json(&gateway, &["queues"])[0];
    let queue = &queues["queues"][0];
    assert_eq!(queues["running"], true);
    assert_eq!(queue["connector"], "archive");
    assert_eq!(queue["destination"], "local");
    assert_eq!(queue["records"], 7);
    assert!(queue["rate"].is_number() && queue["arrival_rate"].is_number());
    let table = done(&gateway, &["queues"]);
    assert!(table.contains("archive    local        7 "), "{table}");
    assert!(table.contains("archive to local fails for "), "{table}");

    gateway.kill9();
    let left = &json(&gateway, &["queues"])[0];
    assert_eq!(left["running"], false);
    assert_eq!(left["queues"][0]["records"], 7);
    assert_eq!(left["queues"][0]["bytes"], queue["bytes"]);
    assert_eq!(left["queues"][0]["oldest"], queue["oldest"]);
    let table = done(&gateway, &["queues"]);
    assert!(table.starts_with("No gateway runs; "), "{table}");

    // A gateway without the connector keeps its queue, and shows it.
    gateway.change_config("");
    gateway.restart();
    let table = done(&gateway, &["queues"]);
    assert!(table.contains("not sent"), "{table}");
}

#[test]
fn where_nothing_can_be_known_the_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let finished = run_to_end(folder.path(), &[&"queues", &"--data-dir", &missing]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let told = "no gateway has run with this data directory";
    assert!(finished.stderr.contains(told), "{finished:?}");
    assert!(!missing.exists(), "looking makes nothing");

    let finished = run_to_end(folder.path(), &[&"queues", &"--config", &"missing.toml"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");

    // A gateway that has lost its socket.
    let gateway = Gateway::start("");
    fs::remove_file(gateway.data_dir().join("admin.sock")).unwrap();
    let finished = command(&gateway, &["queues"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let told = "a gateway has the store open and does not answer";
    assert!(finished.stderr.contains(told), "{finished:?}");
}
