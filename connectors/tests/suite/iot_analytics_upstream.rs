//! The IoT Analytics upstream against a double: ids of messages, what is retried, what never.

use perennial_connectors::{BatchLimits, FailureClass, Outcome, SendError, Upstream};
use perennial_doubles::{Answer, BatchCall, IotAnalyticsDouble};
use serde_json::{Value, json};

use crate::support::{Service, all_delivered, batch, build_upstream, upstream_problems};

pub(crate) type IotAnalytics = Service<BatchCall>;

const CHANNEL: &str = "my_channel";

impl IotAnalytics {
    /// An upstream that leads to the double; a channel does not say its region.
    pub(crate) fn upstream_with(&self, more: Value) -> Box<dyn Upstream> {
        let mut settings = self.settings(more);
        settings["region"] = json!("eu-west-1");
        build_upstream("iot-analytics", settings)
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        self.upstream_with(json!({}))
    }
}

#[tokio::test]
async fn messages_have_the_ids_of_their_records_and_never_one_twice() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream();
    let mut sent = batch(CHANNEL, ["a", "b", "c", "d", "e"]);
    let too_long = "i".repeat(129);
    let own = ["first", "first", "", &too_long, "second"];
    for (record, id) in sent.records.iter_mut().zip(own) {
        record.id = id.into();
    }
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 5));
    let messages = service.double.messages(CHANNEL);
    let payloads: Vec<_> = messages.iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, ["a", "b", "c", "d", "e"]);
    let ids: Vec<_> = messages.iter().map(|(id, _)| &**id).collect();
    assert_eq!((ids[0], ids[4]), ("first", "second"));
    // The form of a UUID, version 4.
    for id in &ids[1..4] {
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
    }
    assert_eq!(service.double.requests()[0].refused, None);
    assert_eq!(service.double.requests()[0].region, "eu-west-1");
}

#[tokio::test]
async fn the_outcome_of_a_message_that_fails_alone_is_by_its_code() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream();
    for (code, passes) in [
        ("ThrottlingException", true),
        ("Throttling", true),
        ("InternalFailureException", true),
        ("InternalFailure", true),
        ("ServiceUnavailableException", true),
        ("ServiceUnavailable", true),
        ("InvalidRequestException", false),
        ("ResourceNotFoundException", false),
        ("SomethingNew", false),
    ] {
        service.double.script([Answer::FailRecords {
            positions: vec![1],
            code: code.to_owned(),
            message: "why".to_owned(),
        }]);
        let (code, message) = (code.to_owned(), "why".to_owned());
        let failed = match passes {
            true => Outcome::Retry { code, message },
            false => Outcome::Rejected { code, message },
        };
        let delivered = Outcome::Delivered { receipt: None };
        // Records of one id: the entry of the answer belongs to one of them all the same.
        let outcomes = upstream.send(&batch(CHANNEL, ["a", "b", "c"])).await;
        assert_eq!(outcomes.unwrap(), [delivered.clone(), failed, delivered]);
    }
}

#[tokio::test]
async fn a_channel_that_does_not_exist_takes_no_message() {
    let service = IotAnalytics::start().await;
    service.double.delete(CHANNEL);
    let sent = batch(CHANNEL, ["a", "b"]);
    let outcomes = service.upstream().send(&sent).await.unwrap();
    let rejected = Outcome::Rejected {
        code: "ResourceNotFoundException".to_owned(),
        message: "A resource with the specified name could not be found.".to_owned(),
    };
    assert_eq!(outcomes, [rejected.clone(), rejected]);
}

