//! The Firehose upstream against a Firehose that works: calls, regions, credentials, parameters.

use perennial_connectors::{BatchLimits, FailureClass, Outcome};
use perennial_doubles::Operation;
use serde_json::json;

use crate::support::{ARN, Firehose, all_delivered, batch, build_upstream, upstream_problems};

#[tokio::test]
async fn a_batch_goes_by_put_record_batch_and_one_record_by_put_record() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    for records in [1, 2, 500] {
        let sent = batch(ARN, (0..records).map(|number| number.to_string()));
        upstream.send(&sent).await.unwrap();
    }
    let requests = firehose.double.requests();
    let calls: Vec<_> = requests
        .iter()
        .map(|request| (request.operation.unwrap(), request.records.len()))
        .collect();
    assert_eq!(
        calls,
        [
            (Operation::PutRecord, 1),
            (Operation::PutRecordBatch, 2),
            (Operation::PutRecordBatch, 500),
        ]
    );
    assert!(requests.iter().all(|request| request.stream == "stream-a"));
    assert!(requests.iter().all(|request| request.refused.is_none()));
}

#[tokio::test]
async fn the_receipt_is_the_name_that_the_service_gave() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let outcomes = [
        upstream.send(&batch(ARN, ["a"])).await.unwrap(),
        upstream.send(&batch(ARN, ["b", "c"])).await.unwrap(),
    ]
    .concat();
    let named: Vec<_> = firehose
        .double
        .requests()
        .into_iter()
        .flat_map(|request| request.record_ids)
        .collect();
    let receipts: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Delivered { receipt } => receipt,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(receipts, named);
    assert!(receipts.iter().all(Option::is_some));
}

#[tokio::test]
async fn the_region_is_the_one_of_the_stream() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    for region in ["eu-west-1", "us-gov-west-1", "eu-west-1"] {
        let arn = format!("arn:aws:firehose:{region}:123456789012:deliverystream/s");
        upstream.send(&batch(&arn, ["a"])).await.unwrap();
    }
    assert_eq!(
        regions(&firehose),
        ["eu-west-1", "us-gov-west-1", "eu-west-1"]
    );
}

#[tokio::test]
async fn a_region_that_is_configured_is_the_one_of_every_request() {
    let firehose = Firehose::start().await;
    let upstream = build_upstream(
        "firehose",
        firehose.settings(json!({"region": "ap-south-1"})),
    );
    upstream.send(&batch(ARN, ["a"])).await.unwrap();
    upstream.send(&batch("stream-b", ["b"])).await.unwrap();
    assert_eq!(regions(&firehose), ["ap-south-1", "ap-south-1"]);
    assert_eq!(firehose.double.records("stream-b"), ["b"]);
}

#[tokio::test]
async fn streams_in_more_regions_than_clients_are_kept_all_get_their_records() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let regions_sent: Vec<_> = (0..80)
        .map(|number| format!("xx-test-{}", number % 40))
        .collect();
    for region in &regions_sent {
        let arn = format!("arn:aws:firehose:{region}:123456789012:deliverystream/s");
        upstream.send(&batch(&arn, ["a"])).await.unwrap();
    }
    assert_eq!(regions(&firehose), regions_sent);
}

#[tokio::test]
async fn credentials_come_from_the_file_and_the_profile() {
    let firehose = Firehose::start().await;
    firehose.upstream().send(&batch(ARN, ["a"])).await.unwrap();
    let other = build_upstream("firehose", firehose.settings(json!({"profile": "other"})));
    other.send(&batch(ARN, ["b"])).await.unwrap();
    assert_eq!(access_keys(&firehose), ["AKIDTEST", "AKIDOTHER"]);
}

#[tokio::test]
async fn credentials_are_not_looked_for_before_the_first_batch_and_may_come_late() {
    let firehose = Firehose::start().await;
    std::fs::remove_file(firehose.credentials_file()).unwrap();
    let upstream = firehose.upstream();

    let error = upstream.send(&batch(ARN, ["a"])).await.unwrap_err();
    assert_eq!(error.code, "ConfigurationError", "{error}");
    assert!(error.message.contains("profile"), "{error}");
    assert_eq!(firehose.double.requests().len(), 0);

    firehose.write_credentials("AKIDLATE");
    assert!(all_delivered(
        &upstream.send(&batch(ARN, ["a"])).await.unwrap(),
        1
    ));
    assert_eq!(access_keys(&firehose), ["AKIDLATE"]);
}

#[tokio::test]
async fn what_names_no_stream_is_rejected_and_nothing_is_sent() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    for destination in [
        "",
        "two words",
        "arn:aws:firehose:eu-west-1:12:deliverystream/a",
    ] {
        let problem = upstream.check(destination).unwrap_err();
        assert!(problem.contains("is not a delivery stream"), "{problem}");
        let outcomes = upstream
            .send(&batch(destination, ["a", "b"]))
            .await
            .unwrap();
        let rejected = Outcome::Rejected {
            code: "InvalidArgumentException".to_owned(),
            message: problem,
        };
        assert_eq!(outcomes, [rejected.clone(), rejected]);
    }
    assert_eq!(upstream.check(ARN), Ok(()));
    assert_eq!(upstream.check("stream.b_-9"), Ok(()));
    assert_eq!(firehose.double.requests().len(), 0);
}

#[tokio::test]
async fn the_limits_are_those_of_the_service_or_smaller_ones_for_a_slow_line() {
    let firehose = Firehose::start().await;
    let limits = BatchLimits {
        records: 500,
        bytes: 4_194_304,
        record_bytes: 1_024_000,
        in_flight: 4,
        linger: None,
    };
    assert_eq!(firehose.upstream().limits(), limits);
    let slow = build_upstream(
        "firehose",
        firehose.settings(json!({"batch_bytes": 65_536})),
    );
    assert_eq!(
        slow.limits(),
        BatchLimits {
            bytes: 65_536,
            record_bytes: 65_536,
            ..limits
        }
    );
}

#[tokio::test]
async fn the_double_refuses_what_goes_beyond_the_limits() {
    let firehose = Firehose::start().await;
    let upstream = firehose.upstream();
    let too_many = batch(ARN, (0..501).map(|number| number.to_string()));
    let too_large = batch(ARN, [vec![0; 1_024_001], vec![0]]);
    let too_much = batch(
        ARN,
        [
            vec![0; 1_000_000],
            vec![0; 1_000_000],
            vec![0; 1_000_000],
            vec![0; 1_000_000],
            vec![0; 194_305],
        ],
    );
    for refused in [too_many, too_large, too_much] {
        let error = upstream.send(&refused).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::Refused, "InvalidArgumentException")
        );
    }
    assert_eq!(firehose.double.records("stream-a").len(), 0);
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "firehose",
            json!({
                "region": "EU West",
                "endpoint_url": "127.0.0.1:5000",
                "timeout": 0.5,
                "batch_bytes": 5_000_000,
            })
        ),
        [
            "batch_bytes: 5000000 is not a number in 1024..=4194304",
            "timeout: 0.5 is not a time in 1s..=600s",
            "region: found \"EU West\"; a region is one such as \"us-east-1\"",
            "endpoint_url: found \"127.0.0.1:5000\"; an endpoint is one such as \"http://127.0.0.1:5000\"",
        ]
    );
}

fn regions(firehose: &Firehose) -> Vec<String> {
    firehose
        .double
        .requests()
        .into_iter()
        .map(|request| request.region)
        .collect()
}

fn access_keys(firehose: &Firehose) -> Vec<String> {
    firehose
        .double
        .requests()
        .into_iter()
        .map(|request| request.access_key)
        .collect()
}
