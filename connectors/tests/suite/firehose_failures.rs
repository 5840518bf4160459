//! The Firehose upstream against a Firehose that fails: what is retried, what never.

use std::time::{Duration, Instant};

use perennial_connectors::{FailureClass, Outcome, SendError};
use perennial_doubles::Answer;
use serde_json::json;

use crate::support::{ARN, Firehose, SOON, all_delivered, batch, build_upstream};

/// What becomes of a batch of one and of a batch of two, which go by different calls.
async fn send_both(firehose: &Firehose, answer: &Answer) -> [Result<Vec<Outcome>, SendError>; 2] {
    let upstream = firehose.upstream();
    firehose.double.script([answer.clone(), answer.clone()]);
    [
        upstream.send(&batch(ARN, ["a"])).await,
        upstream.send(&batch(ARN, ["a", "b"])).await,
    ]
}

#[tokio::test]
async fn records_that_fail_alone_are_to_be_sent_again() {
    let firehose = Firehose::start().await;
    firehose.double.script([
        Answer::slow_down([1, 3]),
        Answer::FailRecords {
            positions: vec![0],
            code: "InternalFailure".to_owned(),
            message: "a failure inside".to_owned(),
        },
    ]);
    let upstream = firehose.upstream();

    let outcomes = upstream
        .send(&batch(ARN, ["a", "b", "c", "d"]))
        .await
        .unwrap();
    let slow_down = retry("ServiceUnavailableException", "Slow down.");
    assert_eq!(
        outcomes,
        [
            delivered("record-00000001"),
            slow_down.clone(),
            delivered("record-00000002"),
            slow_down
        ]
    );
    let outcomes = upstream.send(&batch(ARN, ["b", "d"])).await.unwrap();
    assert_eq!(
        outcomes,
        [
            retry("InternalFailure", "a failure inside"),
            delivered("record-00000003")
        ]
    );
    assert_eq!(firehose.double.records("stream-a"), ["a", "c", "d"]);
}

#[tokio::test]
async fn what_no_record_can_change_is_rejected_in_the_words_of_the_service() {
    let firehose = Firehose::start().await;
    let rejected = Outcome::Rejected {
        code: "ResourceNotFoundException".to_owned(),
        message: "Firehose test1 not found under account 123456789012.".to_owned(),
    };
    let [one, two] = send_both(&firehose, &Answer::resource_not_found("test1")).await;
    assert_eq!(one.unwrap(), vec![rejected.clone()]);
    assert_eq!(two.unwrap(), [rejected.clone(), rejected]);
}

#[tokio::test]
async fn an_error_says_what_another_attempt_needs() {
    let firehose = Firehose::start().await;
    for (answer, class, code, message) in [
        (
            Answer::error(400, "InvalidArgumentException", "not a record"),
            FailureClass::Refused,
            "InvalidArgumentException",
            "not a record",
        ),
        (
            Answer::error(400, "InvalidKMSResourceException", "the key is gone"),
            FailureClass::NoAccess,
            "InvalidKMSResourceException",
            "the key is gone",
        ),
        (
            Answer::error(
                400,
                "com.amazonaws.firehose#InvalidSourceException",
                "not by Direct PUT",
            ),
            FailureClass::NoAccess,
            "InvalidSourceException",
            "not by Direct PUT",
        ),
    ] {
        let error = SendError::new(class, code, message);
        let [one, two] = send_both(&firehose, &answer).await;
        assert_eq!(one.unwrap_err(), error);
        assert_eq!(two.unwrap_err(), error);
    }
}

#[tokio::test]
async fn what_may_pass_is_an_error_and_the_sdk_sends_nothing_twice() {
    let firehose = Firehose::start().await;
    for (answer, code, message) in [
        (Answer::throttling(), "ThrottlingException", "Rate exceeded"),
        (
            Answer::service_unavailable(),
            "ServiceUnavailableException",
            "Slow down.",
        ),
        (
            Answer::internal_failure(),
            "InternalFailure",
            "The request processing has failed.",
        ),
        (
            Answer::error(400, "LimitExceededException", "quota"),
            "LimitExceededException",
            "quota",
        ),
        (
            Answer::access_denied(),
            "AccessDeniedException",
            "not authorized",
        ),
        (Answer::expired_token(), "ExpiredTokenException", "expired"),
        (
            Answer::error(403, "UnrecognizedClientException", "invalid token"),
            "UnrecognizedClientException",
            "invalid token",
        ),
        (html(503), "HttpStatus503", "503"),
        (html(502), "HttpStatus502", "502"),
        (html(403), "HttpStatus403", "403"),
    ] {
        let before = firehose.double.requests().len();
        for result in send_both(&firehose, &answer).await {
            let error = result.unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(message), "{error}");
        }
        assert_eq!(firehose.double.requests().len(), before + 2, "{code}");
    }
    assert_eq!(firehose.double.records("stream-a").len(), 0);
}

