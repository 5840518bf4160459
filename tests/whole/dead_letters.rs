//! `perennial dead-letters`, with a gateway and without one: what is done stays done.

use std::{collections::BTreeSet, fs};

use perennial_doubles::Answer;
use serde_json::Value;

use crate::support::{
    admin::{Metrics, command, done, json},
    firehose::Firehose,
    gateway::Gateway,
    version::Version::V5,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// What Firehose says of a stream that does not exist.
const MESSAGE: &str = "Firehose local not found under account 123456789012.";

fn gateway_before(firehose: &Firehose) -> Gateway {
    Gateway::start(&firehose.plain_connector("t/#", "local"))
}

/// Publishes each payload to `t/`, as the client `device`.
fn publish(gateway: &Gateway, payloads: &[String]) {
    let mut device = Wire::connect(gateway.address(), V5, "device");
    for payloads in payloads.chunks(500) {
        for (payload, id) in payloads.iter().zip(1..) {
            device.send(&wire::publish(V5, 1, id, b"t/1", payload.as_bytes()));
        }
        payloads.iter().for_each(|_| {
            device.expect("PUBACK");
        });
    }
}

/// A gateway that has given up `count` records, each `bad` and its number.
fn with_dead_letters(firehose: &Firehose, count: usize) -> (Gateway, Vec<String>) {
    firehose.respond_with(|_| Answer::resource_not_found("local"));
    let gateway = gateway_before(firehose);
    let payloads: Vec<_> = (0..count).map(|number| format!("bad {number}")).collect();
    publish(&gateway, &payloads);
    wait_for_letters(&gateway, count);
    (gateway, payloads)
}

#[track_caller]
fn wait_for_letters(gateway: &Gateway, count: usize) {
    wait_for(PATIENCE, "the records are dead letters", || {
        let metrics = Metrics::of(gateway);
        metrics.value("perennial_dead_letters{connector=\"archive\"}") == count as f64
    });
    // They are counted a moment before they are on disk, where commands look for them.
    wait_for(PATIENCE, "the letters are on disk", || {
        list(gateway, &["--limit", "5000"]).len() == count
    });
}

fn list(gateway: &Gateway, filter: &[&str]) -> Vec<Value> {
    json(gateway, &[&["dead-letters", "list"], filter].concat())
}

fn ids(letters: &[Value]) -> Vec<String> {
    let ids = letters.iter().map(|letter| letter["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

fn taken(firehose: &Firehose) -> Vec<String> {
    let records = firehose.records("local").into_iter();
    records
        .map(|record| String::from_utf8(record.to_vec()).unwrap())
        .collect()
}

#[test]
fn letters_are_listed_and_shown_alike_with_a_gateway_and_without_one() {
    let firehose = Firehose::start();
    let (mut gateway, _) = with_dead_letters(&firehose, 5);
    let mut device = Wire::connect(gateway.address(), V5, "device");
    device.send(&wire::publish(V5, 1, 1, b"t/binary", b"bad \xff\x00"));
    device.expect("PUBACK");
    wait_for_letters(&gateway, 6);

    let look = |gateway: &Gateway| {
        let listed = list(gateway, &[]);
        let first = ids(&listed)[0].clone();
        let shown = json(gateway, &["dead-letters", "show", &first]);
        let words = done(gateway, &["dead-letters", "show", &first]);
        let table = done(gateway, &["dead-letters", "list"]);
        (listed, shown, words, table)
    };
    let running = look(&gateway);
    assert!(gateway.terminate().success());
    let stopped = look(&gateway);
    assert_eq!(running, stopped);

    let (listed, shown, words, table) = running;
    assert_eq!(listed.len(), 6);
    let letter = &listed[0];
    for (field, value) in [
        ("destination", "local"),
        ("code", "ResourceNotFoundException"),
        ("message", MESSAGE),
        ("client_id", "device"),
        ("topic", "t/1"),
    ] {
        assert_eq!(letter[field], value, "{letter}");
    }
    assert_eq!(
        (&letter["attempts"], &letter["bytes"]),
        (&1.into(), &5.into())
    );
    assert_eq!(shown[0]["payload"], "bad 0");
    assert!(words.contains("payload      bad 0"), "{words}");
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(table.starts_with("ID         WHEN "), "{table}");

    let binary = ids(&listed)[5].clone();
    let shown = &json(&gateway, &["dead-letters", "show", &binary])[0];
    assert_eq!(shown["payload_base64"], "YmFkIP8A");
    let raw = command(&gateway, &["dead-letters", "show", &binary, "--raw"]);
    assert!(raw.stdout.starts_with("bad "), "{raw:?}");
    let missing = command(&gateway, &["dead-letters", "show", "archive/99"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing
            .stderr
            .contains("there is no dead letter archive/99")
    );
}

#[test]
fn filters_say_which_letters_are_meant() {
    let firehose = Firehose::start();
    let (gateway, _) = with_dead_letters(&firehose, 4);
    let count = |filter: &[&str]| list(&gateway, filter).len();
    assert_eq!(
        count(&["--connector", "archive", "--destination", "local"]),
        4
    );
    assert_eq!(count(&["--connector", "other"]), 0);
    assert_eq!(count(&["--reason", "ResourceNotFoundException"]), 4);
    assert_eq!(count(&["--reason", "Other"]), 0);
    assert_eq!(count(&["--since", "1h"]), 4);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--since", "2000-01-01T00:00:00Z"]), 4);
    assert_eq!(count(&["--until", "2000-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["--limit", "3"]), 3);
    let wrong = command(&gateway, &["dead-letters", "list", "--since", "soon"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn nothing_is_dropped_by_accident() {
    let firehose = Firehose::start();
    let (gateway, _) = with_dead_letters(&firehose, 3);
    let all = command(&gateway, &["dead-letters", "drop"]);
    assert_eq!(all.code, Some(2), "{all:?}");
    assert!(all.stderr.contains("--yes"), "{all:?}");
    let limited = command(&gateway, &["dead-letters", "drop", "--limit", "1"]);
    assert_eq!(limited.code, Some(2), "{limited:?}");
    assert_eq!(list(&gateway, &[]).len(), 3);
    let missing = command(
        &gateway,
        &["dead-letters", "drop", "archive/77", "archive/0"],
    );
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("archive/77"), "{missing:?}");
    assert_eq!(ids(&list(&gateway, &[])), ["archive/1", "archive/2"]);
    let told = done(&gateway, &["dead-letters", "drop", "--yes"]);
    assert_eq!(told, "2 dead letters dropped");
    assert_eq!(list(&gateway, &[]).len(), 0);
}

#[test]
fn a_record_that_is_sent_again_arrives_once_and_counts_again() {
    let firehose = Firehose::start();
    let (gateway, payloads) = with_dead_letters(&firehose, 20);
    firehose.respond_with(|_| Answer::Accept);
    let told = done(
        &gateway,
        &["dead-letters", "replay", "archive/3", "archive/5"],
    );
    assert_eq!(told, "2 dead letters queued again");
    done(&gateway, &["dead-letters", "replay", "--limit", "4"]);
    done(
        &gateway,
        &[
            "dead-letters",
            "replay",
            "--reason",
            "ResourceNotFoundException",
        ],
    );
    wait_for(PATIENCE, "all have arrived", || {
        taken(&firehose).len() >= 20
    });
    let arrived: BTreeSet<_> = taken(&firehose).into_iter().collect();
    assert_eq!(arrived, payloads.into_iter().collect());
    assert_eq!(taken(&firehose).len(), 20);
    wait_for(PATIENCE, "all are counted", || {
        let metrics = Metrics::of(&gateway);
        let count = |what| metrics.records(what, "archive", "local");
        count("accepted_total") == 40.0
            && count("dead_total") == 20.0
            && count("delivered_total") == 20.0
            && metrics.add_up("archive", "local")
    });
    assert_eq!(list(&gateway, &[]).len(), 0);
}

#[test]
fn records_go_to_another_destination_when_that_is_asked_for() {
    let firehose = Firehose::start();
    let (gateway, _) = with_dead_letters(&firehose, 3);
    firehose.respond_with(|_| Answer::Accept);
    done(&gateway, &["dead-letters", "replay", "--to", "other"]);
    wait_for(PATIENCE, "they have arrived", || {
        firehose.records("other").len() == 3
    });
    wait_for(PATIENCE, "all are counted", || {
        let metrics = Metrics::of(&gateway);
        metrics.records("delivered_total", "archive", "other") == 3.0
            && metrics.add_up("archive", "other")
    });
    assert_eq!(taken(&firehose).len(), 0);
}

#[test]
fn what_is_done_without_a_gateway_holds_for_the_next_one() {
    let firehose = Firehose::start();
    let (mut gateway, _) = with_dead_letters(&firehose, 10);
    firehose.respond_with(|_| Answer::Accept);
    assert!(gateway.terminate().success());
    done(
        &gateway,
        &["dead-letters", "drop", "archive/0", "archive/9"],
    );
    done(
        &gateway,
        &["dead-letters", "replay", "archive/4", "archive/6"],
    );
    assert_eq!(json(&gateway, &["queues"])[0]["queues"][0]["records"], 2);
    gateway.restart();
    wait_for(PATIENCE, "they have arrived", || {
        taken(&firehose).len() >= 2
    });
    assert_eq!(taken(&firehose), ["bad 4", "bad 6"]);
    let left = [1, 2, 3, 5, 7, 8].map(|number| format!("archive/{number}"));
    assert_eq!(ids(&list(&gateway, &[])), left);
}

#[test]
fn without_a_gateway_a_configuration_bounds_what_is_sent_again() {
    let firehose = Firehose::start();
    let (mut gateway, _) = with_dead_letters(&firehose, 10);
    assert!(gateway.terminate().success());
    let config = gateway.folder().join("perennial.toml");
    let text = fs::read_to_string(&config).unwrap();
    let bounded = text.replace("publish_interval", "queue_size = 3, publish_interval");
    fs::write(&config, bounded).unwrap();
    let config = config.to_str().unwrap();
    let stopped = command(&gateway, &["dead-letters", "replay", "--config", config]);
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert_eq!(stopped.stdout, "3 dead letters queued again");
    let told = "archive/3: the queue of local is full";
    assert!(stopped.stderr.contains(told), "{stopped:?}");
    assert_eq!(list(&gateway, &[]).len(), 7);
}

#[test]
fn letters_that_are_gone_stay_gone_after_a_kill_however_many_gaps_they_leave() {
    let firehose = Firehose::start();
    let (mut gateway, payloads) = with_dead_letters(&firehose, 3_000);
    firehose.respond_with(|_| Answer::Accept);
    let letters = list(&gateway, &["--limit", "5000"]);
    let all = ids(&letters);
    assert_eq!(all.len(), 3_000);
    // Every second is gone: more gaps than a store remembers of one queue.
    let (mut dropped, mut sent, mut kept) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, id) in all.iter().enumerate() {
        match at % 4 {
            0 => dropped.push(id.as_str()),
            2 => sent.push(at),
            _ => {
                kept.insert(id.clone());
            }
        }
    }
    done(
        &gateway,
        &[&["dead-letters", "drop"], &dropped[..]].concat(),
    );
    gateway.kill9();
    let left = ids(&list(&gateway, &["--limit", "5000"]));
    assert_eq!(left.len(), 2_250);
    gateway.restart();
    let names: Vec<_> = sent.iter().map(|at| all[*at].as_str()).collect();
    done(
        &gateway,
        &[&["dead-letters", "replay"], &names[..]].concat(),
    );
    gateway.kill9();
    gateway.restart();
    let wanted: BTreeSet<_> = sent.iter().map(|at| payloads[*at].clone()).collect();
    wait_for(PATIENCE, "what was sent again has arrived", || {
        taken(&firehose).into_iter().collect::<BTreeSet<_>>() == wanted
    });
    let left: BTreeSet<_> = ids(&list(&gateway, &["--limit", "5000"]))
        .into_iter()
        .collect();
    assert_eq!(left, kept);
    // Their names lead to what they led to before, and the others to nothing.
    let one = kept.iter().next().unwrap();
    let at = all.iter().position(|id| id == one).unwrap();
    let shown = &json(&gateway, &["dead-letters", "show", one])[0];
    assert_eq!(shown["payload"], *payloads[at]);
    assert_eq!(
        command(&gateway, &["dead-letters", "show", dropped[7]]).code,
        Some(1)
    );
}

#[test]
fn a_kill_in_the_middle_loses_no_record_and_brings_none_back_that_was_gone() {
    let firehose = Firehose::start();
    let (mut gateway, payloads) = with_dead_letters(&firehose, 4_000);
    firehose.respond_with(|_| Answer::Accept);
    // Killed while it works: the command fails or not, as it comes.
    let asked = std::thread::scope(|scope| {
        let replay = scope.spawn(|| command(&gateway, &["dead-letters", "replay"]));
        wait_for(PATIENCE, "some are sent again", || {
            !taken(&firehose).is_empty() || replay.is_finished()
        });
        gateway.send_kill();
        replay.join().unwrap()
    });
    gateway.kill9();
    gateway.restart();
    let left = list(&gateway, &["--limit", "10000"]).len();
    wait_for(PATIENCE, "what is no dead letter has arrived", || {
        let arrived: BTreeSet<_> = taken(&firehose).into_iter().collect();
        arrived.len() + left >= payloads.len()
    });
    if asked.code == Some(0) {
        assert_eq!(left, 0);
    }
    // Those that are left are the ones that have not arrived.
    let arrived: BTreeSet<_> = taken(&firehose).into_iter().collect();
    assert_eq!(arrived.len() + left, payloads.len());
    done(&gateway, &["dead-letters", "replay"]);
    wait_for(PATIENCE, "all have arrived", || {
        let arrived: BTreeSet<_> = taken(&firehose).into_iter().collect();
        arrived.len() == payloads.len()
    });
}

#[test]
fn the_letters_that_are_kept_have_a_bound_and_the_rest_is_counted() {
    let firehose = Firehose::start();
    firehose.respond_with(|_| Answer::resource_not_found("local"));
    let connector = firehose.plain_connector("t/#", "local");
    let bounded = connector.replace("contract =", "dead_letter_records = 5\n contract =");
    let gateway = Gateway::start(&bounded);
    let payloads: Vec<_> = (0..12).map(|number| format!("bad {number}")).collect();
    publish(&gateway, &payloads);
    wait_for(PATIENCE, "all have an end", || {
        let metrics = Metrics::of(&gateway);
        metrics.records("dropped_total", "archive", "local") == 7.0
            && metrics.add_up("archive", "local")
    });
    assert_eq!(list(&gateway, &[]).len(), 5);
    // Room that is made is used again.
    done(
        &gateway,
        &["dead-letters", "drop", "archive/2", "archive/3"],
    );
    publish(&gateway, &payloads[..4]);
    wait_for_letters(&gateway, 5);
}
