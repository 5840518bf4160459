//! The parameters of V1's connectors under their names in V1.

use std::time::Duration;

use perennial_connectors::{Contract, DeliverySettings, WhenFull};
use serde_json::{Value, json};

use crate::support::{ARN, build_contract, contract_problems};

/// Both contracts, and a parameter that each needs.
const KINDS: [(&str, &str, &str); 2] = [
    ("firehose", "DefaultDeliveryStreamArn", ARN),
    ("iot-analytics", "IotAnalyticsDefaultChannelName", "others"),
];

fn iot_analytics(parameters: Value) -> Box<dyn Contract> {
    build_contract("iot-analytics", parameters)
}

fn delivery(kind: &str, name: &str, text: &str) -> DeliverySettings {
    build_contract(kind, with_what_is_needed(kind, name, json!(text))).delivery()
}

fn with_what_is_needed(kind: &str, name: &str, value: Value) -> Value {
    let (_, needed, text) = KINDS.iter().find(|(known, ..)| *known == kind).unwrap();
    let mut parameters = json!({*needed: text});
    parameters[name] = value;
    parameters
}

/// That `texts` are refused under `name`, each with what was found and V1's pattern.
#[track_caller]
fn assert_refused(kind: &str, name: &str, pattern: &str, texts: &[&str]) {
    for text in texts {
        let problems = contract_problems(kind, with_what_is_needed(kind, name, json!(text)));
        let [problem] = &problems[..] else {
            panic!("{name} = {text:?} is one problem: {problems:?}");
        };
        let found = format!("{name}: found ");
        assert!(problem.starts_with(&found), "{problem}");
        let cited = format!(" in a text of V1's pattern {pattern}");
        assert!(problem.ends_with(&cited), "{problem}");
        assert!(problem.len() < 400, "{problem}");
    }
}

#[test]
fn the_parameters_of_a_group_are_taken_as_they_stand() {
    let contract = iot_analytics(json!({
        "MemorySize": "65535",
        "PublishRegion": "us-west-1",
        "PublishInterval": "2",
        "IotAnalyticsMaxActiveChannels": "25",
        "IotAnalyticsQueueDropBehavior": "DROP_OLDEST",
        "IotAnalyticsQueueSizePerChannel": "1028",
        "IotAnalyticsBatchSizePerChannel": "5",
        "IotAnalyticsDefaultChannelName": "my_channel",
        "IsolationMode": "GreengrassContainer",
    }));
    assert_eq!(
        contract.delivery(),
        DeliverySettings {
            linger: Duration::from_secs(2),
            batch_records: Some(5),
            queue_records: 1_028,
            when_full: WhenFull::DropOldest,
            max_destinations: Some(25),
            memory_bytes: Some(65_535 * 1_024),
            ..iot_analytics(json!({})).delivery()
        }
    );
    assert_eq!(contract.default_destination(), Some("my_channel"));
    assert_eq!(contract.publish_region(), Some("us-west-1"));

    let contract = build_contract(
        "firehose",
        json!({
            "DefaultDeliveryStreamArn": ARN,
            "DeliveryStreamQueueSize": "5000",
            "MemorySize": "65535",
            "PublishInterval": "10",
            "IsolationMode": "NoContainer",
        }),
    );
    assert_eq!(
        contract.delivery(),
        DeliverySettings {
            linger: Duration::from_secs(10),
            queue_records: 5_000,
            memory_bytes: Some(65_535 * 1_024),
            ..delivery("firehose", "PublishInterval", "1")
        }
    );
    assert_eq!(contract.default_destination(), Some(ARN));
}

#[test]
fn an_empty_text_is_the_default_where_v1_took_one() {
    let contract = iot_analytics(json!({
        "PublishRegion": "",
        "PublishInterval": "",
        "IotAnalyticsMaxActiveChannels": "",
        "IotAnalyticsQueueSizePerChannel": "",
        "IotAnalyticsBatchSizePerChannel": "",
    }));
    assert_eq!(contract.delivery(), iot_analytics(json!({})).delivery());
    assert_eq!(contract.publish_region(), None);
}

