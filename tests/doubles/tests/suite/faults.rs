//! Each fault, once: what the sender hears, and what has arrived.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use perennial_doubles::{Answer, FirehoseDouble, IotAnalyticsDouble};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::client::{Call, Heard, SOON};

async fn double() -> FirehoseDouble {
    FirehoseDouble::start().await.unwrap()
}

/// What the sender of `a` and `b` hears, and how many of them arrive.
async fn hear(answer: Answer) -> (Heard, usize) {
    let firehose = double().await;
    firehose.script([answer]);
    let call = Call::put_record_batch("s", ["a", "b"]);
    let heard = call.send(&firehose.url()).await;
    assert_eq!(firehose.request_count() + firehose.unread_count(), 1);
    (heard, firehose.record_count("s"))
}

#[tokio::test]
async fn errors_of_the_service_arrive_in_its_words_and_the_records_do_not() {
    for (answer, status, code) in [
        (Answer::throttling(), 400, "ThrottlingException"),
        (
            Answer::service_unavailable(),
            503,
            "ServiceUnavailableException",
        ),
        (Answer::internal_failure(), 500, "InternalFailure"),
        (Answer::expired_token(), 403, "ExpiredTokenException"),
        (
            Answer::wrong_region("eu-west-1"),
            403,
            "InvalidSignatureException",
        ),
        (Answer::access_denied(), 400, "AccessDeniedException"),
    ] {
        let (heard, arrived) = hear(answer).await;
        heard.assert_error(status, code, "");
        assert_eq!(arrived, 0);
    }
}

#[tokio::test]
async fn a_failure_without_the_words_of_the_service_is_a_body_of_any_kind() {
    for (answer, wanted_status, wanted) in [
        (Answer::gateway_failure(502), 502, "<html>"),
        (
            Answer::Body {
                status: 500,
                body: String::new(),
            },
            500,
            "",
        ),
        (Answer::malformed(), 200, "{\"FailedPutCount\""),
    ] {
        let (heard, arrived) = hear(answer).await;
        let Heard::Answer {
            status,
            body,
            headers,
        } = heard
        else {
            panic!("{heard:?}");
        };
        assert_eq!((status, arrived), (wanted_status, 0));
        assert!(body.starts_with(wanted), "{body}");
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_err());
        assert!(!headers.contains_key("x-amzn-errortype"));
    }
}

#[tokio::test]
async fn entries_can_be_those_of_no_request() {
    let (heard, arrived) = hear(Answer::WrongEntries).await;
    let (status, body) = heard.answer();
    assert_eq!((status, arrived), (200, 2));
    assert_eq!(body["RequestResponses"].as_array().unwrap().len(), 1);

    let firehose = double().await;
    firehose.script([Answer::WrongEntries]);
    let heard = Call::put_record("s", b"a").send(&firehose.url()).await;
    assert_eq!(heard.answer(), (200, json!({"Encrypted": false})));

    let iot_analytics = IotAnalyticsDouble::start().await.unwrap();
    iot_analytics.script([Answer::WrongEntries]);
    let call = Call::batch_put_message("c", [("1", "a")]);
    let (_, body) = call.send(&iot_analytics.url()).await.answer();
    let entries = body["batchPutMessageErrorEntries"].as_array().unwrap();
    assert_eq!(entries[0]["messageId"], "nobody-sent-this");
    assert_eq!(iot_analytics.record_count("c"), 1);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_the_records_are_taken() {
    for (answer, wanted) in [(Answer::ResetBefore, 0), (Answer::ResetAfter, 2)] {
        let (heard, arrived) = hear(answer).await;
        assert_eq!(heard.broken(), ("", ErrorKind::ConnectionReset));
        assert_eq!(arrived, wanted);
    }
}

#[tokio::test]
async fn a_connection_is_reset_in_the_middle_of_an_answer_that_sounds_good() {
    for (answer, wanted) in [
        (Answer::ResetMidBody, 0),
        (Answer::ResetMidBody.after_taking(), 2),
    ] {
        let (heard, arrived) = hear(answer).await;
        let (got, kind) = heard.broken();
        assert_eq!((kind, arrived), (ErrorKind::ConnectionReset, wanted));
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        assert_eq!(body.len(), length / 2);
        assert!(body.starts_with("{\"Encrypted\":false"), "{body}");
    }
}

#[tokio::test]
async fn a_connection_is_closed_before_the_request_is_read() {
    let firehose = double().await;
    firehose.script([Answer::CloseUnread]);
    let large = Call::put_record("s", &vec![0; 1_000_000]);
    let heard = large.send(&firehose.url()).await;
    let (got, kind) = heard.broken();
    assert_eq!(got, "");
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof),
        "{kind}"
    );
    assert_eq!((firehose.request_count(), firehose.unread_count()), (0, 1));
    assert_eq!(large.send(&firehose.url()).await.answer().0, 200);
    assert_eq!(firehose.record_count("s"), 1);
}

#[tokio::test]
async fn an_answer_that_hangs_ends_with_the_client() {
    let firehose = double().await;
    let url = firehose.url();
    firehose.script([Answer::Hang]);
    let call = Call::put_record("s", b"a");
    {
        let hanging = call.send(&url);
        tokio::pin!(hanging);
        let arrived = firehose.wait_for_requests(1, SOON);
        tokio::select! {
            heard = &mut hanging => panic!("{heard:?}"),
            arrived = arrived => assert_eq!(arrived.unwrap().len(), 1),
        }
        let heard = timeout(Duration::from_millis(200), hanging).await;
        assert!(heard.is_err(), "{heard:?}");
    }
    assert_eq!(call.send(&url).await.answer().0, 200);
    assert_eq!(firehose.records("s"), ["a"]);
}

