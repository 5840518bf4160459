//! Queues at their bound while the upstream is away: what is refused is told, what was
//! taken is delivered.

use std::collections::HashSet;

use serde_json::json;

use crate::support::{
    firehose::Firehose,
    gateway::Gateway,
    mosquitto::Subscriber,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// The fewest records that a queue of the Firehose contract can be given.
const ROOM: u16 = 2_000;

/// A gateway whose Firehose queue takes so many records, and whose plain one takes two.
fn gateway_before(firehose: &Firehose) -> Gateway {
    let upstream = firehose.upstream_parameters();
    Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        upstream_parameters = {upstream}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/local"
        delivery_stream_queue_size = {ROOM}
        publish_interval = "10ms"

        [[connector]]
        name = "plain"
        contract = "plain"
        upstream = "firehose"
        upstream_parameters = {upstream}
        [connector.parameters]
        destination = "plain"
        queue_size = 2
        publish_interval = "10ms"

        [[rule]]
        filter = "plain/#"
        connector = "plain"
        "#
    ))
}

#[test]
fn a_device_of_the_firehose_contract_hears_which_request_found_no_room() {
    let mut firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(gateway.address(), V311, "kinesisfirehose/message/status");
    firehose.stop();

    let mut device = Wire::connect(gateway.address(), V311, "device");
    let ids = 1..=ROOM + 1;
    for id in ids.clone() {
        let request = json!({"id": id.to_string(), "request": {"data": format!("record {id}")}});
        let topic = b"kinesisfirehose/message";
        device.send(&wire::publish(
            V311,
            1,
            id,
            topic,
            request.to_string().as_bytes(),
        ));
    }
    for id in ids {
        assert_eq!(wire::acknowledged(&device.expect("PUBACK")), id);
    }
    let status = &subscriber.wait_for_statuses(1)[0];
    assert_eq!(status["id"], (ROOM + 1).to_string());
    assert_eq!(status["ErrorCode"], "LimitExceededException");

    firehose.restart();
    // The batches of a backlog are sent side by side.
    let taken: HashSet<String> = (1..=ROOM).map(|id| id.to_string()).collect();
    let statuses = subscriber.wait_for_statuses(1 + usize::from(ROOM));
    let delivered = statuses[1..].iter().map(|status| {
        assert_eq!(status["status"], "success");
        status["id"].as_str().expect("an id").to_owned()
    });
    assert_eq!(delivered.collect::<HashSet<_>>(), taken);
    let records: HashSet<_> = firehose.records("local").into_iter().collect();
    assert!(
        taken
            .iter()
            .all(|id| records.contains(format!("record {id}").as_bytes()))
    );
    assert_eq!(records.len(), taken.len());
}

#[test]
fn without_statuses_the_publish_itself_is_refused() {
    let mut firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    firehose.stop();

    let mut device = Wire::connect(gateway.address(), V5, "device");
    for id in 1..=2 {
        device.send(&wire::publish(V5, 1, id, b"plain/1", b"taken"));
        assert_eq!(device.expect("PUBACK").body, [0, id as u8]);
    }
    device.send(&wire::publish(V5, 1, 3, b"plain/1", b"refused"));
    assert_eq!(device.expect("PUBACK").body, [0, 3, 0x97]);
    device.send(&wire::publish(V5, 2, 4, b"plain/1", b"refused"));
    let refusal = device.expect("PUBREC");
    assert_eq!(
        (refusal.first, refusal.body.as_slice()),
        (0x50, &[0, 4, 0x97][..])
    );
    device.send(&wire::publish(V5, 1, 5, b"elsewhere", b"not for a rule"));
    assert_eq!(device.expect("PUBACK").body, [0, 5]);

    // MQTT 3.1.1 has no refusal but the end; at QoS 0 nobody waits for an answer.
    let mut device = Wire::connect(gateway.address(), V311, "older");
    device.send(&wire::publish(V311, 0, 0, b"plain/1", b"dropped"));
    device.send(&wire::publish(V311, 1, 1, b"elsewhere", b"not for a rule"));
    assert_eq!(device.expect("PUBACK").body, [0, 1]);
    device.send(&wire::publish(V311, 1, 2, b"plain/1", b"refused"));
    assert_eq!(device.receive(), None);

    firehose.restart();
    wait_for(PATIENCE, "what was taken is delivered", || {
        firehose.records("plain").len() >= 2
    });
    assert_eq!(firehose.records("plain"), ["taken", "taken"]);
    assert!(
        gateway.stderr().contains("publishes are rejected"),
        "{}",
        gateway.stderr()
    );
}
