//! The IoT Analytics contract: requests, raw messages and statuses, to the byte.

use std::{collections::HashSet, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use perennial_connectors::{
    AfterFailure, Contract, DeliverySettings, DuplicateIds, Outcome, Publish, Rejection, Report,
    WhenFull,
};
use perennial_rules::TopicName;
use serde_json::{Value, json};

use crate::support::{build_contract, contract_problems};

const PUT: &str = "iotanalytics/channels/my_channel/messages/put";
const BINARY: &str = "iotanalytics/channels/my_channel/messages/binary/put";
const STATUS: &str = "iotanalytics/messages/put/status";

/// The quota of one message.
const MAX: usize = 131_072;

fn iot_analytics(parameters: Value) -> Box<dyn Contract> {
    build_contract("iot-analytics", parameters)
}

/// Channel, id and payload of a publish that is accepted.
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
    let accepted = contract.accept(&publish)?;
    Ok((
        accepted.destination.into_owned(),
        accepted.id.into_owned(),
        accepted.payload.into_owned(),
    ))
}

fn accept(topic: &str, payload: impl AsRef<[u8]>) -> Result<(String, String, Vec<u8>), Rejection> {
    accept_by(&*iot_analytics(json!({})), topic, payload)
}

/// That a publish is rejected with `id`, and what the device reads of it.
#[track_caller]
fn assert_rejected(topic: &str, payload: impl AsRef<[u8]>, id: &str, message: &str) {
    let rejection = accept(topic, payload).unwrap_err();
    assert_eq!(
        (&*rejection.id, &*rejection.code),
        (id, "InvalidRequestException")
    );
    assert!(
        rejection.message.contains(message),
        "{rejection:?} lacks {message:?}"
    );
    assert!(rejection.message.len() < 400, "{}", rejection.message);
}

#[test]
fn devices_publish_to_the_topics_of_v1() {
    let contract = iot_analytics(json!({}));
    let filters: Vec<_> = contract.filters().iter().map(ToString::to_string).collect();
    assert_eq!(
        filters,
        [
            "iotanalytics/channels/+/messages/put",
            "iotanalytics/channels/+/messages/binary/put"
        ]
    );
    assert_eq!(contract.default_destination(), None);
}

