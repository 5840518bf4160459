//! The Firehose double: what it takes, and each limit, once.

use perennial_doubles::{Answer, FirehoseDouble, Operation};
use serde_json::{Value, json};

use crate::client::Call;

async fn double() -> FirehoseDouble {
    FirehoseDouble::start().await.unwrap()
}

#[tokio::test]
async fn records_are_taken_in_order_and_each_gets_a_name() {
    let firehose = double().await;
    let url = firehose.url();
    let (status, body) = Call::put_record("one", b"a").send(&url).await.answer();
    assert_eq!(
        (status, body),
        (
            200,
            json!({"RecordId": "record-00000001", "Encrypted": false})
        )
    );
    let batch = Call::put_record_batch("two", [&b"b"[..], b"", b"\xff\n"]);
    let (status, body) = batch.send(&url).await.answer();
    let wanted = json!({"FailedPutCount": 0, "Encrypted": false, "RequestResponses": [
        {"RecordId": "record-00000002"},
        {"RecordId": "record-00000003"},
        {"RecordId": "record-00000004"},
    ]});
    assert_eq!((status, body), (200, wanted));
    assert_eq!(firehose.records("one"), [&b"a"[..]]);
    assert_eq!(firehose.records("two"), [&b"b"[..], b"", b"\xff\n"]);
    assert_eq!(firehose.record_count("three"), 0);
    let operations: Vec<_> = firehose
        .requests()
        .iter()
        .map(|request| request.operation.unwrap())
        .collect();
    assert_eq!(
        operations,
        [Operation::PutRecord, Operation::PutRecordBatch]
    );
}

#[tokio::test]
async fn a_request_at_the_limits_passes() {
    let firehose = double().await;
    let url = firehose.url();
    let name = "a".repeat(64);
    for call in [
        Call::put_record_batch(&name, vec![b"x"; 500]),
        Call::put_record("Stream_1.2-3", &vec![0; 1_024_000]),
        Call::put_record_batch(
            "stream",
            [1_024_000, 1_024_000, 1_024_000, 1_024_000, 98_304].map(|size| vec![0; size]),
        ),
    ] {
        assert_eq!(call.send(&url).await.answer().0, 200);
    }
}

#[tokio::test]
async fn a_request_beyond_a_limit_is_refused_and_uses_up_no_answer() {
    let firehose = double().await;
    firehose.script([Answer::throttling()]);
    let url = firehose.url();
    let long = "a".repeat(65);
    let none: [&str; 0] = [];
    for (call, words) in [
        (Call::put_record_batch("s", none), "between 1 and 500"),
        (
            Call::put_record_batch("s", vec![b"x"; 501]),
            "between 1 and 500",
        ),
        (
            Call::put_record("s", &vec![0; 1_024_001]),
            "'records.1.member.data'",
        ),
        (
            Call::put_record_batch(
                "s",
                [1_024_000, 1_024_000, 1_024_000, 1_024_000, 98_305].map(|size| vec![0; size]),
            ),
            "4 MB",
        ),
        (Call::put_record("", b"a"), "deliveryStreamName"),
        (Call::put_record("two words", b"a"), "deliveryStreamName"),
        (Call::put_record(&long, b"a"), "deliveryStreamName"),
    ] {
        let heard = call.send(&url).await;
        heard.assert_error(400, "InvalidArgumentException", words);
    }
    let refused = firehose.requests().into_iter();
    let refused: Vec<_> = refused.map(|request| request.refused.unwrap()).collect();
    assert_eq!(refused, ["InvalidArgumentException"; 7]);
    let heard = Call::put_record("s", b"a").send(&url).await;
    heard.assert_error(400, "ThrottlingException", "Rate exceeded");
    assert_eq!(firehose.record_count("s"), 0);
}

#[tokio::test]
async fn what_is_no_call_of_the_model_is_refused() {
    let firehose = double().await;
    let url = firehose.url();
    let call = || Call::put_record("s", b"a");
    let get = Call {
        method: "GET",
        ..call()
    };
    let path = Call {
        path: "/records",
        ..call()
    };
    for other in [
        call().with_header("x-amz-target", "Firehose_20150804.ListDeliveryStreams"),
        call().with_header("content-type", "application/json"),
        get,
        path,
    ] {
        let heard = other.send(&url).await;
        heard.assert_error(400, "UnknownOperationException", "");
    }
    for (body, words) in [
        (json!({}), "DeliveryStreamName"),
        (json!({"DeliveryStreamName": "s"}), "Record"),
        (
            json!({"DeliveryStreamName": "s", "Record": {"Data": 7}}),
            "expected a string",
        ),
        (
            json!({"DeliveryStreamName": "s", "Record": {"Data": "no base64"}}),
            "not base64",
        ),
        (Value::Null, "null"),
    ] {
        let heard = Call::firehose("PutRecord", &body).send(&url).await;
        heard.assert_error(400, "SerializationException", words);
    }
    let cut = Call {
        body: "{\"DeliveryStreamName\"".to_owned(),
        ..call()
    };
    let heard = cut.send(&url).await;
    heard.assert_error(400, "SerializationException", "EOF");
    assert_eq!(firehose.record_count("s"), 0);
}

#[tokio::test]
async fn a_stream_that_is_deleted_is_not_found_until_it_is_created() {
    let firehose = double().await;
    let url = firehose.url();
    firehose.delete("gone");
    let heard = Call::put_record("gone", b"a").send(&url).await;
    heard.assert_error(
        400,
        "ResourceNotFoundException",
        "Firehose gone not found under account 123456789012.",
    );
    assert_eq!(
        Call::put_record("here", b"a").send(&url).await.answer().0,
        200
    );
    firehose.create("gone");
    assert_eq!(
        Call::put_record("gone", b"b").send(&url).await.answer().0,
        200
    );
    assert_eq!(firehose.records("gone"), ["b"]);
}

#[tokio::test]
async fn an_outage_closes_the_port_and_what_came_before_is_remembered() {
    let mut firehose = double().await;
    let url = firehose.url();
    let call = Call::put_record("s", b"a");
    call.send(&url).await.answer();
    firehose.stop().await;
    let address = url.trim_start_matches("http://");
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    firehose.restart().await.unwrap();
    assert_eq!(firehose.url(), url);
    call.send(&url).await.answer();
    assert_eq!(firehose.records("s"), ["a", "a"]);
}
