//! Credentials expire while records come: they wait, the operator is told once, and a new file
//! ends it.

use std::{fs, path::Path, time::Duration};

use perennial_doubles::Answer;
use serde_json::json;

use super::way::Way;
use crate::support::{
    dead_letters,
    firehose::Firehose,
    gateway::Gateway,
    long::is_long,
    mosquitto::Subscriber,
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// What the operator is told.
const SHUT_OUT: &str = "the upstream lets the gateway not in";

#[test]
fn while_credentials_are_expired_records_wait_and_the_operator_is_told_once_until_there_are_new_ones()
 {
    let firehose = Firehose::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("credentials");
    write_credentials(&file, "AKIDFIRST");
    let mut gateway = gateway_before(&firehose, &file);
    let subscriber = Subscriber::start(gateway.address(), V311, Way::Firehose.status_topic());
    let mut device = Wire::connect(gateway.address(), V311, "device");
    publish(&mut device, 0..20);
    subscriber.wait_for_statuses(20);

    firehose.respond_with(|request| match request.access_key.as_str() {
        "AKIDFIRST" => Answer::expired_token(),
        _ => Answer::Accept,
    });
    publish(&mut device, 20..60);
    firehose.wait_for_requests(firehose.request_count() + 20, PATIENCE);
    publish(&mut device, 60..100);
    assert_eq!(
        subscriber.statuses().len(),
        20,
        "nothing is decided meanwhile"
    );
    let told = lines_with(&gateway, SHUT_OUT);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("ERROR"), "{told:#?}");
    assert!(told[0].contains("ExpiredTokenException"), "{told:#?}");
    if is_long() {
        wait_for(Duration::from_secs(90), "the operator is reminded", || {
            lines_with(&gateway, SHUT_OUT).len() == 2
        });
    }

    write_credentials(&file, "AKIDSECOND");
    let statuses = subscriber.wait_for_statuses(100);
    assert!(statuses.iter().all(|status| status["status"] == "success"));
    let last = firehose.requests().pop().expect("there were requests");
    assert_eq!(last.access_key, "AKIDSECOND");
    wait_for(PATIENCE, "the operator is told that it is over", || {
        lines_with(&gateway, "the upstream takes records again").len() == 1
    });
    assert_eq!(
        lines_with(&gateway, "ERROR").len(),
        if is_long() { 2 } else { 1 }
    );

    assert!(gateway.terminate().success());
    assert_eq!(dead_letters::read_all(&gateway.data_dir(), "firehose"), []);
    assert_eq!(dead_letters::queued(&gateway.data_dir()), 0);
    assert_eq!(firehose.record_count("even"), 100);
}

fn gateway_before(firehose: &Firehose, credentials: &Path) -> Gateway {
    let credentials = format!("credentials_file = {credentials:?},");
    Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        retry = {{ initial = "10ms", max = "50ms" }}
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/even"
        publish_interval = "20ms"
        "#,
        firehose.upstream_parameters_and(&credentials),
    ))
}

/// Writes the file as tools do that rotate keys: beside it, then over it.
fn write_credentials(file: &Path, access_key: &str) {
    let text =
        format!("[default]\naws_access_key_id = {access_key}\naws_secret_access_key = secret\n");
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("the credentials are written");
    fs::rename(beside, file).expect("the credentials are replaced");
}

/// Publishes a request for each of `numbers`, all of which are acknowledged when it returns.
#[track_caller]
fn publish(device: &mut Wire, numbers: std::ops::Range<u16>) {
    for number in numbers {
        let request = json!({"id": number.to_string(), "request": {"data": number.to_string()}});
        let request = request.to_string();
        let topic = b"kinesisfirehose/message";
        device.send(&wire::publish(
            V311,
            1,
            number + 1,
            topic,
            request.as_bytes(),
        ));
        assert_eq!(wire::acknowledged(&device.expect("PUBACK")), number + 1);
    }
}

fn lines_with(gateway: &Gateway, text: &str) -> Vec<String> {
    let stderr = gateway.stderr();
    let lines = stderr.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}