#[test]
fn a_request_has_the_text_of_a_message_for_the_channel_of_its_topic() {
    for (payload, id, message) in [
        (
            r#"{"request":{"message":"{\"temp\":23.33}"},"id":"req123"}"#,
            "req123",
            r#"{"temp":23.33}"#,
        ),
        (
            r#" { "id" : "a b~", "more": [null], "request": { "message": "aGVsbG8=", "x": {} } } "#,
            "a b~",
            "aGVsbG8=",
        ),
        (
            r#"{"request":{"message":"\u00e9\ud83d\ude00\u0000"},"id":"\u0041"}"#,
            "A",
            "é😀\0",
        ),
        (r#"{"request":{"message":""},"id":"1"}"#, "1", ""),
    ] {
        assert_eq!(
            accept(PUT, payload).unwrap(),
            (
                "my_channel".to_owned(),
                id.to_owned(),
                message.as_bytes().to_vec()
            ),
            "{payload}"
        );
    }
}

#[test]
fn a_request_without_an_id_gets_one_of_its_own() {
    let mut ids = HashSet::new();
    for payload in [
        r#"{"request":{"message":"m"}}"#,
        r#"{"request":{"message":"m"},"id":""}"#,
        r#"{"request":{"message":"m"},"id":null}"#,
    ]
    .repeat(50)
    {
        let (_, id, _) = accept(PUT, payload).unwrap();
        // RFC 9562, version 4: random but for the version and the variant.
        let dashes: Vec<_> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((id.len(), &dashes[..]), (36, &[8, 13, 18, 23][..]), "{id}");
        let digit = |char: char| matches!(char, '0'..='9' | 'a'..='f' | '-');
        assert!(id.chars().all(digit), "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert!(ids.insert(id));
    }
}

#[test]
fn a_raw_message_is_encoded_and_has_no_id() {
    let contract = iot_analytics(json!({"default_channel_name": "others"}));
    assert_eq!(contract.default_destination(), Some("others"));
    for (topic, channel) in [
        (BINARY, "my_channel"),
        ("sensors/1", "others"),
        ("site/7/iotanalytics/channels/a/messages/put", "others"),
        (
            "site/7/iotanalytics/channels/a/messages/binary/put",
            "others",
        ),
        ("iotanalytics/channels/a/messages", "others"),
    ] {
        for (payload, encoded) in [
            (b"".as_slice(), ""),
            (b"\xff\x00\n", "/wAK"),
            (b"hello", "aGVsbG8="),
            (
                br#"{"request":{"message":"m"},"id":"1"}"#,
                "eyJyZXF1ZXN0Ijp7Im1lc3NhZ2UiOiJtIn0sImlkIjoiMSJ9",
            ),
        ] {
            assert_eq!(
                accept_by(&*contract, topic, payload).unwrap(),
                (
                    channel.to_owned(),
                    String::new(),
                    encoded.as_bytes().to_vec()
                ),
                "{topic}"
            );
        }
    }
}

#[test]
fn a_raw_message_stays_as_it_is_where_that_is_asked_for() {
    let contract = iot_analytics(json!({"binary_encoding": "raw"}));
    let accepted = accept_by(&*contract, BINARY, b"\xff\x00\n").unwrap();
    assert_eq!(accepted.2, b"\xff\x00\n");
    assert_eq!(
        contract_problems("iot-analytics", json!({"binary_encoding": "hex"})),
        ["binary_encoding: found \"hex\"; it is \"base64\" or \"raw\""]
    );
}

#[test]
fn a_topic_that_names_no_channel_needs_a_default_one() {
    for topic in ["sensors/1", "site/iotanalytics/channels/a/messages/put"] {
        assert_rejected(
            topic,
            "m",
            "",
            &format!("the topic {topic:?} names no channel"),
        );
        assert_rejected(topic, "m", "", "no default_channel_name");
    }
    assert_rejected(&"t/".repeat(10_000), "m", "", "names no channel");
}

#[test]
fn a_channel_that_cannot_be_is_rejected_with_the_id_of_the_request() {
    let request = r#"{"request":{"message":"m"},"id":"req123"}"#;
    let (longest, longer) = ("c".repeat(128), "c".repeat(129));
    for channel in ["", "__a", "a-b", "é", "a b", "a.b", &longer] {
        let put = PUT.replace("my_channel", channel);
        assert_rejected(&put, request, "req123", "is not the name of a channel");
        let binary = BINARY.replace("my_channel", channel);
        assert_rejected(&binary, request, "", "1 to 128 letters, digits and '_'");
    }
    for channel in ["a", "_", "0", &longest] {
        for topic in [PUT, BINARY] {
            let topic = topic.replace("my_channel", channel);
            assert_eq!(accept(&topic, request).unwrap().0, channel);
        }
    }
}

#[test]
fn ids_have_up_to_128_printable_characters_of_ascii() {
    let request = |id: &str| json!({"request": {"message": "m"}, "id": id}).to_string();
    let printable: String = (' '..='~').collect();
    for id in ["1", " ", &printable, &"i".repeat(128)] {
        assert_eq!(accept(PUT, request(id)).unwrap().1, id);
    }
    for (id, message) in [
        ("réq", "\"id\" has the character 'é'"),
        ("заявка", "\"id\" has the character 'з'"),
        ("要求", "\"id\" has the character '要'"),
        ("a😀", "\"id\" has the character '😀'"),
        ("\u{0}", "\"id\" has the character '\\0'"),
        ("a\nb", "\"id\" has the character '\\n'"),
        ("\u{7f}", "\"id\" has the character '\\u{7f}'"),
        (
            &"i".repeat(129),
            "\"id\" has 129 characters; an id has up to 128",
        ),
        (&"é".repeat(50_000), "\"id\" has the character 'é'"),
    ] {
        assert_rejected(PUT, request(id), id, message);
    }
}

#[test]
fn a_message_has_up_to_128_kilobytes_in_the_form_that_it_is_sent_in() {
    // Escapes count as what they stand for.
    let text = |length: usize| "\n".repeat(length);
    let request = |length| json!({"request": {"message": text(length)}, "id": "1"}).to_string();
    assert_eq!(accept(PUT, request(MAX)).unwrap().2, text(MAX).as_bytes());
    let found = "\"request.message\" has 131073 bytes; a message has at most 131072 bytes";
    assert_rejected(PUT, request(MAX + 1), "1", found);

    let bytes = vec![0xff; MAX + 1];
    let (_, _, encoded) = accept(BINARY, &bytes[..MAX / 4 * 3]).unwrap();
    assert_eq!(encoded.len(), MAX);
    assert_eq!(STANDARD.decode(encoded).unwrap(), bytes[..MAX / 4 * 3]);
    let found = "the message has 131076 bytes in base64; a message has at most 131072 bytes";
    assert_rejected(BINARY, &bytes[..MAX / 4 * 3 + 1], "", found);

    let raw = iot_analytics(json!({"binary_encoding": "raw"}));
    assert_eq!(
        accept_by(&*raw, BINARY, &bytes[..MAX]).unwrap().2.len(),
        MAX
    );
    let rejection = accept_by(&*raw, BINARY, &bytes).unwrap_err();
    assert_eq!(
        rejection.message,
        "the message has 131073 bytes; a message has at most 131072 bytes"
    );
}

#[test]
fn what_is_not_json_is_rejected() {
    for payload in [
        b"".as_slice(),
        b"hello",
        b"{\"request\":{\"message\":\"m\"}",
        b"{\"request\":{\"message\":\"m\"}} trailing",
        b"{\"request\":{\"message\":\"\xff\"}}",
        br#"{"request":{"message":"\ud800"}}"#,
        "[".repeat(100_000).as_bytes(),
        r#"{"request":"#.repeat(100_000).as_bytes(),
    ] {
        assert_rejected(PUT, payload, "", "the payload is not JSON");
    }
}

#[test]
fn what_is_json_of_another_shape_is_rejected_and_says_what_was_found() {
    let deep = format!(
        r#"{{"id":"1","request":{{"message":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (payload, id, message) in [
        ("[]", "", "the payload is an array"),
        ("\"text\"", "", "the payload is a string"),
        ("{}", "", "\"request\" is missing"),
        (r#"{"id":"1"}"#, "1", "\"request\" is missing"),
        (
            r#"{"id":"1","request":"text"}"#,
            "1",
            "\"request\" is a string",
        ),
        (
            r#"{"request":{},"id":"1"}"#,
            "1",
            "\"request.message\" is missing",
        ),
        (
            r#"{"request":{"message":{"temp":23.33}},"id":"1"}"#,
            "1",
            "\"request.message\" is an object; it is a string, and JSON goes into it as text",
        ),
        (
            r#"{"request":{"message":23.33},"id":"1"}"#,
            "1",
            "\"request.message\" is a number",
        ),
        (
            r#"{"request":{"message":false},"id":"1"}"#,
            "1",
            "\"request.message\" is a boolean",
        ),
        (
            r#"{"request":{"message":"m"},"id":7}"#,
            "",
            "\"id\" is a number",
        ),
        (&deep, "1", "\"request.message\" is an array"),
    ] {
        assert_rejected(PUT, payload, id, message);
    }
}

#[test]
fn each_record_has_a_status_with_the_keys_of_v1() {
    let contract = iot_analytics(json!({}));
    let delivered = Outcome::Delivered {
        receipt: Some("receipt".to_owned()),
    };
    let rejected = Outcome::Rejected {
        code: "ResourceNotFoundException".to_owned(),
        message: "A resource with the specified name could not be found.".to_owned(),
    };
    let retry = Outcome::Retry {
        code: "ThrottlingException".to_owned(),
        message: "Slow down.".to_owned(),
    };
    let report = |id, outcome| Report { id, outcome };
    let statuses = contract.settled(&[
        report("req123", &delivered),
        report("again", &retry),
        report("re\"q", &rejected),
        report("", &delivered),
        report("", &rejected),
    ]);
    assert!(
        statuses
            .iter()
            .all(|status| status.topic.as_str() == STATUS)
    );
    let documents: Vec<_> = statuses.iter().map(|status| &status.payload[..]).collect();
    let expected = [
        r#"{"response":{"status":"success"},"id":"req123"}"#,
        r#"{"response":{"status":"fail","error":"ResourceNotFoundException","error_message":"A resource with the specified name could not be found."},"id":"re\"q"}"#,
        r#"{"response":{"status":"success"}}"#,
        r#"{"response":{"status":"fail","error":"ResourceNotFoundException","error_message":"A resource with the specified name could not be found."}}"#,
    ];
    assert_eq!(documents, expected.map(str::as_bytes));
    assert_eq!(contract.settled(&[]), []);
}

#[test]
fn a_rejection_is_told_on_the_status_topic() {
    let contract = iot_analytics(json!({}));
    let told = |rejection: &Rejection| {
        let status = contract.rejected(rejection).unwrap();
        assert_eq!(status.topic.as_str(), STATUS);
        String::from_utf8(status.payload.to_vec()).unwrap()
    };
    let rejection = accept(PUT, r#"{"request":{},"id":"é\""}"#).unwrap_err();
    assert_eq!(
        told(&rejection),
        concat!(
            r#"{"response":{"status":"fail","error":"InvalidRequestException","error_message":"#,
            r#""\"id\" has the character 'é'; an id has up to 128 printable characters of ASCII"},"#,
            r#""id":"é\""}"#
        )
    );
    assert_eq!(
        told(&Rejection::queue_full("", "my_channel", 5)),
        concat!(
            r#"{"response":{"status":"fail","error":"LimitExceededException","error_message":"#,
            r#""5 records wait for my_channel and no more are taken; send it again later"}}"#
        )
    );
}

#[test]
fn its_queue_is_set_by_parameters() {
    let v1 = DeliverySettings {
        max_destinations: Some(50),
        ordered: false,
        after_failure: AfterFailure::SendLast,
        duplicate_ids: DuplicateIds::Drop,
        ..DeliverySettings::new(Duration::from_secs(1), 1_000_000)
    };
    assert_eq!(iot_analytics(json!({})).delivery(), v1);
    assert_eq!(iot_analytics(json!({})).publish_region(), None);

    let contract = iot_analytics(json!({
        "publish_region": "us-gov-west-1",
        "publish_interval": 0,
        "max_active_channels": 1,
        "queue_drop_behavior": "drop_oldest",
        "queue_size_per_channel": 1,
        "batch_size_per_channel": 5,
        "default_channel_name": "others",
        "memory_size": 1 << 20,
        "duplicate_ids": "separate",
    }));
    assert_eq!(
        contract.delivery(),
        DeliverySettings {
            linger: Duration::ZERO,
            batch_records: Some(5),
            queue_records: 1,
            when_full: WhenFull::DropOldest,
            max_destinations: Some(1),
            memory_bytes: Some(1 << 20),
            duplicate_ids: DuplicateIds::Separate,
            ..v1
        }
    );
    assert_eq!(contract.publish_region(), Some("us-gov-west-1"));
}

#[test]
fn every_wrong_parameter_is_reported() {
    let problems = contract_problems(
        "iot-analytics",
        json!({
            "publish_region": "us-east-1.evil.example",
            "publish_interval": 900.1,
            "max_active_channels": 0,
            "queue_drop_behavior": "oldest",
            "queue_size_per_channel": 0,
            "batch_size_per_channel": 0,
            "default_channel_name": "my-channel",
            "memory_size": 0,
            "duplicate_ids": "send",
        }),
    );
    for problem in [
        "publish_region: found \"us-east-1.evil.example\"; it is a region such as \"us-east-1\"",
        "publish_interval: 900.1 is not a time in 0ns..=900s",
        "max_active_channels: 0 is not a number in 1..=10000",
        "queue_drop_behavior: found \"oldest\"; it is \"drop_newest\" or \"drop_oldest\"",
        "queue_size_per_channel: 0 is not a number in 1..=1000000000",
        "batch_size_per_channel: 0 is not a number in 1..=1000000",
        "default_channel_name: \"my-channel\" is not the name of a channel; \
         it has 1 to 128 letters, digits and '_', and does not begin with \"__\"",
        "memory_size: 0 is not a number in 1048576..=1099511627776",
        "duplicate_ids: found \"send\"; it is \"drop\" or \"separate\"",
    ] {
        assert!(
            problems.iter().any(|found| found == problem),
            "{problem}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 9);
}
