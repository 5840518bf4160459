//! The SQS upstream against an SQS that fails: what is retried, what never.

use bytes::Bytes;
use hyper::http::request::Parts;
use perennial_connectors::{FailureClass, Outcome, SendError, Upstream};
use perennial_doubles::{Answer, Call, Ending, Refusal, Reply};
use serde_json::{Value, json};

use crate::support::{Service, batch, build_upstream};

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/queue-a";

/// What the double writes for a failure that is the sender's fault.
const SENDERS_FAULT: &str = "the sender is to blame";

type Sqs = Service<SendMessageBatch>;

impl Sqs {
    fn upstream(&self) -> Box<dyn Upstream> {
        build_upstream("sqs", self.settings(json!({})))
    }
}

#[tokio::test]
async fn what_the_sender_is_to_blame_for_is_rejected_and_the_rest_sent_again() {
    let sqs = Sqs::start().await;
    let upstream = sqs.upstream();
    let fail = |positions: &[usize], code: &str, message: &str| Answer::FailRecords {
        positions: positions.to_vec(),
        code: code.to_owned(),
        message: message.to_owned(),
    };
    sqs.double.script([
        fail(&[0, 2], "InternalError", "Internal Error"),
        fail(&[1], "InvalidMessageContents", SENDERS_FAULT),
    ]);
    let retry = Outcome::Retry {
        code: "InternalError".to_owned(),
        message: "Internal Error".to_owned(),
    };
    let rejected = Outcome::Rejected {
        code: "InvalidMessageContents".to_owned(),
        message: SENDERS_FAULT.to_owned(),
    };
    let sent = batch(URL, ["a", "b", "c"]);
    let outcomes = upstream.send(&sent).await.unwrap();
    assert_eq!([&outcomes[0], &outcomes[2]], [&retry, &retry]);
    assert!(matches!(
        outcomes[1],
        Outcome::Delivered { receipt: Some(_) }
    ));
    let outcomes = upstream.send(&sent).await.unwrap();
    assert_eq!(outcomes[1], rejected);
    assert_eq!(sqs.double.records(URL), ["b", "a", "c"]);
}

#[tokio::test]
async fn the_region_is_the_one_of_the_url() {
    let sqs = Sqs::start().await;
    sqs.upstream().send(&batch(URL, ["a"])).await.unwrap();
    assert_eq!(sqs.double.requests()[0].region, "eu-west-1");
}

#[tokio::test]
async fn what_is_no_url_of_a_queue_is_rejected_and_nothing_is_sent() {
    let sqs = Sqs::start().await;
    let upstream = sqs.upstream();
    for destination in ["", "my-queue", "https://sqs.eu-west-1.amazonaws.com/"] {
        let problem = upstream.check(destination).unwrap_err();
        assert!(problem.contains("is not the URL of a queue"), "{problem}");
        let sent = batch(destination, ["a", "b"]);
        let rejected = Outcome::Rejected {
            code: "InvalidAddress".to_owned(),
            message: problem,
        };
        assert_eq!(
            upstream.send(&sent).await.unwrap(),
            [rejected.clone(), rejected]
        );
    }
    assert_eq!(upstream.check(URL), Ok(()));
    assert_eq!(sqs.double.request_count(), 0);
}

