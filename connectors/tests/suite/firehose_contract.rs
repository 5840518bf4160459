//! The Firehose contract: requests, statuses and parameters, to the byte.

use std::time::Duration;

use perennial_connectors::{Accepted, Contract, Outcome, Publish, Rejection, Report, Status};
use perennial_rules::TopicName;
use serde_json::{Value, json};

use crate::support::{ARN, build_contract, contract_problems};

const OTHER_ARN: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/stream2-name";
const MESSAGE: &str = "kinesisfirehose/message";

fn firehose() -> Box<dyn Contract> {
    build_contract("firehose", json!({"default_delivery_stream_arn": ARN}))
}

/// Destination, id and payload of a publish that is accepted.
fn accept(topic: &str, payload: impl AsRef<[u8]>) -> Result<(String, String, Vec<u8>), Rejection> {
    let topic = TopicName::parse(topic).unwrap();
    let contract = firehose();
    let publish = Publish {
        topic: &topic,
        payload: payload.as_ref(),
    };
    contract.accept(&publish).map(|accepted: Accepted<'_>| {
        (
            accepted.destination.into_owned(),
            accepted.id.into_owned(),
            accepted.payload.into_owned(),
        )
    })
}

#[track_caller]
fn assert_rejected(payload: impl AsRef<[u8]>, id: &str, code: &str, message_parts: &[&str]) {
    let rejection = accept(MESSAGE, payload).unwrap_err();
    assert_eq!(
        (rejection.id.as_str(), rejection.code.as_str()),
        (id, code),
        "{rejection:?}"
    );
    for part in message_parts {
        assert!(
            rejection.message.contains(part),
            "{rejection:?} lacks {part:?}"
        );
    }
}

#[test]
fn devices_publish_to_the_topics_of_v1() {
    let filters: Vec<_> = firehose()
        .filters()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        filters,
        [
            "kinesisfirehose/message",
            "kinesisfirehose/message/binary/#"
        ]
    );
    assert_eq!(firehose().default_destination(), Some(ARN));
}

#[test]
fn a_request_with_all_fields_names_stream_id_and_data() {
    let payload = json!({
        "request": {"delivery_stream_arn": OTHER_ARN, "data": "Data to send."},
        "id": "request123",
    });
    assert_eq!(
        accept(MESSAGE, payload.to_string()).unwrap(),
        (
            OTHER_ARN.to_owned(),
            "request123".to_owned(),
            b"Data to send.".to_vec()
        )
    );
}

#[test]
fn a_request_may_leave_out_stream_and_id() {
    for payload in [
        r#"{"request":{"data":"d"}}"#,
        r#"{"request":{"data":"d"},"id":""}"#,
        r#"{"request":{"data":"d","delivery_stream_arn":null},"id":null}"#,
        r#" { "extra" : [1, {"a": null}], "request" : { "more" : {}, "data" : "d" } } "#,
    ] {
        assert_eq!(
            accept(MESSAGE, payload).unwrap(),
            (ARN.to_owned(), String::new(), b"d".to_vec()),
            "{payload}"
        );
    }
}

