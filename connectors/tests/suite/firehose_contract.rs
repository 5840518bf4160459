//! The Firehose contract: requests, statuses and parameters, to the byte.

mod parameters;
mod statuses;

use perennial_connectors::{Accepted, Contract, Publish, Rejection};
use perennial_rules::TopicName;
use serde_json::{Value, json};

use crate::support::{ARN, build_contract};

const OTHER_ARN: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/stream2-name";
const MESSAGE: &str = "kinesisfirehose/message";

fn firehose() -> Box<dyn Contract> {
    firehose_with(json!({}))
}

/// The contract with `more` than the parameter that it needs.
fn firehose_with(more: Value) -> Box<dyn Contract> {
    let mut parameters = json!({"default_delivery_stream_arn": ARN});
    for (key, value) in more.as_object().expect("parameters are an object") {
        parameters[key] = value.clone();
    }
    build_contract("firehose", parameters)
}

/// Destination, id and payload of a publish that is accepted.
fn accept(topic: &str, payload: impl AsRef<[u8]>) -> Result<(String, String, Vec<u8>), Rejection> {
    accept_by(&*firehose(), topic, payload)
}

fn accept_by(
    contract: &dyn Contract,
    topic: &str,
    payload: impl AsRef<[u8]>,
) -> Result<(String, String, Vec<u8>), Rejection> {
    let topic = TopicName::parse(topic).unwrap();
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
fn what_is_nested_deeply_is_read_like_anything_else() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let ignored = format!(r#"{{"more":{open}{close},"request":{{"data":"d"}}}}"#);
    assert_eq!(accept(MESSAGE, ignored).unwrap().2, b"d");
    let deep = format!(r#"{{"id":"1","request":{{"data":{open}{close}}}}}"#);
    let found = "\"request.data\" is an array";
    assert_rejected(&deep, "1", "InvalidArgumentException", &[found]);
    let deep = format!(
        r#"{{"id":"1","request":{{"data":{}1{}}}}}"#,
        r#"{"a":"#.repeat(50_000),
        "}".repeat(50_000)
    );
    let found = "\"request.data\" is an object";
    assert_rejected(&deep, "1", "InvalidArgumentException", &[found]);
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
