//! A publish becomes an object in S3, through the Firehose of the moto server.

use serde_json::json;

use crate::support::{
    gateway::Gateway,
    mosquitto::{self, Subscriber},
    python::Moto,
    version::Version,
    wait::{PATIENCE, wait_for},
};

const STATUS: &str = "kinesisfirehose/message/status";

fn gateway_before(moto: &Moto) -> Gateway {
    Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/first"
        publish_interval = "50ms"
        [connector.upstream_parameters]
        endpoint_url = "{}"
        region = "us-east-1"
        "#,
        moto.url()
    ))
}

/// Checks the success status of the device's request `id`, and returns the record's id.
#[track_caller]
fn assert_success(status: &serde_json::Value, id: &str) -> String {
    let record_id = status["firehose_record_id"]
        .as_str()
        .expect("a record id")
        .to_owned();
    let wanted = json!({"firehose_record_id": record_id, "id": id, "status": "success"});
    assert_eq!(*status, wanted);
    assert!(!record_id.is_empty());
    record_id
}

#[test]
fn a_json_publish_becomes_an_object_in_s3_and_its_status_names_it() {
    let mut moto = Moto::start(&["first"]);
    let gateway = gateway_before(&moto);
    let subscriber = Subscriber::start(gateway.address(), Version::V311, STATUS);

    let request = br#"{"request": {"data": "Data for the stream: \u00e9"}, "id": "request123"}"#;
    mosquitto::publish(
        gateway.address(),
        Version::V311,
        "kinesisfirehose/message",
        request,
    );

    assert_success(&subscriber.wait_for_statuses(1)[0], "request123");
    assert_eq!(moto.objects("first"), ["Data for the stream: é".as_bytes()]);
    assert_eq!(subscriber.statuses().len(), 1);
}

#[test]
fn raw_bytes_become_an_object_in_s3_as_they_are_and_the_topic_names_the_request() {
    let mut moto = Moto::start(&["first"]);
    let gateway = gateway_before(&moto);
    let subscriber = Subscriber::start(gateway.address(), Version::V5, STATUS);

    let bytes: Vec<u8> = (0..=255).collect();
    let topic = "kinesisfirehose/message/binary/request/45 6";
    mosquitto::publish(gateway.address(), Version::V5, topic, &bytes);

    assert_success(&subscriber.wait_for_statuses(1)[0], "request/45 6");
    assert_eq!(moto.objects("first"), [bytes]);
}

#[test]
fn a_request_that_names_another_delivery_stream_goes_there_and_nowhere_else() {
    let mut moto = Moto::start(&["first", "second"]);
    let gateway = gateway_before(&moto);
    let subscriber = Subscriber::start(gateway.address(), Version::V31, STATUS);

    let arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/second";
    let request =
        json!({"request": {"data": "elsewhere", "delivery_stream_arn": arn}, "id": "other"});
    let request = request.to_string();
    mosquitto::publish(
        gateway.address(),
        Version::V31,
        "kinesisfirehose/message",
        request.as_bytes(),
    );

    assert_success(&subscriber.wait_for_statuses(1)[0], "other");
    assert_eq!(moto.objects("second"), [b"elsewhere"]);
    assert_eq!(moto.objects("first"), [[0_u8; 0]; 0]);
}

#[test]
fn a_batch_of_requests_is_answered_one_by_one_each_with_a_record_id_of_its_own() {
    let mut moto = Moto::start(&["first"]);
    let gateway = gateway_before(&moto);
    let subscriber = Subscriber::start(gateway.address(), Version::V5, STATUS);

    let requests: Vec<_> = (0..200)
        .map(|n| json!({"request": {"data": format!("<{n}>")}, "id": n.to_string()}).to_string())
        .collect();
    let requests: Vec<_> = requests.iter().map(String::as_str).collect();
    mosquitto::publish_lines(
        gateway.address(),
        Version::V5,
        "kinesisfirehose/message",
        &requests,
    );

    let statuses = subscriber.wait_for_statuses(requests.len());
    let mut record_ids: Vec<_> = (0..200)
        .map(|n| {
            let id = n.to_string();
            let of_request: Vec<_> = statuses
                .iter()
                .filter(|status| status["id"] == id)
                .collect();
            assert_eq!(of_request.len(), 1, "statuses of request {n}");
            assert_success(of_request[0], &id)
        })
        .collect();
    record_ids.sort();
    record_ids.dedup();
    assert_eq!(record_ids.len(), requests.len());

    let mut found = Vec::new();
    wait_for(PATIENCE, "the objects hold every record", || {
        let objects = moto.objects("first").concat();
        found = String::from_utf8(objects)
            .unwrap()
            .split_inclusive('>')
            .map(str::to_owned)
            .collect();
        found.len() >= requests.len()
    });
    found.sort();
    let mut wanted: Vec<_> = (0..200).map(|n| format!("<{n}>")).collect();
    wanted.sort();
    assert_eq!(found, wanted);
}
