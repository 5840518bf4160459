//! Requests that break the Firehose contract: answered, and not queued.

use perennial_doubles::Answer;
use serde_json::{Value, json};

use crate::support::{
    firehose::Firehose,
    gateway::Gateway,
    mosquitto::{self, Subscriber},
    version::Version,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

const TOPIC: &str = "kinesisfirehose/message";

/// A request, the id in its status, the error code and what its message names.
type Case = (
    &'static [u8],
    &'static str,
    &'static str,
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (b"", "", "SerializationException", &["not JSON"]),
    (b"hello", "", "SerializationException", &["not JSON"]),
    (br#"{"request": {"data": "cut"#, "", "SerializationException", &["not JSON"]),
    (b"{\"request\": {\"data\": \"\xff\"}}", "", "SerializationException", &["not JSON"]),
    (br#"{"request": {"data": "a"}} {}"#, "", "SerializationException", &["not JSON"]),
    (b"[]", "", "InvalidArgumentException", &["array"]),
    (b"7", "", "InvalidArgumentException", &["number"]),
    (b"{}", "", "InvalidArgumentException", &["request", "missing"]),
    (br#"{"id": "a"}"#, "a", "InvalidArgumentException", &["request", "missing"]),
    (br#"{"id": "b", "request": "data"}"#, "b", "InvalidArgumentException", &["request", "string"]),
    (br#"{"id": "c", "request": {}}"#, "c", "InvalidArgumentException", &["data", "missing"]),
    (br#"{"id": "d", "request": {"data": 7}}"#, "d", "InvalidArgumentException", &["data", "number"]),
    (
        br#"{"id": "e", "request": {"data": {"t": 1}}}"#,
        "e",
        "InvalidArgumentException",
        &["data", "object"],
    ),
    (br#"{"id": 7, "request": {"data": "a"}}"#, "", "InvalidArgumentException", &["id", "number"]),
    (
        br#"{"id": "f", "request": {"data": "a", "delivery_stream_arn": "local"}}"#,
        "f",
        "InvalidArgumentException",
        &["delivery_stream_arn", "local", "arn:aws:firehose:"],
    ),
    (
        br#"{"id": "g", "request": {"data": "a",
            "delivery_stream_arn": "arn:aws:kinesis:us-east-1:123456789012:stream/a"}}"#,
        "g",
        "InvalidArgumentException",
        &["delivery_stream_arn", "kinesis", "firehose"],
    ),
    (
        br#"{"id": "h", "request": {"data": "a",
            "delivery_stream_arn": "arn:aws:firehose:us-east-1.evil.example/:123456789012:deliverystream/a"}}"#,
        "h",
        "InvalidArgumentException",
        &["delivery_stream_arn", "evil.example"],
    ),
    (
        br#"{"id": "i", "request": {"data": "a", "delivery_stream_arn": 7}}"#,
        "i",
        "InvalidArgumentException",
        &["delivery_stream_arn", "number"],
    ),
];

fn gateway_before(firehose: &Firehose) -> Gateway {
    Gateway::start(&format!(
        r#"
        [limits]
        max_packet_size = "2MiB"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/local"
        publish_interval = "10ms"
        "#,
        firehose.upstream_parameters()
    ))
}

#[track_caller]
fn assert_fail(status: &Value, id: &str, code: &str, message: &[&str]) {
    let text = status["ErrorMessage"].as_str().expect("a message");
    let wanted = json!({"ErrorCode": code, "ErrorMessage": text, "id": id, "status": "fail"});
    assert_eq!(*status, wanted);
    for part in message {
        assert!(text.contains(part), "{text:?} says nothing of {part:?}");
    }
}

#[test]
fn every_malformed_request_gets_a_status_that_says_what_is_wrong_and_nothing_is_delivered() {
    let firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(
        gateway.address(),
        Version::V311,
        "kinesisfirehose/message/status",
    );

    for (number, (request, id, code, message)) in CASES.iter().enumerate() {
        publish(&gateway, request);
        let statuses = subscriber.wait_for_statuses(number + 1);
        assert_eq!(statuses.len(), number + 1, "one status for a request");
        assert_fail(&statuses[number], id, code, message);
    }

    // What comes behind them arrives, and it alone.
    publish(&gateway, br#"{"id": "last", "request": {"data": "good"}}"#);
    let status = &subscriber.wait_for_statuses(CASES.len() + 1)[CASES.len()];
    assert_eq!(
        (&status["status"], &status["id"]),
        (&json!("success"), &json!("last"))
    );
    assert_eq!(firehose.records("local"), ["good"]);
    assert_eq!(firehose.requests().len(), 1);
}

#[test]
fn a_record_larger_than_the_service_takes_is_refused_on_arrival() {
    let firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(
        gateway.address(),
        Version::V5,
        "kinesisfirehose/message/status",
    );
    let binary = |id: &str, size: usize| {
        let topic = format!("{TOPIC}/binary/{id}");
        mosquitto::publish(gateway.address(), Version::V5, &topic, &vec![b'x'; size]);
    };

    binary("too-large", 1_024_001);
    assert_fail(
        &subscriber.wait_for_statuses(1)[0],
        "too-large",
        "InvalidArgumentException",
        &["1024001", "1024000"],
    );
    binary("largest", 1_024_000);
    assert_eq!(subscriber.wait_for_statuses(2)[1]["status"], "success");
    let sizes: Vec<_> = firehose
        .records("local")
        .iter()
        .map(|record| record.len())
        .collect();
    assert_eq!(sizes, [1_024_000]);
}

#[test]
fn a_device_that_names_ever_new_streams_is_refused_at_the_bound() {
    let firehose = Firehose::start();
    firehose.respond_with(|_| Answer::access_denied());
    let gateway = Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        max_destinations = 3
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/local"
        "#,
        firehose.upstream_parameters()
    ));
    let subscriber = Subscriber::start(
        gateway.address(),
        Version::V311,
        "kinesisfirehose/message/status",
    );
    for stream in 0..5 {
        let arn = format!("arn:aws:firehose:us-east-1:123456789012:deliverystream/s{stream}");
        let request = json!({"id": stream.to_string(),
            "request": {"data": "a", "delivery_stream_arn": arn}});
        publish(&gateway, request.to_string().as_bytes());
    }
    let statuses = subscriber.wait_for_statuses(2);
    let ids: Vec<_> = statuses
        .iter()
        .map(|status| status["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["3", "4"],
        "three streams have their queues: {statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| status["status"] == "fail"),
        "{statuses:?}"
    );
    // The three that were taken are tried.
    firehose.wait_for_requests(3, PATIENCE);
}

#[test]
fn a_client_identifier_writes_no_lines_of_its_own_into_the_log() {
    let firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    let forger = "forger\n2026-11-21T00:00:00Z  INFO perennial: all is well \u{1b}[31m";
    let mut wire = Wire::connect(gateway.address(), Version::V311, forger);
    let request = wire::publish(Version::V311, 1, 1, TOPIC.as_bytes(), b"no request");
    wire.send(&request);
    assert_eq!(wire.expect("PUBACK").first, 0x40);
    wait_for(PATIENCE, "the log names the client", || {
        gateway.stderr().contains("all is well")
    });
    let log = gateway.stderr();
    assert!(
        !log.contains('\u{1b}') && !log.contains("\n2026-11-21T00:00:00Z"),
        "{log}"
    );
}

fn publish(gateway: &Gateway, request: &[u8]) {
    if request.is_empty() {
        // mosquitto_pub takes an empty input for no message.
        let mut wire = Wire::connect(gateway.address(), Version::V311, "empty");
        wire.send(&wire::publish(Version::V311, 1, 1, TOPIC.as_bytes(), b""));
        assert_eq!(wire.expect("PUBACK").first, 0x40);
    } else {
        mosquitto::publish(gateway.address(), Version::V311, TOPIC, request);
    }
}
