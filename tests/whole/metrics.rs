//! Metrics: they add up, and a foreign reader understands them.

use std::{io::Write, process::Stdio};

use perennial_doubles::Answer;

use crate::support::{
    admin::{METRICS, Metrics, ask_tcp, get},
    firehose::Firehose,
    gateway::Gateway,
    python,
    version::Version::V5,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

fn publish(gateway: &Gateway, topic: &str, payloads: &[&str]) {
    let mut device = Wire::connect(gateway.address(), V5, "device");
    for (payload, id) in payloads.iter().zip(1..) {
        let packet = wire::publish(V5, 1, id, topic.as_bytes(), payload.as_bytes());
        device.send(&packet);
        device.expect("PUBACK");
    }
}

#[test]
fn every_accepted_record_is_in_exactly_one_place() {
    let mut firehose = Firehose::start();
    // What is refused whole is halved until the record at fault is alone.
    firehose.respond_with(|_| {
        let refusal = Answer::error(400, "InvalidArgumentException", "it is bad");
        refusal.if_any(|record| record.starts_with(b"bad"))
    });
    let gateway = Gateway::start(&format!(
        "{METRICS}{}",
        firehose.plain_connector("t/#", "local")
    ));
    publish(
        &gateway,
        "t/1",
        &["good 1", "bad 1", "good 2", "bad 2", "good 3"],
    );
    let count = |what| Metrics::of(&gateway).records(what, "archive", "local");
    wait_for(PATIENCE, "all have an end", || {
        count("delivered_total") == 3.0 && count("dead_total") == 2.0
    });
    firehose.stop();
    publish(&gateway, "t/1", &["later 1", "later 2"]);
    wait_for(PATIENCE, "the upstream is known to be away", || {
        let metrics = Metrics::of(&gateway);
        let circuit = "perennial_circuit_open{connector=\"archive\",destination=\"local\"}";
        metrics.value(circuit) == 1.0
    });
    let metrics = Metrics::of(&gateway);
    assert_eq!(metrics.records("accepted_total", "archive", "local"), 7.0);
    assert_eq!(metrics.records("queued", "archive", "local"), 2.0);
    assert!(metrics.add_up("archive", "local"), "{}", metrics.0);
    assert!(metrics.add_up("archive", ""), "{}", metrics.0);
    assert_eq!(
        metrics.value("perennial_dead_letters{connector=\"archive\"}"),
        2.0
    );
    assert!(metrics.value("perennial_dead_letter_bytes{connector=\"archive\"}") > 0.0);
    assert_eq!(
        metrics.value("perennial_broker_messages_received_total"),
        7.0
    );
    assert_eq!(metrics.value("perennial_ready"), 1.0);
    // Over TCP they are the same.
    let answer = ask_tcp(&gateway, &get("/metrics"));
    let line = "perennial_records_accepted_total{connector=\"archive\",destination=\"local\"} 7\n";
    assert!(answer.contains(line), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
}

#[test]
fn the_parser_of_prometheus_reads_every_sample() {
    let firehose = Firehose::start();
    let gateway = Gateway::start(&firehose.plain_connector("t/#", "local"));
    publish(&gateway, "t/1", &["a"]);
    let metrics = Metrics::of(&gateway);
    let mut parser = python::python("metrics.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python of PERENNIAL_TEST_PYTHON starts");
    let mut stdin = parser.stdin.take().expect("a pipe");
    stdin.write_all(metrics.0.as_bytes()).unwrap();
    drop(stdin);
    let parsed = parser.wait_with_output().expect("the parser ends");
    assert!(parsed.status.success());
    let parsed: serde_json::Value = serde_json::from_slice(&parsed.stdout).unwrap();
    let samples = metrics.0.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(parsed["samples"], samples.count());
    assert_eq!(parsed["types"], serde_json::json!(["counter", "gauge"]));
    let destinations = parsed["destinations"].as_array().unwrap();
    assert_eq!(destinations, &["", "local"]);
    assert_eq!(parsed["without_help"], serde_json::json!([]));
}
