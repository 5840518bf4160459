//! The Kinesis upstream against a Kinesis that fails: what is retried, what never.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::http::request::Parts;
use perennial_connectors::{FailureClass, Outcome, SendError, Upstream};
use perennial_doubles::{Answer, Call, Ending, Refusal, Reply};
use serde_json::{Value, json};

use crate::support::{Service, batch, build_upstream};

const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/stream-a";

type Kinesis = Service<PutRecords>;

impl Kinesis {
    fn upstream(&self) -> Box<dyn Upstream> {
        build_upstream("kinesis", self.settings(json!({})))
    }
}

#[tokio::test]
async fn records_that_fail_alone_are_to_be_sent_again() {
    let kinesis = Kinesis::start().await;
    let busy = "Rate exceeded for shard shardId-000000000001";
    kinesis.double.script([Answer::FailRecords {
        positions: vec![1, 2],
        code: "ProvisionedThroughputExceededException".to_owned(),
        message: busy.to_owned(),
    }]);
    let upstream = kinesis.upstream();
    let sent = batch(ARN, ["a", "b", "c", "d"]);
    let outcomes = upstream.send(&sent).await.unwrap();
    let retry = Outcome::Retry {
        code: "ProvisionedThroughputExceededException".to_owned(),
        message: busy.to_owned(),
    };
    assert!(matches!(
        outcomes[0],
        Outcome::Delivered { receipt: Some(_) }
    ));
    assert_eq!(outcomes[1..3], [retry.clone(), retry]);
    assert!(matches!(
        outcomes[3],
        Outcome::Delivered { receipt: Some(_) }
    ));
    assert_eq!(kinesis.double.records(ARN), ["a", "d"]);
}

#[tokio::test]
async fn the_region_is_the_one_of_the_arn() {
    let kinesis = Kinesis::start().await;
    kinesis.upstream().send(&batch(ARN, ["a"])).await.unwrap();
    assert_eq!(kinesis.double.requests()[0].region, "eu-west-1");
}

#[tokio::test]
async fn what_names_no_stream_is_rejected_and_nothing_is_sent() {
    let kinesis = Kinesis::start().await;
    let upstream = kinesis.upstream();
    for destination in ["", "two words", "arn:aws:kinesis:eu-west-1:12:stream/a"] {
        let problem = upstream.check(destination).unwrap_err();
        assert!(problem.contains("is not a Kinesis stream"), "{problem}");
        let sent = batch(destination, ["a", "b"]);
        let rejected = Outcome::Rejected {
            code: "InvalidArgumentException".to_owned(),
            message: problem,
        };
        assert_eq!(
            upstream.send(&sent).await.unwrap(),
            [rejected.clone(), rejected]
        );
    }
    assert_eq!(kinesis.double.request_count(), 0);
}

#[tokio::test]
async fn an_error_says_what_another_attempt_needs() {
    let kinesis = Kinesis::start().await;
    let upstream = kinesis.upstream();
    for (status, code, class) in [
        (400, "InvalidArgumentException", FailureClass::Refused),
        (400, "ValidationException", FailureClass::Refused),
        (
            400,
            "ProvisionedThroughputExceededException",
            FailureClass::Throttled,
        ),
        (400, "KMSThrottlingException", FailureClass::Throttled),
        (400, "LimitExceededException", FailureClass::Throttled),
        (400, "KMSDisabledException", FailureClass::NoAccess),
        (400, "KMSNotFoundException", FailureClass::NoAccess),
        (400, "AccessDeniedException", FailureClass::NoAccess),
        (400, "ExpiredTokenException", FailureClass::NoAccess),
        (500, "InternalFailure", FailureClass::Unavailable),
        (503, "ServiceUnavailable", FailureClass::Unavailable),
    ] {
        kinesis.double.script([Answer::error(status, code, "why")]);
        let error = upstream.send(&batch(ARN, ["a", "b"])).await.unwrap_err();
        assert_eq!(error, SendError::new(class, code, "why"));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_one_thing_of_each_record_is_an_error() {
    let kinesis = Kinesis::start().await;
    let upstream = kinesis.upstream();
    for body in [
        "",
        "{",
        "<html>",
        r#"{"FailedRecordCount":0,"Records":[]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ShardId":"a"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ShardId":"a"},{}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"},{"SequenceNumber":"3"}]}"#,
    ] {
        let body = body.to_owned();
        kinesis.double.script([Answer::Body { status: 200, body }]);
        let error = upstream.send(&batch(ARN, ["a", "b"])).await.unwrap_err();
        assert_eq!(error.code, "MalformedResponse", "{error}");
        assert_eq!(error.class, FailureClass::Unavailable);
    }
}

/// A call of `PutRecords`, as far as these tests need to know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PutRecords {
    stream: String,
    records: Vec<Bytes>,
}

impl Call for PutRecords {
    type Record = Bytes;

    const SIGNING_NAME: &'static str = "kinesis";

    fn read_head(&mut self, head: &Parts) -> Result<(), Refusal> {
        match head.headers.get("x-amz-target") {
            Some(target) if target == "Kinesis_20131202.PutRecords" => Ok(()),
            _ => Err(Refusal::new(400, "UnknownOperationException", "")),
        }
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let body: Value = serde_json::from_slice(body).map_err(serialization)?;
        let stream = body["StreamARN"].as_str().or(body["StreamName"].as_str());
        stream.unwrap_or_default().clone_into(&mut self.stream);
        for record in body["Records"].as_array().into_iter().flatten() {
            let data = record["Data"].as_str().unwrap_or("no data");
            let data = STANDARD.decode(data).map_err(serialization)?;
            self.records.push(data.into());
        }
        Ok(())
    }

    fn destination(&self) -> &str {
        &self.stream
    }

    fn records(&self) -> &[Bytes] {
        &self.records
    }

    fn payload(record: &Bytes) -> &Bytes {
        record
    }

    fn not_found(stream: &str) -> Refusal {
        Refusal::new(400, "ResourceNotFoundException", stream)
    }

    fn answer(&self, endings: &[Ending]) -> Reply {
        let entry = |ending: &Ending| match ending {
            Ending::Taken(name) => json!({"SequenceNumber": name, "ShardId": "shardId-0"}),
            Ending::Failed { code, message } => json!({"ErrorCode": code, "ErrorMessage": message}),
        };
        let entries: Vec<_> = endings.iter().map(entry).collect();
        reply(200, &json!({"Records": entries}))
    }

    fn wrong_answer(&self, endings: &[Ending]) -> Reply {
        self.answer(&endings[1..])
    }

    fn error(status: u16, code: &str, message: &str) -> Reply {
        reply(status, &json!({"__type": code, "message": message}))
    }
}

fn serialization(error: impl ToString) -> Refusal {
    Refusal::new(400, "SerializationException", error.to_string())
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
        body: body.to_string(),
    }
}
