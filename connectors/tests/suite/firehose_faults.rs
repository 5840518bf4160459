//! The Firehose upstream against a Firehose that breaks off, refuses who sends, or says other
//! than it does.

use perennial_connectors::{FailureClass, Outcome};
use perennial_doubles::{Answer, Chaos, Credentials, FirehoseDouble};

use crate::support::{ARN, Firehose, all_delivered, batch};

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_however_good_it_sounds() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    for (answer, code, arrived) in [
        (Answer::CloseUnread, "ConnectError", 0),
        (Answer::ResetMidBody, "MalformedResponse", 0),
        (Answer::malformed(), "MalformedResponse", 0),
        (Answer::ResetMidBody.after_taking(), "MalformedResponse", 2),
        (Answer::WrongEntries, "MalformedResponse", 2),
        (
            Answer::internal_failure().after_taking(),
            "InternalFailure",
            2,
        ),
    ] {
        let before = firehose.double.record_count("stream-a");
        firehose.double.script([answer.clone()]);
        let error = upstream.send(&batch(ARN, ["a", "b"])).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::Unavailable, code),
            "{answer:?} gave {error}"
        );
        let after = firehose.double.record_count("stream-a");
        assert_eq!(after - before, arrived, "{answer:?}");
    }
}

#[tokio::test]
async fn a_signature_that_is_refused_is_for_the_operator_to_mend() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let refused = async |code: &str, words: &str| {
        let error = upstream.send(&batch(ARN, ["a"])).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::NoAccess, code),
            "{error}"
        );
        assert!(error.message.contains(words), "{error}");
    };
    firehose.double.expect_region("us-east-1");
    refused("InvalidSignatureException", "not 'eu-west-1'").await;
    firehose.double.expect_region("eu-west-1");
    firehose.double.set_clock_ahead(3_600);
    refused("InvalidSignatureException", "Signature expired").await;
    firehose.double.set_clock_ahead(0);
    firehose.double.revoke("AKIDTEST");
    refused("UnrecognizedClientException", "is invalid").await;
    firehose.double.accept(Credentials {
        expiration: Some(0),
        ..Credentials::new("AKIDTEST", "secret")
    });
    refused("ExpiredTokenException", "is expired").await;
    firehose
        .double
        .accept(Credentials::new("AKIDTEST", "another secret"));
    refused("InvalidSignatureException", "does not match").await;
    assert_eq!(firehose.double.record_count("stream-a"), 0);

    firehose
        .double
        .accept(Credentials::new("AKIDTEST", "secret"));
    upstream.send(&batch(ARN, ["a"])).await.unwrap();
}

#[tokio::test]
async fn a_record_that_spoils_its_batch_is_refused_and_is_found_by_parts() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let poison = Answer::error(400, "InvalidArgumentException", "not a record")
        .if_any(|payload| payload == b"poison");
    firehose.double.respond_with(move |_| poison.clone());
    for (payloads, passes) in [
        (vec!["a", "b", "poison", "c"], false),
        (vec!["a", "b"], true),
        (vec!["poison", "c"], false),
        (vec!["poison"], false),
        (vec!["c"], true),
    ] {
        let count = payloads.len();
        match upstream.send(&batch(ARN, payloads)).await {
            Ok(outcomes) => assert!(passes && all_delivered(&outcomes, count)),
            Err(error) => assert!(!passes && error.class == FailureClass::Refused, "{error}"),
        }
    }
    assert_eq!(firehose.double.records("stream-a"), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_is_said_to_be_delivered_has_arrived_whatever_happens_on_the_way() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let faults = FirehoseDouble::passing_faults();
    firehose
        .double
        .start_chaos(Chaos::new(11).with_all(0.7, faults));
    let mut delivered = 0;
    let mut arrived = 0;
    for number in 0..300 {
        // Batches of one go by a call of their own.
        let count = number % 5 + 1;
        let sent = batch(ARN, (0..count).map(|part| format!("{number}.{part}")));
        let requests = firehose.double.request_count();
        let result = upstream.send(&sent).await;
        let request = firehose.double.requests().into_iter().nth(requests);
        let ids = request
            .map(|request| request.record_ids)
            .unwrap_or_default();
        arrived += ids.iter().flatten().count();
        for (position, outcome) in result.iter().flatten().enumerate() {
            match outcome {
                Outcome::Delivered { receipt } => {
                    assert_eq!(&ids[position], receipt);
                    delivered += 1;
                }
                Outcome::Retry { .. } => assert_eq!(ids[position], None),
                Outcome::Rejected { .. } => panic!("{outcome:?}"),
            }
        }
    }
    assert_eq!(firehose.double.record_count("stream-a"), arrived);
    // Some arrive without the sender knowing, and it knows of none that do not.
    assert!(
        (300..arrived).contains(&delivered),
        "{delivered}, {arrived}"
    );
    let counts = firehose.double.end_chaos();
    assert!(counts.values().all(|count| *count > 0), "{counts:?}");
}