#[tokio::test]
async fn an_error_says_what_another_attempt_needs() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream();
    for (answer, code, class) in [
        (
            IotAnalyticsDouble::invalid_request("not a message"),
            "InvalidRequestException",
            FailureClass::Refused,
        ),
        (
            IotAnalyticsDouble::throttling(),
            "ThrottlingException",
            FailureClass::Throttled,
        ),
        (
            IotAnalyticsDouble::access_denied(),
            "AccessDeniedException",
            FailureClass::NoAccess,
        ),
        (
            IotAnalyticsDouble::internal_failure(),
            "InternalFailureException",
            FailureClass::Unavailable,
        ),
        (
            IotAnalyticsDouble::service_unavailable(),
            "ServiceUnavailableException",
            FailureClass::Unavailable,
        ),
        (
            Answer::ResetBefore,
            "ConnectError",
            FailureClass::Unavailable,
        ),
    ] {
        service.double.script([answer]);
        let error = upstream
            .send(&batch(CHANNEL, ["a", "b"]))
            .await
            .unwrap_err();
        let message = error.message.clone();
        assert_eq!(error, SendError::new(class, code, message));
    }
    assert_eq!(service.double.record_count(CHANNEL), 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_one_to_the_request_is_an_error() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream();
    let body = |body: Value| Answer::Body {
        status: 200,
        body: body.to_string(),
    };
    let text = |body: &str| Answer::Body {
        status: 200,
        body: body.to_owned(),
    };
    for answer in [
        Answer::WrongEntries,
        text(""),
        text("{"),
        text("<html>"),
        body(json!({})),
        body(json!({"batchPutMessageErrorEntries": [{"errorCode": "Throttling"}]})),
        body(json!({"batchPutMessageErrorEntries": [{"messageId": "request123"}]})),
    ] {
        service.double.script([answer.clone()]);
        let error = upstream.send(&batch(CHANNEL, ["a"])).await.unwrap_err();
        assert_eq!(error.code, "MalformedResponse", "{answer:?} gave {error}");
        assert_eq!(error.class, FailureClass::Unavailable);
    }
}

#[tokio::test]
async fn what_names_no_channel_is_rejected_and_nothing_is_sent() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream();
    let too_long = "c".repeat(129);
    for destination in ["", "two words", "a-b", "__mine", &too_long] {
        let problem = upstream.check(destination).unwrap_err();
        assert!(
            problem.contains("is not the name of a channel"),
            "{problem}"
        );
        let rejected = Outcome::Rejected {
            code: "InvalidRequestException".to_owned(),
            message: problem,
        };
        let outcomes = upstream.send(&batch(destination, ["a", "b"])).await;
        assert_eq!(outcomes.unwrap(), [rejected.clone(), rejected]);
    }
    for channel in [CHANNEL, "_a", "9", &"c".repeat(128)] {
        assert_eq!(upstream.check(channel), Ok(()));
    }
    assert_eq!(service.double.request_count(), 0);
}

#[tokio::test]
async fn a_template_makes_the_channel_of_the_destination() {
    let service = IotAnalytics::start().await;
    let upstream = service.upstream_with(json!({"channel": "site_${channel}"}));
    upstream.send(&batch("pumps", ["a"])).await.unwrap();
    assert_eq!(service.double.record_count("site_pumps"), 1);
}

#[test]
fn the_limits_are_those_of_the_service_or_smaller_ones_for_a_slow_line() {
    let limits = BatchLimits {
        records: 100,
        bytes: 4_194_304,
        record_bytes: 131_072,
        in_flight: 4,
        linger: None,
    };
    assert_eq!(build_upstream("iot-analytics", json!({})).limits(), limits);
    for (batch_bytes, record_bytes) in [(65_536, 65_536), (13_107_200, 131_072)] {
        let upstream = build_upstream("iot-analytics", json!({"batch_bytes": batch_bytes}));
        let limits = BatchLimits {
            bytes: batch_bytes,
            record_bytes,
            ..limits
        };
        assert_eq!(upstream.limits(), limits);
    }
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "iot-analytics",
            json!({"batch_bytes": 13_107_201, "endpoint_url": "127.0.0.1:5000"})
        ),
        [
            "batch_bytes: 13107201 is not a number in 1024..=13107200",
            "endpoint_url: found \"127.0.0.1:5000\"; an endpoint is one such as \"http://127.0.0.1:5000\"",
        ]
    );
}
