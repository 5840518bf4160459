//! A service is gone and another takes its place: three lines of the configuration change, the
//! devices are left as they are, and what waited for the old service goes to the new one.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Deserializer, Value, json};

use super::{listener::Listener, way::Way};
use crate::support::{
    firehose::IotAnalytics,
    gateway::{Gateway, quiet_port},
    python::Moto,
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// The connector while its service was there.
const BEFORE: &str = r#"
[[connector]]
name = "analytics"
contract = "iot-analytics"
parameters.publish_interval = "100ms"
parameters.PublishRegion = "us-east-1"
upstream = "iot-analytics"
"#;

/// The line that becomes three.
const OLD: &str = "upstream = \"iot-analytics\"\n";

const TO_FIREHOSE: &str = r#"upstream = "firehose"
upstream_parameters.stream = "iot-${channel}"
upstream_parameters.envelope = "json"
"#;

const TO_S3: &str = r#"upstream = "s3"
upstream_parameters.bucket = "iot-${channel}"
upstream_parameters.envelope = "json"
"#;

#[test]
fn devices_of_iot_analytics_go_on_in_front_of_firehose() {
    devices_go_on_in_front_of(TO_FIREHOSE, "");
}

#[test]
fn devices_of_iot_analytics_go_on_in_front_of_s3() {
    devices_go_on_in_front_of(TO_S3, "upstream_parameters.object_interval = \"1s\"\n");
}

#[test]
fn requests_go_to_the_region_that_the_contract_names() {
    let service = IotAnalytics::start();
    let endpoint = format!("upstream_parameters.endpoint_url = \"{}\"\n", service.url());
    let elsewhere = BEFORE.replace("us-east-1", "eu-central-1");
    let gateway = Gateway::start(&format!("{elsewhere}{endpoint}"));
    let mut device = Wire::connect(gateway.address(), V311, "pump 7");
    publish(&mut device, 1, "messages/put", &request("first"));
    service.wait_for_requests(1, PATIENCE);
    assert_eq!(service.requests()[0].region, "eu-central-1");
}

/// Runs the old configuration without its service and then the one with `new` lines, where
/// `hurry` keeps the test short.
#[track_caller]
fn devices_go_on_in_front_of(new: &str, hurry: &str) {
    let mut moto = Moto::start(&["iot-pumps"]);
    let mut gone = IotAnalytics::start();
    gone.stop();
    let endpoint = |url: &str| format!("upstream_parameters.endpoint_url = \"{url}\"\n");
    let before = format!("{BEFORE}{}", endpoint(&gone.url()));
    let mut gateway = Gateway::start_on(quiet_port(), &before);
    let address = gateway.address();
    let listener = Listener::subscribe(address, &[Way::IotAnalytics]);
    listener.run(address, || {
        let mut device = Wire::connect(address, V311, "pump 7");
        publish(&mut device, 1, "messages/put", &request("first"));
        publish(&mut device, 2, "messages/binary/put", b"\x00\xff");
        assert!(gateway.terminate().success());

        let after = format!("{BEFORE}{}{hurry}", endpoint(moto.url())).replace(OLD, new);
        assert_ne!(after, before);
        gateway.change_config(&after);
        gateway.restart();
        let mut device = Wire::connect(address, V311, "pump 7");
        publish(&mut device, 1, "messages/put", &request("second"));
        wait_for(PATIENCE, "the device hears of each message", || {
            let heard = listener.heard();
            heard
                .values()
                .map(|statuses| statuses.successes)
                .sum::<u32>()
                == 3
        });
    });

    let heard = listener.heard();
    for id in ["first", "second", ""] {
        let statuses = &heard[id];
        assert_eq!(
            (statuses.successes, statuses.failures.len()),
            (1, 0),
            "{id:?}"
        );
    }
    // Bytes go to IoT Analytics in base64, so that is what is in the envelope.
    let binary = STANDARD.encode(b"\x00\xff");
    let mut found = envelopes(&moto.objects("iot-pumps"));
    found.sort_by_key(|envelope| envelope["id"].to_string());
    let wanted = [
        envelope("messages/put", Some("first"), br#"{"bar": 3.2}"#),
        envelope("messages/put", Some("second"), br#"{"bar": 3.2}"#),
        envelope("messages/binary/put", None, binary.as_bytes()),
    ];
    assert_eq!(found, wanted);
}

#[track_caller]
fn publish(device: &mut Wire, packet_id: u16, below: &str, payload: &[u8]) {
    let topic = format!("iotanalytics/channels/pumps/{below}");
    device.send(&wire::publish(
        V311,
        1,
        packet_id,
        topic.as_bytes(),
        payload,
    ));
    assert_eq!(wire::acknowledged(&device.expect("PUBACK")), packet_id);
}

fn request(id: &str) -> Vec<u8> {
    let request = json!({"id": id, "request": {"message": r#"{"bar": 3.2}"#}});
    request.to_string().into_bytes()
}

/// What is in `objects`, without the times.
fn envelopes(objects: &[Vec<u8>]) -> Vec<Value> {
    let documents = objects
        .iter()
        .flat_map(|object| Deserializer::from_slice(object).into_iter::<Value>());
    let without_time = |document: Result<Value, _>| {
        let mut envelope = document.expect("an object holds envelopes");
        let time = envelope
            .as_object_mut()
            .and_then(|keys| keys.remove("time"));
        assert!(time.is_some_and(|time| time.is_string()), "{envelope}");
        envelope
    };
    documents.map(without_time).collect()
}

fn envelope(below: &str, id: Option<&str>, payload: &[u8]) -> Value {
    let mut envelope = json!({
        "channel": "pumps",
        "topic": format!("iotanalytics/channels/pumps/{below}"),
        "client_id": "pump 7",
        "payload_base64": STANDARD.encode(payload),
    });
    if let Some(id) = id {
        envelope["id"] = id.into();
    }
    envelope
}