#[test]
fn the_bounds_of_each_number_are_taken() {
    let (iot_analytics, firehose) = ("iot-analytics", "firehose");
    for (kind, text, seconds) in [
        (iot_analytics, "0", 0),
        (iot_analytics, "007", 7),
        (iot_analytics, "900", 900),
        (firehose, "0", 0),
        (firehose, "9", 9),
        (firehose, "899", 899),
        (firehose, "900", 900),
    ] {
        let linger = delivery(kind, "PublishInterval", text).linger;
        assert_eq!(linger, Duration::from_secs(seconds), "{kind} {text}");
    }
    for (text, bytes) in [
        ("0", 1 << 20),
        ("1", 1 << 20),
        ("1023", 1 << 20),
        ("1025", 1_025 << 10),
        ("1073741824", 1 << 40),
    ] {
        for kind in [iot_analytics, firehose] {
            let memory = delivery(kind, "MemorySize", text).memory_bytes;
            assert_eq!(memory, Some(bytes), "{kind} {text}");
        }
    }
    for records in [2_000, 9_999, 10_000, 1_000_000_000] {
        let delivery = delivery(firehose, "DeliveryStreamQueueSize", &records.to_string());
        assert_eq!(delivery.queue_records, records);
    }
    for records in [1, 1_000_000_000] {
        let name = "IotAnalyticsQueueSizePerChannel";
        let delivery = delivery(iot_analytics, name, &records.to_string());
        assert_eq!(delivery.queue_records, records);
    }
    for number in [1, 10_000] {
        let text = number.to_string();
        let delivery = |name| delivery(iot_analytics, name, &text);
        let channels = delivery("IotAnalyticsMaxActiveChannels").max_destinations;
        let records = delivery("IotAnalyticsBatchSizePerChannel").batch_records;
        assert_eq!((channels, records), (Some(number), Some(number)));
    }
    let newest = delivery(
        iot_analytics,
        "IotAnalyticsQueueDropBehavior",
        "DROP_NEWEST",
    );
    assert_eq!(newest.when_full, WhenFull::RejectNewest);
}

#[test]
fn a_text_that_v1_would_have_refused_is_refused_with_its_pattern() {
    let long = "9".repeat(10_000);
    let no_numbers = ["-1", "+1", "1.0", " 1", "1s", "٣", "ten", &long];
    let refused = |kind, name, pattern, more: &[&str]| {
        assert_refused(kind, name, pattern, &no_numbers);
        assert_refused(kind, name, pattern, more);
    };
    let (iot_analytics, firehose) = ("iot-analytics", "firehose");
    refused(
        iot_analytics,
        "PublishInterval",
        "^$|^[0-9]+$",
        &["901", "1000"],
    );
    refused(
        firehose,
        "PublishInterval",
        r"[0-9]|[1-9]\d|[1-9]\d\d|900",
        &["", "00", "05", "901", "999"],
    );
    let above = ((1_u64 << 30) + 1).to_string();
    for kind in [iot_analytics, firehose] {
        refused(kind, "MemorySize", "^[0-9]+$", &["", &above, "64MiB"]);
        assert_refused(
            kind,
            "IsolationMode",
            "^NoContainer$|^GreengrassContainer$",
            &["", "Container", "nocontainer"],
        );
    }
    let natural = "^$|^[1-9][0-9]*$";
    for (name, above) in [
        ("IotAnalyticsMaxActiveChannels", "10001"),
        ("IotAnalyticsQueueSizePerChannel", "1000000001"),
        ("IotAnalyticsBatchSizePerChannel", "1000001"),
    ] {
        refused(iot_analytics, name, natural, &["0", "01", above]);
    }
    assert_refused(
        iot_analytics,
        "IotAnalyticsQueueDropBehavior",
        "^DROP_NEWEST$|^DROP_OLDEST$",
        &["", "drop_oldest", "DROP_OLDEST "],
    );
    refused(
        firehose,
        "DeliveryStreamQueueSize",
        r"^([2-9]\d{3}|[1-9]\d{4,})$",
        &["", "0", "1999", "02000", "1000000001"],
    );
    assert_refused(
        iot_analytics,
        "PublishRegion",
        r"^$|([a-z]{2}-[a-z]+-\d{1})",
        &["us-gov-west-1", "us-east-10", "US-EAST-1", "us-east", " "],
    );
}