#[tokio::test]
async fn an_error_says_what_another_attempt_needs() {
    let sqs = Sqs::start().await;
    let upstream = sqs.upstream();
    for (status, code, class) in [
        (
            400,
            "AWS.SimpleQueueService.BatchRequestTooLong",
            FailureClass::Refused,
        ),
        (400, "InvalidParameterValue", FailureClass::Refused),
        (400, "InvalidMessageContents", FailureClass::Refused),
        (400, "RequestThrottled", FailureClass::Throttled),
        (400, "KMS.ThrottlingException", FailureClass::Throttled),
        (400, "KMS.DisabledException", FailureClass::NoAccess),
        (403, "InvalidSecurity", FailureClass::NoAccess),
        (403, "AccessDenied", FailureClass::NoAccess),
        (403, "InvalidClientTokenId", FailureClass::NoAccess),
        (400, "QueueDeletedRecently", FailureClass::Unavailable),
        (500, "InternalFailure", FailureClass::Unavailable),
        (503, "ServiceUnavailable", FailureClass::Unavailable),
    ] {
        sqs.double.script([Answer::error(status, code, "why")]);
        let error = upstream.send(&batch(URL, ["a", "b"])).await.unwrap_err();
        assert_eq!(error, SendError::new(class, code, "why"));
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_is_so_in_either_spelling() {
    let sqs = Sqs::start().await;
    let upstream = sqs.upstream();
    for code in [
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    ] {
        sqs.double.script([Answer::error(400, code, "gone")]);
        let outcomes = upstream.send(&batch(URL, ["a"])).await.unwrap();
        let rejected = Outcome::Rejected {
            code: code.to_owned(),
            message: "gone".to_owned(),
        };
        assert_eq!(outcomes, [rejected]);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_one_thing_of_each_record_is_an_error() {
    let sqs = Sqs::start().await;
    let upstream = sqs.upstream();
    let taken = |id: &str| json!({"Id": id, "MessageId": id, "MD5OfMessageBody": ""});
    let answers = [
        String::new(),
        "{".to_owned(),
        "<html>".to_owned(),
        "{}".to_owned(),
        json!({"Successful": [taken("0")], "Failed": []}).to_string(),
        json!({"Successful": [taken("0"), taken("7")], "Failed": []}).to_string(),
    ];
    for body in answers {
        sqs.double.script([Answer::Body { status: 200, body }]);
        let error = upstream.send(&batch(URL, ["a", "b"])).await.unwrap_err();
        assert_eq!(error.code, "MalformedResponse", "{error}");
        assert_eq!(error.class, FailureClass::Unavailable);
    }
}

/// A call of `SendMessageBatch`, as far as these tests need to know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendMessageBatch {
    url: String,
    ids: Vec<String>,
    bodies: Vec<Bytes>,
}

impl Call for SendMessageBatch {
    type Record = Bytes;

    const SIGNING_NAME: &'static str = "sqs";

    fn read_head(&mut self, head: &Parts) -> Result<(), Refusal> {
        match head.headers.get("x-amz-target") {
            Some(target) if target == "AmazonSQS.SendMessageBatch" => Ok(()),
            _ => Err(Refusal::new(400, "UnknownOperationException", "")),
        }
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.url = text(&body["QueueUrl"]);
        for entry in body["Entries"].as_array().into_iter().flatten() {
            self.ids.push(text(&entry["Id"]));
            self.bodies.push(text(&entry["MessageBody"]).into());
        }
        Ok(())
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn records(&self) -> &[Bytes] {
        &self.bodies
    }

    fn payload(record: &Bytes) -> &Bytes {
        record
    }

    fn not_found(_: &str) -> Refusal {
        Refusal::new(400, "AWS.SimpleQueueService.NonExistentQueue", "")
    }

    fn answer(&self, endings: &[Ending]) -> Reply {
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for (id, ending) in self.ids.iter().zip(endings) {
            match ending {
                Ending::Taken(name) => {
                    taken.push(json!({"Id": id, "MessageId": name, "MD5OfMessageBody": ""}));
                }
                Ending::Failed { code, message } => failed.push(json!({
                    "Id": id,
                    "Code": code,
                    "Message": message,
                    "SenderFault": message == SENDERS_FAULT,
                })),
            }
        }
        reply(200, &json!({"Successful": taken, "Failed": failed}))
    }

    fn wrong_answer(&self, endings: &[Ending]) -> Reply {
        self.answer(&endings[1..])
    }

    fn error(status: u16, code: &str, message: &str) -> Reply {
        reply(status, &json!({"__type": code, "message": message}))
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type", "application/x-amz-json-1.0".to_owned())],
        body: body.to_string(),
    }
}