#[test]
fn data_is_the_text_in_utf_8() {
    for (payload, data) in [
        (r#"{"request":{"data":""}}"#, ""),
        (
            r#"{"request":{"data":"{\"temp\": 23.33}\n"}}"#,
            "{\"temp\": 23.33}\n",
        ),
        (
            r#"{"request":{"data":"\u00e9\ud83d\ude00\u0000"}}"#,
            "é😀\0",
        ),
        ("{\"request\":{\"data\":\"é😀\"}}", "é😀"),
    ] {
        assert_eq!(
            accept(MESSAGE, payload).unwrap().2,
            data.as_bytes(),
            "{payload}"
        );
    }
}

#[test]
fn a_binary_publish_is_taken_as_it_is_with_the_id_from_its_topic() {
    for (topic, id) in [
        ("kinesisfirehose/message/binary/request123", "request123"),
        ("kinesisfirehose/message/binary/a/b", "a/b"),
        ("kinesisfirehose/message/binary/", ""),
        ("kinesisfirehose/message/binary", ""),
        ("plant/7/binary/x", "x"),
    ] {
        for payload in [
            b"\xff\x00\n".as_slice(),
            b"",
            br#"{"request":{"data":"d"}}"#,
        ] {
            assert_eq!(
                accept(topic, payload).unwrap(),
                (ARN.to_owned(), id.to_owned(), payload.to_vec()),
                "{topic}"
            );
        }
    }
}

#[test]
fn other_topics_carry_json_requests() {
    let accepted = accept("plant/7/firehose", r#"{"request":{"data":"d"},"id":"1"}"#).unwrap();
    assert_eq!(accepted, (ARN.to_owned(), "1".to_owned(), b"d".to_vec()));
    assert!(accept("plant/7/firehose", "raw").is_err());
}

#[test]
fn what_is_not_json_is_rejected() {
    for payload in [
        b"".as_slice(),
        b"hello",
        b"{\"request\":{\"data\":\"d\"}",
        b"{\"request\":{\"data\":\"d\"}} trailing",
        b"{\"request\":{\"data\":\"\xff\"}}",
        br#"{"request":{"data":"\ud800"}}"#,
    ] {
        assert_rejected(
            payload,
            "",
            "SerializationException",
            &["the payload is not JSON", "\"request\""],
        );
    }
    let deep = "[".repeat(100_000);
    assert_rejected(&deep, "", "SerializationException", &["not JSON"]);
}

#[test]
fn what_is_json_of_another_shape_is_rejected_and_says_what_was_found() {
    const INVALID: &str = "InvalidArgumentException";
    for (payload, id, message) in [
        ("[]", "", "the payload is an array"),
        ("\"text\"", "", "the payload is a string"),
        ("7", "", "the payload is a number"),
        ("{}", "", "\"request\" is missing"),
        (r#"{"id":"1"}"#, "1", "\"request\" is missing"),
        (
            r#"{"id":"1","request":"text"}"#,
            "1",
            "\"request\" is a string",
        ),
        (
            r#"{"request":[1],"id":"1"}"#,
            "1",
            "\"request\" is an array",
        ),
        (
            r#"{"request":{},"id":"1"}"#,
            "1",
            "\"request.data\" is missing",
        ),
        (
            r#"{"request":{"data":null},"id":"1"}"#,
            "1",
            "\"request.data\" is missing",
        ),
        (
            r#"{"request":{"data":{"t":1}},"id":"1"}"#,
            "1",
            "\"request.data\" is an object",
        ),
        (
            r#"{"request":{"data":[1,2]},"id":"1"}"#,
            "1",
            "\"request.data\" is an array",
        ),
        (
            r#"{"request":{"data":-1},"id":"1"}"#,
            "1",
            "\"request.data\" is a number",
        ),
        (
            r#"{"request":{"data":1.5e300},"id":"1"}"#,
            "1",
            "\"request.data\" is a number",
        ),
        (
            r#"{"request":{"data":true},"id":"1"}"#,
            "1",
            "\"request.data\" is a boolean",
        ),
        (
            r#"{"request":{"data":"d"},"id":7}"#,
            "",
            "\"id\" is a number",
        ),
        (
            r#"{"request":{"data":"d"},"id":{}}"#,
            "",
            "\"id\" is an object",
        ),
        (
            r#"{"request":{"data":"d","delivery_stream_arn":7},"id":"1"}"#,
            "1",
            "\"request.delivery_stream_arn\" is a number",
        ),
    ] {
        assert_rejected(payload, id, INVALID, &[message]);
    }
}

#[test]
fn an_invalid_stream_is_rejected_and_says_what_was_found() {
    for (arn, message) in [
        ("", "it begins with \"\""),
        ("stream2", "it begins with \"stream2\""),
        (
            "arn:aws:firehose:region:123456789012:deliverystream/s",
            "its region is \"region\"",
        ),
    ] {
        let payload = json!({"request": {"data": "d", "delivery_stream_arn": arn}, "id": "1"});
        assert_rejected(
            payload.to_string(),
            "1",
            "InvalidArgumentException",
            &["\"request.delivery_stream_arn\"", message],
        );
    }
}

#[test]
fn a_rejection_is_told_on_the_status_topic() {
    let rejection = accept(MESSAGE, r#"{"request":{},"id":"re\"q"}"#).unwrap_err();
    let status = firehose().rejected(&rejection).unwrap();
    assert_eq!(status.topic.as_str(), "kinesisfirehose/message/status");
    assert_eq!(
        status.payload,
        concat!(
            r#"{"response":[{"ErrorCode":"InvalidArgumentException","ErrorMessage":"#,
            r#""\"request.data\" is missing; it is a string, and JSON goes into it as text","#,
            r#""id":"re\"q","status":"fail"}]}"#
        )
    );
}

#[test]
fn rejections_around_the_contract_have_their_words() {
    let too_large = Rejection::too_large("1", 1_024_001, 1_024_000);
    assert_eq!(too_large.code, "InvalidArgumentException");
    assert_eq!(
        too_large.message,
        "the record has 1024001 bytes; the destination takes at most 1024000 bytes in one record"
    );
    let full = Rejection::queue_full("1", ARN, 5_000);
    assert_eq!(full.code, "LimitExceededException");
    assert_eq!(
        full.message,
        format!("5000 records wait for {ARN} and no more are taken; send it again later")
    );
}

#[test]
fn a_status_lists_the_final_outcomes_in_order_with_the_keys_of_v1() {
    let outcomes = [
        rejected("error", "test error"),
        retry(),
        delivered(Some("xyz2")),
        delivered(None),
    ];
    let ids = ["request123", "request200", "request456", ""];
    assert_eq!(
        settle(&ids, &outcomes),
        [concat!(
            r#"{"response":[{"ErrorCode":"error","ErrorMessage":"test error","id":"request123","status":"fail"},"#,
            r#"{"firehose_record_id":"xyz2","id":"request456","status":"success"},"#,
            r#"{"firehose_record_id":"","id":"","status":"success"}]}"#
        )]
    );
}

#[test]
fn there_is_no_status_when_nothing_is_final() {
    assert_eq!(settle(&[], &[]), Vec::<String>::new());
    assert_eq!(
        settle(&["1", "2"], &[retry(), retry()]),
        Vec::<String>::new()
    );
}

#[test]
fn a_list_longer_than_an_aws_iot_message_becomes_several() {
    let receipt = "r".repeat(224);
    let ids: Vec<String> = (0..2_000)
        .map(|number| format!("request{number}"))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let documents = settle(&ids, &vec![delivered(Some(&receipt)); ids.len()]);
    assert!((4..=6).contains(&documents.len()), "{}", documents.len());
    assert!(
        documents
            .iter()
            .all(|document| document.len() <= 128 * 1024)
    );
    let listed: Vec<String> = documents
        .iter()
        .flat_map(|document| {
            let document: Value = serde_json::from_str(document).unwrap();
            let entries = document["response"].as_array().unwrap().clone();
            entries
                .into_iter()
                .map(|entry| entry["id"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(listed, ids);
}

#[test]
fn an_entry_longer_than_an_aws_iot_message_stands_alone() {
    let long = "i".repeat(200_000);
    let documents = settle(
        &["a", &long, "b"],
        &[delivered(None), delivered(None), delivered(None)],
    );
    let lengths: Vec<_> = documents
        .iter()
        .map(|document| document.len() > 128 * 1024)
        .collect();
    assert_eq!(lengths, [false, true, false]);
    for document in documents {
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["response"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn its_queue_is_set_by_the_parameters_of_v1() {
    assert_eq!(firehose().delivery().linger, Duration::from_secs(1));
    assert_eq!(firehose().delivery().queue_records, 1_000_000);
    let contract = build_contract(
        "firehose",
        json!({
            "default_delivery_stream_arn": ARN,
            "publish_interval": 900,
            "delivery_stream_queue_size": 5_000,
        }),
    );
    assert_eq!(contract.delivery().linger, Duration::from_secs(900));
    assert_eq!(contract.delivery().queue_records, 5_000);
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        contract_problems(
            "firehose",
            json!({"publish_interval": 901, "delivery_stream_queue_size": 0})
        ),
        [
            "publish_interval: 901 is not a time in 0ns..=900s",
            "delivery_stream_queue_size: 0 is not a number in 1..=1000000000",
            "default_delivery_stream_arn is needed: default_delivery_stream_arn = \
             \"arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream\"",
        ]
    );
    assert_eq!(
        contract_problems(
            "firehose",
            json!({"default_delivery_stream_arn": "arn:aws:firehose:us-east-1:12:deliverystream/a"})
        ),
        ["default_delivery_stream_arn: \
          \"arn:aws:firehose:us-east-1:12:deliverystream/a\" is not a delivery stream: \
          its account is \"12\"; it has twelve digits, \
          as in arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream"]
    );
}

fn settle(ids: &[&str], outcomes: &[Outcome]) -> Vec<String> {
    let reports: Vec<_> = ids
        .iter()
        .zip(outcomes)
        .map(|(id, outcome)| Report { id, outcome })
        .collect();
    let statuses = firehose().settled(&reports);
    let text = |status: Status| {
        assert_eq!(status.topic.as_str(), "kinesisfirehose/message/status");
        String::from_utf8(status.payload.to_vec()).unwrap()
    };
    statuses.into_iter().map(text).collect()
}

fn delivered(receipt: Option<&str>) -> Outcome {
    Outcome::Delivered {
        receipt: receipt.map(str::to_owned),
    }
}

fn rejected(code: &str, message: &str) -> Outcome {
    Outcome::Rejected {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn retry() -> Outcome {
    Outcome::Retry {
        code: "ServiceUnavailableException".to_owned(),
        message: "Slow down.".to_owned(),
    }
}