#[test]
fn a_place_that_v1_would_not_have_known_is_refused_with_its_pattern() {
    let channel = "c".repeat(129);
    for text in ["", "my-channel", "__a", "é", &channel] {
        let parameters = json!({"IotAnalyticsDefaultChannelName": text});
        let problems = contract_problems("iot-analytics", parameters);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].ends_with("V1's pattern ^[a-zA-Z0-9_]+$"),
            "{problems:?}"
        );
    }
    for text in [
        "",
        "stream-a",
        "arn:aws-cn:firehose:cn-north-1:123456789012:deliverystream/a",
        "arn:aws:firehose:us-gov-west-1:123456789012:deliverystream/a",
        "arn:aws:firehose:eu-west-1:1234:deliverystream/a",
        "arn:aws:firehose:eu-west-1:123456789012:deliverystream/a b",
    ] {
        let parameters = json!({"DefaultDeliveryStreamArn": text});
        let problems = contract_problems("firehose", parameters);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let pattern = concat!(
            r"V1's pattern arn:aws:firehose:([a-z]{2}-[a-z]+-\d{1}):(\d{12}):",
            r"deliverystream/([a-zA-Z0-9_\-.]+)$"
        );
        assert!(problems[0].ends_with(pattern), "{problems:?}");
    }
}

#[test]
fn in_v1_every_value_is_a_text() {
    for (kind, name, value) in [
        ("iot-analytics", "PublishInterval", json!(1)),
        ("iot-analytics", "IotAnalyticsMaxActiveChannels", json!(50)),
        ("firehose", "DeliveryStreamQueueSize", json!(5_000)),
        ("firehose", "MemorySize", json!(65_535)),
    ] {
        let problems = contract_problems(kind, with_what_is_needed(kind, name, value.clone()));
        assert_eq!(problems, [format!("{name}: {value} is not a text")]);
    }
}

#[test]
fn a_parameter_has_one_of_its_names_and_not_both() {
    for (kind, key, ours, name, of_v1) in [
        (
            "firehose",
            "default_delivery_stream_arn",
            json!(ARN),
            "DefaultDeliveryStreamArn",
            ARN,
        ),
        (
            "firehose",
            "publish_interval",
            json!(1),
            "PublishInterval",
            "1",
        ),
        (
            "firehose",
            "delivery_stream_queue_size",
            json!(5_000),
            "DeliveryStreamQueueSize",
            "5000",
        ),
        (
            "firehose",
            "memory_size",
            json!(1 << 20),
            "MemorySize",
            "1024",
        ),
        (
            "iot-analytics",
            "publish_region",
            json!("us-east-1"),
            "PublishRegion",
            "us-east-1",
        ),
        (
            "iot-analytics",
            "publish_interval",
            json!(1),
            "PublishInterval",
            "",
        ),
        (
            "iot-analytics",
            "max_active_channels",
            json!(1),
            "IotAnalyticsMaxActiveChannels",
            "1",
        ),
        (
            "iot-analytics",
            "queue_drop_behavior",
            json!("drop_oldest"),
            "IotAnalyticsQueueDropBehavior",
            "DROP_OLDEST",
        ),
        (
            "iot-analytics",
            "queue_size_per_channel",
            json!(1),
            "IotAnalyticsQueueSizePerChannel",
            "1",
        ),
        (
            "iot-analytics",
            "batch_size_per_channel",
            json!(1),
            "IotAnalyticsBatchSizePerChannel",
            "1",
        ),
        (
            "iot-analytics",
            "default_channel_name",
            json!("others"),
            "IotAnalyticsDefaultChannelName",
            "others",
        ),
        (
            "iot-analytics",
            "memory_size",
            json!(1 << 20),
            "MemorySize",
            "1024",
        ),
    ] {
        let mut parameters = with_what_is_needed(kind, name, json!(of_v1));
        parameters[key] = ours;
        assert_eq!(
            contract_problems(kind, parameters),
            [format!(
                "{name}: `{key}` is there too, which means the same; one of them goes"
            )]
        );
    }
}
