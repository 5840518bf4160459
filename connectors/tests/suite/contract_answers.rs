//! What every contract with statuses does, whatever is published to it.

use perennial_connectors::{Contract, Publish};
use perennial_rules::TopicName;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{ARN, build_contract};

const PUT: &str = "iotanalytics/channels/my_channel/messages/put";
const BINARY: &str = "iotanalytics/channels/my_channel/messages/binary/put";

/// Payloads that are nearly a request.
fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(":".to_owned()),
        Just(",".to_owned()),
        Just("null".to_owned()),
        Just("\"request\"".to_owned()),
        Just("\"request\":{\"message\":\"m\"}".to_owned()),
        Just("\"message\"".to_owned()),
        Just("\"data\"".to_owned()),
        Just("\"delivery_stream_arn\":".to_owned()),
        Just("\"id\":".to_owned()),
        Just("\\u00".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| json!(text).to_string()),
        any::<String>(),
    ];
    prop_oneof![
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

/// The contracts that answer, in each of their forms.
fn that_answer() -> [Box<dyn Contract>; 4] {
    [
        build_contract("iot-analytics", json!({})),
        build_contract(
            "iot-analytics",
            json!({"binary_encoding": "raw", "default_channel_name": "others"}),
        ),
        build_contract(
            "firehose",
            json!({"default_delivery_stream_arn": ARN, "allowed_delivery_streams": []}),
        ),
        build_contract(
            "firehose",
            json!({"default_delivery_stream_arn": ARN, "status_format": 1}),
        ),
    ]
}

/// The id in a status, of whatever form.
fn id_of(status: &[u8]) -> Option<String> {
    let status: Value = serde_json::from_slice(status).unwrap();
    let entry = match &status["response"] {
        Value::Array(entries) => &entries[0],
        _ => &status,
    };
    entry["id"].as_str().map(str::to_owned)
}

proptest! {
    #[test]
    fn whatever_is_published_is_a_record_or_is_answered(
        topic in prop_oneof![
            Just(PUT.to_owned()),
            Just(BINARY.to_owned()),
            Just("kinesisfirehose/message".to_owned()),
            "iotanalytics/channels/[a_é]{0,3}/messages(/binary)?/put",
            "\\PC{1,40}",
        ],
        payload in nearly_requests(),
    ) {
        let Ok(topic) = TopicName::parse(topic) else {
            return Ok(());
        };
        for contract in that_answer() {
            let publish = Publish { topic: &topic, payload: &payload };
            if let Err(rejection) = contract.accept(&publish) {
                let status = contract.rejected(&rejection).unwrap();
                let id = id_of(&status.payload).unwrap_or_default();
                prop_assert_eq!(id, rejection.id);
            }
        }
    }

    #[test]
    fn a_request_that_is_rejected_is_answered_with_its_id(
        id in any::<String>(),
        wrong in prop_oneof![
            Just(json!({"x": 1})),
            Just(json!("text")),
            Just(json!({"message": 7, "data": 7})),
            Just(Value::Null),
            any::<String>().prop_map(|arn| json!({"data": "d", "delivery_stream_arn": arn})),
        ],
    ) {
        let topic = TopicName::parse(PUT).unwrap();
        let payload = json!({"id": id, "request": wrong}).to_string();
        for contract in that_answer() {
            let publish = Publish { topic: &topic, payload: payload.as_bytes() };
            let rejection = contract.accept(&publish).unwrap_err();
            let status = contract.rejected(&rejection).unwrap();
            prop_assert_eq!(id_of(&status.payload).unwrap_or_default(), id.clone());
        }
    }
}