#[tokio::test]
async fn more_clients_than_are_served_at_once_can_hang_and_go() {
    let firehose = double().await;
    let url = firehose.url();
    firehose.respond_with(|_| Answer::Hang);
    let call = Call::put_record("s", b"a");
    let headers = call.signed(&url);
    for round in 1..=3 {
        let mut streams = Vec::new();
        for _ in 0..100 {
            let host = url.trim_start_matches("http://");
            let mut stream = TcpStream::connect(host).await.unwrap();
            let mut text = "POST / HTTP/1.1\r\n".to_owned();
            for (name, value) in &headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!(
                "content-length: {}\r\n\r\n{}",
                call.body.len(),
                call.body
            ));
            stream.write_all(text.as_bytes()).await.unwrap();
            streams.push(stream);
        }
        let arrived = firehose.wait_for_requests(round * 100, SOON).await;
        assert_eq!(arrived.unwrap().len(), round * 100);
    }
    assert_eq!(firehose.record_count("s"), 0);
}

#[tokio::test]
async fn an_answer_comes_late() {
    let delay = Duration::from_millis(300);
    let started = Instant::now();
    let (heard, arrived) = hear(Answer::Accept.after(delay)).await;
    assert_eq!((heard.answer().0, arrived), (200, 2));
    assert!(started.elapsed() >= delay);

    let started = Instant::now();
    let (heard, arrived) = hear(Answer::throttling().after(delay)).await;
    heard.assert_error(400, "ThrottlingException", "");
    assert_eq!(arrived, 0);
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn what_is_said_to_have_failed_may_have_arrived() {
    let (heard, arrived) = hear(Answer::internal_failure().after_taking()).await;
    heard.assert_error(500, "InternalFailure", "");
    assert_eq!(arrived, 2);

    let (heard, arrived) = hear(Answer::slow_down([1]).after_taking()).await;
    let (_, body) = heard.answer();
    assert_eq!((&body["FailedPutCount"], arrived), (&json!(1), 2));

    let (heard, arrived) = hear(Answer::Accept.after_taking()).await;
    let (_, body) = heard.answer();
    assert_eq!((&body["FailedPutCount"], arrived), (&json!(0), 2));
    assert_eq!(body["RequestResponses"][1]["RecordId"], "record-00000002");
}

#[tokio::test]
async fn chosen_records_fail_and_the_others_arrive() {
    let firehose = double().await;
    let url = firehose.url();
    firehose.script([
        Answer::slow_down([1, 2]),
        Answer::fail_matching(
            |payload| payload.starts_with(b"c"),
            "InternalFailure",
            "in c",
        ),
    ]);
    let (status, body) = Call::put_record_batch("s", ["a", "b", "c"])
        .send(&url)
        .await
        .answer();
    let slow_down =
        json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."});
    let wanted = json!({"FailedPutCount": 2, "Encrypted": false, "RequestResponses": [
        {"RecordId": "record-00000001"}, slow_down, slow_down,
    ]});
    assert_eq!((status, body), (200, wanted));
    let (_, body) = Call::put_record_batch("s", ["b", "c"])
        .send(&url)
        .await
        .answer();
    let wanted = json!({"FailedPutCount": 1, "Encrypted": false, "RequestResponses": [
        {"RecordId": "record-00000002"},
        {"ErrorCode": "InternalFailure", "ErrorMessage": "in c"},
    ]});
    assert_eq!(body, wanted);
    assert_eq!(firehose.records("s"), ["a", "b"]);
    let ids = firehose.requests().into_iter();
    let ids: Vec<_> = ids
        .map(|request| {
            request
                .record_ids
                .iter()
                .map(Option::is_some)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(ids, [vec![true, false, false], vec![true, false]]);

    // The one record of a call fails with the call.
    firehose.script([Answer::slow_down([0])]);
    let heard = Call::put_record("s", b"a").send(&url).await;
    heard.assert_error(503, "ServiceUnavailableException", "Slow down.");
}

#[tokio::test]
async fn a_share_of_the_records_fails_and_exactly_the_others_arrive() {
    let firehose = double().await;
    let url = firehose.url();
    firehose.respond_with(|_| Answer::slow_down_share(0.1));
    let mut failed = 0;
    for _ in 0..10 {
        let call = Call::put_record_batch("s", vec![b"x"; 500]);
        let (_, body) = call.send(&url).await.answer();
        failed += body["FailedPutCount"].as_u64().unwrap() as usize;
    }
    assert!((350..650).contains(&failed), "{failed} of 5000");
    assert_eq!(firehose.record_count("s"), 5_000 - failed);
}

#[tokio::test]
async fn a_poison_record_spoils_its_request_and_no_other() {
    let firehose = double().await;
    let url = firehose.url();
    let poison = Answer::error(400, "InvalidArgumentException", "not a record")
        .if_any(|payload| payload == b"poison");
    firehose.respond_with(move |_| poison.clone());
    for (payloads, passes) in [
        (vec!["a", "poison", "b"], false),
        (vec!["a", "b"], true),
        (vec!["poison"], false),
    ] {
        let heard = Call::put_record_batch("s", payloads).send(&url).await;
        match passes {
            true => assert_eq!(heard.answer().0, 200),
            false => heard.assert_error(400, "InvalidArgumentException", "not a record"),
        }
    }
    assert_eq!(firehose.records("s"), ["a", "b"]);
}
