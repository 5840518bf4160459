//! The IoT Analytics double: what it takes, and each limit, once.

use perennial_doubles::{Answer, IotAnalyticsDouble};
use serde_json::{Value, json};

use crate::client::{Call, Heard};

async fn double() -> IotAnalyticsDouble {
    IotAnalyticsDouble::start().await.unwrap()
}

#[tokio::test]
async fn messages_are_taken_in_order_and_nothing_is_said_of_them() {
    let iot_analytics = double().await;
    let url = iot_analytics.url();
    let messages = [("b", &br#"{"t":1}"#[..]), ("a", b""), ("~ !", b"\xff")];
    let call = Call::batch_put_message("pumps", messages);
    let nothing = json!({"batchPutMessageErrorEntries": []});
    assert_eq!(call.send(&url).await.answer(), (200, nothing.clone()));
    assert_eq!(call.send(&url).await.answer(), (200, nothing));

    let taken = iot_analytics.messages("pumps");
    let wanted = messages.map(|(id, payload)| (id.to_owned(), payload.into()));
    assert_eq!(taken, [wanted.clone(), wanted].concat());
    let requests = iot_analytics.requests();
    assert_eq!((requests.len(), &*requests[0].channel), (2, "pumps"));
    assert_eq!(requests[0].messages[0].id, "b");
    assert_eq!(requests[1].region, "eu-west-1");
}

#[tokio::test]
async fn messages_that_fail_have_an_entry_with_their_id() {
    let iot_analytics = double().await;
    let url = iot_analytics.url();
    iot_analytics.script([Answer::FailRecords {
        positions: vec![0, 2],
        code: "ThrottlingException".to_owned(),
        message: "Rate exceeded".to_owned(),
    }]);
    let call = Call::batch_put_message("pumps", [("1", "a"), ("2", "b"), ("3", "c")]);
    let entry = |id: &str| json!({"messageId": id, "errorCode": "ThrottlingException", "errorMessage": "Rate exceeded"});
    let wanted = json!({"batchPutMessageErrorEntries": [entry("1"), entry("3")]});
    assert_eq!(call.send(&url).await.answer(), (200, wanted));
    assert_eq!(
        iot_analytics.messages("pumps"),
        [("2".to_owned(), "b".into())]
    );
}

#[tokio::test]
async fn a_request_at_the_limits_passes() {
    let iot_analytics = double().await;
    let url = iot_analytics.url();
    let long = "i".repeat(128);
    let channel = "_c".repeat(64);
    let many = (0..100).map(|number| (number.to_string(), "x"));
    for call in [
        Call::batch_put_message(&channel, many),
        Call::batch_put_message("C_1", [(&long, vec![0; 131_072])]),
    ] {
        assert_eq!(call.send(&url).await.answer().0, 200);
    }
}

#[tokio::test]
async fn a_request_beyond_a_limit_is_refused_and_uses_up_no_answer() {
    let iot_analytics = double().await;
    iot_analytics.script([IotAnalyticsDouble::throttling()]);
    let url = iot_analytics.url();
    let one = || [("1", "a")];
    let long = "i".repeat(129);
    let none: [(&str, &str); 0] = [];
    let many = (0..101).map(|number| (number.to_string(), "x"));
    for (call, words) in [
        (Call::batch_put_message("c", none), "between 1 and 100"),
        (Call::batch_put_message("c", many), "between 1 and 100"),
        (
            Call::batch_put_message("c", [("1", vec![0; 131_073])]),
            "'messages.1.member.payload'",
        ),
        (
            Call::batch_put_message("c", [("1", "a"), ("", "b")]),
            "'messages.2.member.messageId'",
        ),
        (
            Call::batch_put_message("c", [(&long, "a")]),
            "'messages.1.member.messageId'",
        ),
        (
            Call::batch_put_message("c", [("é", "a")]),
            "'messages.1.member.messageId'",
        ),
        (
            Call::batch_put_message("c", [("1", "a"), ("2", "b"), ("1", "c")]),
            "not unique",
        ),
        (Call::batch_put_message("", one()), "'channelName'"),
        (Call::batch_put_message("__c", one()), "'channelName'"),
        (Call::batch_put_message("a-b", one()), "'channelName'"),
        (Call::batch_put_message(&long, one()), "'channelName'"),
    ] {
        let heard = call.send(&url).await;
        heard.assert_error(400, "InvalidRequestException", words);
    }
    let heard = Call::batch_put_message("c", one()).send(&url).await;
    heard.assert_error(429, "ThrottlingException", "Rate exceeded");
    assert_eq!(iot_analytics.record_count("c"), 0);
}

#[tokio::test]
async fn what_is_no_call_of_the_model_is_refused() {
    let iot_analytics = double().await;
    let url = iot_analytics.url();
    let call = || Call::batch_put_message("c", [("1", "a")]);
    let get = Call {
        method: "GET",
        ..call()
    };
    let path = Call {
        path: "/messages",
        ..call()
    };
    for other in [get, path] {
        let heard = other.send(&url).await;
        heard.assert_error(404, "UnknownOperationException", "");
    }
    let other = call().with_header("content-type", "application/x-amz-json-1.1");
    let heard = other.send(&url).await;
    heard.assert_error(415, "UnsupportedMediaTypeException", "");
    for (body, words) in [
        (Value::Null, "null"),
        (json!({"messages": []}), "channelName"),
        (json!({"channelName": "c"}), "messages"),
        (
            json!({"channelName": "c", "messages": [{"payload": "YQ=="}]}),
            "messageId",
        ),
        (
            json!({"channelName": "c", "messages": [{"messageId": "1", "payload": "{}"}]}),
            "not base64",
        ),
    ] {
        let heard = Call::iot_analytics(&body).send(&url).await;
        heard.assert_error(400, "SerializationException", words);
    }
    let firehose = Call {
        service: "firehose",
        ..call()
    };
    let heard = firehose.send(&url).await;
    heard.assert_error(403, "InvalidSignatureException", "'iotanalytics'");
    assert_eq!(iot_analytics.record_count("c"), 0);
}

#[tokio::test]
async fn errors_are_told_apart_by_a_header_as_the_service_does() {
    let iot_analytics = double().await;
    let url = iot_analytics.url();
    let call = Call::batch_put_message("c", [("1", "a")]);
    for (answer, status, code) in [
        (IotAnalyticsDouble::throttling(), 429, "ThrottlingException"),
        (
            IotAnalyticsDouble::service_unavailable(),
            503,
            "ServiceUnavailableException",
        ),
        (
            IotAnalyticsDouble::internal_failure(),
            500,
            "InternalFailureException",
        ),
        (
            IotAnalyticsDouble::invalid_request("no"),
            400,
            "InvalidRequestException",
        ),
        (
            IotAnalyticsDouble::resource_not_found(),
            404,
            "ResourceNotFoundException",
        ),
        (
            IotAnalyticsDouble::access_denied(),
            403,
            "AccessDeniedException",
        ),
    ] {
        iot_analytics.script([answer]);
        let heard = call.send(&url).await;
        heard.assert_error(status, code, "");
        let Heard::Answer { headers, .. } = heard else {
            unreachable!("it had an error");
        };
        assert!(headers["x-amzn-errortype"].starts_with(&format!("{code}:http")));
    }
    iot_analytics.delete("c");
    let heard = call.send(&url).await;
    heard.assert_error(
        404,
        "ResourceNotFoundException",
        "A resource with the specified name could not be found.",
    );
    assert_eq!(iot_analytics.record_count("c"), 0);
}
