//! A contract in front of another service: where its records go, and in what form.

use base64::{Engine, engine::general_purpose::STANDARD};
use perennial_connectors::{Batch, Outcome, Publish, Record, RecordRef};
use perennial_rules::TopicName;
use serde_json::{Value, json};

use crate::{
    moto::MotoAccess,
    sqs_upstream::{SqsQueue, payload_of},
    support::{
        ARN, Firehose, all_delivered, batch, build_contract, build_upstream, record,
        upstream_problems,
    },
};

#[tokio::test]
async fn a_message_for_a_channel_reaches_the_delivery_stream_that_the_template_makes_of_it() {
    let firehose = Firehose::start().await;
    let contract = build_contract("iot-analytics", json!({}));
    let upstream = build_upstream(
        "firehose",
        firehose.settings(json!({
            "region": "eu-west-1",
            "stream": "iot-${channel}",
            "envelope": "json",
            "separator": "\n",
        })),
    );
    let topic: TopicName = "iotanalytics/channels/pump_data/messages/put"
        .parse()
        .unwrap();
    let payload = br#"{"request": {"message": "{\"temp\": 23.33}"}, "id": "req123"}"#;
    let accepted = contract
        .accept(&Publish {
            topic: &topic,
            payload,
        })
        .unwrap();
    assert_eq!(upstream.check(&accepted.destination), Ok(()));
    let sent = Batch {
        destination: accepted.destination.into_owned(),
        records: vec![Record {
            id: accepted.id.as_ref().into(),
            topic: topic.as_str().into(),
            payload: accepted.payload.into_owned().into(),
            ..record("")
        }],
    };
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 1));

    let arrived = firehose.double.records("iot-pump_data").remove(0);
    assert_eq!(arrived.last(), Some(&b'\n'));
    let envelope: Value = serde_json::from_slice(&arrived).unwrap();
    assert_eq!(
        envelope,
        json!({
            "channel": "pump_data",
            "id": "req123",
            "time": "2026-11-20T10:15:30.123Z",
            "topic": topic.as_str(),
            "client_id": "pump",
            "payload_base64": STANDARD.encode(br#"{"temp": 23.33}"#),
        })
    );
}

#[tokio::test]
async fn the_envelope_has_its_keys_in_order_and_no_id_where_there_is_none() {
    let firehose = Firehose::start().await;
    let enveloped = json!({"envelope": "json"});
    let upstream = build_upstream("firehose", firehose.settings(enveloped));
    let mut sent = batch(ARN, [b"\xff\0".as_slice(), b""]);
    sent.records[1].id = "".into();
    sent.records[1].topic = "a \"b\"\n/\u{1F600}".into();
    upstream.send(&sent).await.unwrap();
    assert_eq!(
        firehose.double.records("stream-a"),
        [
            format!(
                r#"{{"channel":"{ARN}","id":"request123","time":"2026-11-20T10:15:30.123Z","topic":"kinesisfirehose/message","client_id":"pump","payload_base64":"/wA="}}"#
            ),
            format!(
                r#"{{"channel":"{ARN}","time":"2026-11-20T10:15:30.123Z","topic":"a \"b\"\n/{}","client_id":"pump","payload_base64":""}}"#,
                '\u{1F600}'
            ),
        ]
    );
}

#[tokio::test]
async fn the_separator_follows_each_record() {
    let firehose = Firehose::start().await;
    for (number, separator) in ["\n", "\t", "\r\n", ",", ""].into_iter().enumerate() {
        let stream = format!("stream-{number}");
        let settings = json!({
            "region": "eu-west-1",
            "stream": stream,
            "separator": separator,
        });
        let upstream = build_upstream("firehose", firehose.settings(settings));
        upstream
            .send(&batch("anywhere", ["a", "", "b\n"]))
            .await
            .unwrap();
        let written = ["a", "", "b\n"].map(|payload| format!("{payload}{separator}"));
        assert_eq!(firehose.double.records(&stream), written);
    }
}

#[tokio::test]
async fn the_size_of_a_record_is_what_is_sent_of_it() {
    let firehose = Firehose::start().await;
    let mut sent = batch(
        ARN,
        [b"".as_slice(), b"a", b"ab", b"abc", b"abcd", &[0xff; 1_000]],
    );
    sent.records[1].id = "".into();
    sent.records[2].id = "\"quoted\" \\ \u{7} \u{1F600}".into();
    sent.records[3].topic = "t\u{0}\u{1f}\n".into();
    sent.records[4].client_id = "\u{e9}\u{2028}".into();
    sent.records[5].time = 0;
    let mut stream = 0;
    for envelope in [None, Some("json")] {
        for separator in ["", "\n", "\r\n"] {
            let name = format!("stream-{stream}");
            stream += 1;
            let mut settings = json!({"stream": name, "separator": separator});
            if let Some(envelope) = envelope {
                settings["envelope"] = json!(envelope);
            }
            settings["region"] = json!("eu-west-1");
            let upstream = build_upstream("firehose", firehose.settings(settings));
            let sizes = sent.records.iter().map(RecordRef::from);
            let sizes: Vec<_> = sizes
                .map(|record| upstream.size(&sent.destination, record))
                .collect();
            upstream.send(&sent).await.unwrap();
            let arrived = firehose.double.records(&name);
            assert_eq!(
                sizes,
                arrived
                    .iter()
                    .map(|record| record.len())
                    .collect::<Vec<_>>(),
                "envelope {envelope:?}, separator {separator:?}"
            );
        }
    }
}