#[tokio::test]
async fn credentials_that_were_refused_are_read_again() {
    for refusal in [Answer::expired_token(), Answer::access_denied()] {
        let firehose = Firehose::start().await;
        let upstream = firehose.upstream();
        firehose.double.script([refusal]);
        upstream.send(&batch(ARN, ["a"])).await.unwrap_err();
        firehose.write_credentials("AKIDFRESH");
        upstream.send(&batch(ARN, ["a"])).await.unwrap();
        let keys: Vec<_> = firehose
            .double
            .requests()
            .into_iter()
            .map(|request| request.access_key)
            .collect();
        assert_eq!(keys, ["AKIDTEST", "AKIDFRESH"]);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error() {
    let firehose = Firehose::start().await;
    let body = |body: &str| Answer::Body {
        status: 200,
        body: body.to_owned(),
    };
    for answer in [
        body(""),
        body("{"),
        body("<html>"),
        body("[]"),
        body("{}"),
        body(r#"{"FailedPutCount":0,"RequestResponses":[]}"#),
        body(
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"},{"RecordId":"2"},{"RecordId":"3"}]}"#,
        ),
        body(r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"},{}]}"#),
        body(r#"{"RecordId":""}"#),
    ] {
        for result in send_both(&firehose, &answer).await {
            let error = result.unwrap_err();
            assert_eq!(error.code, "MalformedResponse", "{answer:?} gave {error}");
        }
    }
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_within_the_timeout() {
    let firehose = Firehose::start().await;
    let upstream = build_upstream("firehose", firehose.settings(json!({"timeout": 1})));
    firehose
        .double
        .script([Answer::Hang, Answer::Hang.after(Duration::from_millis(10))]);
    for payloads in [vec!["a"], vec!["a", "b"]] {
        let started = Instant::now();
        let error = upstream.send(&batch(ARN, payloads)).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::Late, "TimeoutError"),
            "{error}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(6),
            "took {:?}",
            started.elapsed()
        );
    }
    assert!(all_delivered(
        &upstream.send(&batch(ARN, ["c"])).await.unwrap(),
        1
    ));
    assert_eq!(firehose.double.records("stream-a"), ["c"]);
}

#[tokio::test]
async fn an_answer_that_is_late_but_in_time_counts() {
    let firehose = Firehose::start().await;
    firehose
        .double
        .script([Answer::Accept.after(Duration::from_millis(300))]);
    let started = Instant::now();
    let outcomes = firehose
        .upstream()
        .send(&batch(ARN, ["a", "b"]))
        .await
        .unwrap();
    assert!(all_delivered(&outcomes, 2));
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_connection_that_is_reset_is_an_error_whether_or_not_the_records_arrived() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let sent = batch(ARN, ["a", "b"]);
    for (answer, arrived) in [(Answer::ResetBefore, 0), (Answer::ResetAfter, 2)] {
        firehose.double.script([answer]);
        let error = upstream.send(&sent).await.unwrap_err();
        assert_eq!(error.code, "ConnectError", "{error}");
        assert_eq!(firehose.double.records("stream-a").len(), arrived);
    }
    upstream.send(&sent).await.unwrap();
    assert_eq!(firehose.double.records("stream-a"), ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn an_endpoint_that_should_speak_tls_and_does_not_is_an_error() {
    let firehose = Firehose::start().await;
    let url = firehose.double.url().replace("http://", "https://");
    let upstream = build_upstream("firehose", firehose.settings(json!({"endpoint_url": url})));
    let error = upstream.send(&batch(ARN, ["a"])).await.unwrap_err();
    assert_eq!(error.code, "ConnectError", "{error}");
    assert_eq!(firehose.double.requests().len(), 0);
}

#[tokio::test]
async fn an_outage_in_the_middle_of_a_request_is_an_error() {
    let mut firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    firehose.double.respond_with(|_| Answer::Hang);
    let sent = batch(ARN, ["a", "b"]);
    let (result, ()) = tokio::join!(upstream.send(&sent), async {
        firehose.double.wait_for_requests(1, SOON).await.unwrap();
        firehose.double.stop().await;
    });
    assert_eq!(result.unwrap_err().code, "ConnectError");

    firehose.double.respond_with(|_| Answer::Accept);
    firehose.double.restart().await.unwrap();
    upstream.send(&sent).await.unwrap();
    let records = firehose
        .double
        .wait_for_records("stream-a", 2, SOON)
        .await
        .unwrap();
    assert_eq!(records, ["a", "b"]);
}

fn html(status: u16) -> Answer {
    Answer::Body {
        status,
        body: "<html><body>gateway</body></html>".to_owned(),
    }
}

fn delivered(receipt: &str) -> Outcome {
    Outcome::Delivered {
        receipt: Some(receipt.to_owned()),
    }
}

fn retry(code: &str, message: &str) -> Outcome {
    Outcome::Retry {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}
