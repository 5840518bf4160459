//! What the parameters do, and what is said of wrong ones.

use std::time::Duration;

use perennial_connectors::{AfterFailure, DeliverySettings};
use serde_json::json;

use crate::support::{ARN, contract_problems};

use super::{MESSAGE, OTHER_ARN, accept_by, firehose, firehose_with};

#[test]
fn the_first_version_had_no_batches_unless_they_are_asked_for() {
    let linger = |more| firehose_with(more).delivery().linger;
    assert_eq!(linger(json!({"status_format": 1})), Duration::ZERO);
    assert_eq!(linger(json!({"status_format": 2})), Duration::from_secs(1));
    assert_eq!(
        linger(json!({"status_format": 1, "publish_interval": 3})),
        Duration::from_secs(3)
    );
}

/// A request for a record to go to `stream`.
fn request_to(stream: &str) -> String {
    json!({"request": {"data": "d", "delivery_stream_arn": stream}, "id": "1"}).to_string()
}

#[test]
fn a_stream_that_is_not_allowed_is_refused_and_the_default_one_never_is() {
    for (allowed, is_allowed) in [
        (json!([]), false),
        (
            json!(["arn:aws:firehose:us-east-1:123456789012:deliverystream/stream-*"]),
            false,
        ),
        (json!(["arn:aws:firehose:eu-west-1:*"]), false),
        (json!([OTHER_ARN]), true),
        (
            json!(["arn:aws:firehose:*:*:deliverystream/nothing", "*"]),
            true,
        ),
        (
            json!(["arn:aws:firehose:us-*:123456789012:deliverystream/stream?-name"]),
            true,
        ),
    ] {
        let contract = firehose_with(json!({"allowed_delivery_streams": allowed}));
        for request in [&*request_to(ARN), r#"{"request":{"data":"d"}}"#] {
            let (destination, ..) = accept_by(&*contract, MESSAGE, request).unwrap();
            assert_eq!(destination, ARN);
        }
        match accept_by(&*contract, MESSAGE, request_to(OTHER_ARN)) {
            Ok((destination, ..)) => assert_eq!((&*destination, is_allowed), (OTHER_ARN, true)),
            Err(rejection) => {
                assert!(!is_allowed, "{allowed}");
                assert_eq!(
                    (&*rejection.id, &*rejection.code),
                    ("1", "AccessDeniedException")
                );
                assert_eq!(
                    rejection.message,
                    format!(
                        "records may not go to {OTHER_ARN}; \
                         the gateway's allowed_delivery_streams do not have it"
                    )
                );
            }
        }
    }
}

#[test]
fn patterns_of_streams_are_checked_when_they_are_read() {
    let problems = contract_problems(
        "firehose",
        json!({
            "default_delivery_stream_arn": ARN,
            "allowed_delivery_streams": ["*", "arn:aws:firehose:euwest1:*", "stream-?"],
        }),
    );
    let [region, prefix] = &problems[..] else {
        panic!("two are wrong: {problems:?}");
    };
    for (problem, part) in [
        (region, "its region is \"euwest1\""),
        (prefix, "it begins with \"stream-?\""),
    ] {
        assert!(
            problem.starts_with("allowed_delivery_streams: "),
            "{problem}"
        );
        assert!(problem.contains(part), "{problem}");
        assert!(problem.contains("`*` stands for any text"), "{problem}");
    }
}

#[test]
fn its_queue_is_set_by_parameters() {
    let unordered = |linger, queue_records| DeliverySettings {
        ordered: false,
        after_failure: AfterFailure::SendLast,
        ..DeliverySettings::new(linger, queue_records)
    };
    assert_eq!(
        firehose().delivery(),
        unordered(Duration::from_secs(1), 1_000_000)
    );
    let contract = firehose_with(json!({
        "publish_interval": 900,
        "delivery_stream_queue_size": 2_000,
        "memory_size": 3 << 20,
    }));
    assert_eq!(
        contract.delivery(),
        DeliverySettings {
            memory_bytes: Some(3 << 20),
            ..unordered(Duration::from_secs(900), 2_000)
        }
    );
    assert_eq!(contract.publish_region(), None);
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        contract_problems(
            "firehose",
            json!({
                "status_format": 3,
                "publish_interval": 901,
                "delivery_stream_queue_size": 1_999,
                "memory_size": 1,
            })
        ),
        [
            "default_delivery_stream_arn is needed: default_delivery_stream_arn = \
             \"arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream\"",
            "status_format: 3 is not a number in 1..=2",
            "publish_interval: 901 is not a time in 0ns..=900s",
            "delivery_stream_queue_size: 1999 is not a number in 2000..=1000000000",
            "memory_size: 1 is not a number in 1048576..=1099511627776",
        ]
    );
    assert_eq!(
        contract_problems(
            "firehose",
            json!({"default_delivery_stream_arn": "arn:aws:firehose:us-east-1:12:deliverystream/a"})
        ),
        ["default_delivery_stream_arn: \
          \"arn:aws:firehose:us-east-1:12:deliverystream/a\" is not a delivery stream: \
          its account is \"12\"; it has twelve digits, \
          as in arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream"]
    );
}