#[test]
fn the_size_of_a_record_counts_the_destination_that_the_template_makes() {
    let settings = json!({"stream": "site-${channel}", "partition_key": "${destination}"});
    let upstream = build_upstream("kinesis", settings);
    let size = upstream.size("pumps", RecordRef::from(&record("payload")));
    assert_eq!(size, "site-pumps".len() + "payload".len());
}

#[tokio::test]
async fn the_parts_of_an_arn_are_variables() {
    let firehose = Firehose::start().await;
    for (template, stream) in [
        ("${stream}-copy", "stream-a-copy"),
        ("${channel}", "stream-a"),
        ("${region}.${account}", "eu-west-1.123456789012"),
        ("fixed", "fixed"),
    ] {
        let settings = json!({"stream": template, "region": "eu-west-1"});
        let upstream = build_upstream("firehose", firehose.settings(settings));
        assert_eq!(upstream.check(ARN), Ok(()));
        upstream.send(&batch(ARN, ["a"])).await.unwrap();
        assert_eq!(firehose.double.records(stream), ["a"], "{template}");
    }
    // The region of an ARN that a template makes is the one of the request.
    let settings = json!({
        "stream": "arn:aws:firehose:${region}:${account}:deliverystream/x-${stream}",
    });
    let upstream = build_upstream("firehose", firehose.settings(settings));
    let elsewhere = ARN.replace("eu-west-1", "ap-south-1");
    upstream.send(&batch(&elsewhere, ["a"])).await.unwrap();
    let requests = firehose.double.requests();
    assert_eq!(requests.last().unwrap().region, "ap-south-1");
    assert_eq!(firehose.double.records("x-stream-a"), ["a"]);
}

#[tokio::test]
async fn a_destination_that_lacks_what_the_template_needs_is_told_and_takes_no_record() {
    let firehose = Firehose::start().await;
    let settings = json!({"stream": "${region}-${stream}"});
    let upstream = build_upstream("firehose", firehose.settings(settings));
    // By itself it would be the name of a stream.
    let problem = upstream.check("telemetry").unwrap_err();
    assert_eq!(
        problem,
        "\"telemetry\" names no region and no account, which the template needs"
    );
    let rejected = Outcome::Rejected {
        code: "InvalidArgumentException".to_owned(),
        message: problem,
    };
    let outcomes = upstream.send(&batch("telemetry", ["a", "b"])).await;
    assert_eq!(outcomes.unwrap(), [rejected.clone(), rejected]);
    assert_eq!(firehose.double.request_count(), 0);
}

#[tokio::test]
async fn a_name_that_the_template_makes_and_the_service_does_not_take_is_told() {
    let firehose = Firehose::start().await;
    let settings = json!({"stream": "iot ${channel}"});
    let upstream = build_upstream("firehose", firehose.settings(settings));
    let problem = upstream.check("pumps").unwrap_err();
    assert!(
        problem.contains("\"iot pumps\" is not a delivery stream"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_envelope_makes_a_text_of_any_payload() {
    let (moto, queue) = (MotoAccess::new(), SqsQueue::create("").await);
    let settings = json!({"queue_url": queue.url(), "envelope": "json"});
    let upstream = build_upstream("sqs", moto.settings(settings));
    let sent = batch("pumps", [b"\0\xff".as_slice(), b""]);
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
    for (message, payload) in queue.messages().await.iter().zip(["AP8=", ""]) {
        assert_eq!(message.message_attributes(), None);
        let envelope: Value = serde_json::from_slice(&payload_of(message)).unwrap();
        assert_eq!(envelope["channel"], "pumps");
        assert_eq!(envelope["payload_base64"], payload);
    }
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "firehose",
            json!({"stream": "iot-${chanel}", "separator": ";"})
        ),
        [
            "stream: there is no variable ${chanel} here; \
             there are: ${destination}, ${channel}, ${stream}, ${region}, ${account}",
            "separator: found \";\"; it is \"\\n\", \"\\t\", \"\\r\\n\" or \",\"",
        ]
    );
    assert_eq!(
        upstream_problems("firehose", json!({"stream": "iot-${channel"})),
        ["stream: a variable is not closed; write it as in \"iot-${channel}\""]
    );
    assert_eq!(
        upstream_problems("firehose", json!({"envelope": "xml"})),
        ["envelope: found \"xml\"; it is \"json\""]
    );
}
