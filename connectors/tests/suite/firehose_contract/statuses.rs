//! What devices hear of their requests, to the byte.

use perennial_connectors::{Contract, Outcome, Rejection, Report, Status};
use serde_json::{Value, json};

use crate::support::ARN;

use super::{MESSAGE, accept, accept_by, firehose, firehose_with};

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
fn the_first_version_had_a_document_for_each_record() {
    let outcomes = [
        delivered(Some("1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm")),
        retry(),
        rejected(
            "ResourceNotFoundException",
            "Firehose test1 not found under account 123456789012.",
        ),
        delivered(None),
    ];
    let contract = firehose_with(json!({"status_format": 1}));
    assert_eq!(
        settle_by(&*contract, &["request123", "2", "re\"é", ""], &outcomes),
        [
            concat!(
                r#"{"response":{"firehose_record_id":"1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm","#,
                r#""status":"success"},"id":"request123"}"#
            ),
            concat!(
                r#"{"response":{"error":"ResourceNotFoundException","error_message":"An error "#,
                r#"occurred (ResourceNotFoundException) when calling the PutRecord operation: "#,
                r#"Firehose test1 not found under account 123456789012.","status":"fail"},"#,
                r#""id":"re\"é"}"#
            ),
            r#"{"response":{"firehose_record_id":"","status":"success"},"id":""}"#,
        ]
    );
    assert_eq!(settle_by(&*contract, &["1"], &[retry()]), [""; 0]);

    let rejection = accept_by(&*contract, MESSAGE, r#"{"request":{},"id":"7"}"#).unwrap_err();
    let status = contract.rejected(&rejection).unwrap();
    assert_eq!(status.topic.as_str(), "kinesisfirehose/message/status");
    assert_eq!(
        status.payload,
        concat!(
            r#"{"response":{"error":"InvalidArgumentException","error_message":"#,
            r#""\"request.data\" is missing; it is a string, and JSON goes into it as text","#,
            r#""status":"fail"},"id":"7"}"#
        )
    );
}

fn settle(ids: &[&str], outcomes: &[Outcome]) -> Vec<String> {
    settle_by(&*firehose(), ids, outcomes)
}

fn settle_by(contract: &dyn Contract, ids: &[&str], outcomes: &[Outcome]) -> Vec<String> {
    let reports: Vec<_> = ids
        .iter()
        .zip(outcomes)
        .map(|(id, outcome)| Report { id, outcome })
        .collect();
    let statuses = contract.settled(&reports);
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
