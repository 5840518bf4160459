//! The Kinesis upstream against the Kinesis of the moto server.

use aws_sdk_kinesis::{
    Client,
    types::{Record, ShardIteratorType},
};
use perennial_connectors::{BatchLimits, Outcome, RecordRef};
use serde_json::json;

use crate::{
    moto::{Moto, MotoAccess},
    support::{all_delivered, batch, build_upstream, payloads, record, upstream_problems},
};

/// A stream of one shard, so that all its records are in one order.
pub(crate) struct KinesisStream {
    client: Client,
    name: String,
}

impl KinesisStream {
    pub(crate) async fn create() -> Self {
        let moto = Moto::shared();
        let stream = Self {
            client: Client::new(&moto.sdk_config().await),
            name: moto.fresh_name("stream"),
        };
        let request = stream.client.create_stream().shard_count(1);
        request.stream_name(&stream.name).send().await.unwrap();
        stream
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All records of the shard, in its order.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let request = self.client.get_shard_iterator().stream_name(&self.name);
        let iterator = request
            .shard_id("shardId-000000000000")
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let mut records = Vec::new();
        let mut next = iterator.shard_iterator;
        while let Some(from) = next {
            let request = self.client.get_records().shard_iterator(from);
            let found = request.send().await.unwrap();
            next = found
                .next_shard_iterator
                .filter(|_| !found.records.is_empty());
            records.extend(found.records);
        }
        records
    }

    async fn arn(&self) -> String {
        let request = self.client.describe_stream_summary();
        let summary = request.stream_name(&self.name).send().await.unwrap();
        let summary = summary.stream_description_summary.unwrap();
        summary.stream_arn
    }
}

#[tokio::test]
async fn a_stream_is_found_by_its_name_and_by_its_arn() {
    let (moto, stream) = (MotoAccess::new(), KinesisStream::create().await);
    let upstream = build_upstream("kinesis", moto.settings(json!({})));
    for destination in [stream.name(), &stream.arn().await] {
        assert_eq!(upstream.check(destination), Ok(()));
        let outcomes = upstream.send(&batch(destination, ["a", "b"])).await;
        assert!(all_delivered(&outcomes.unwrap(), 2));
    }
    assert_eq!(stream.records().await.len(), 4);
}

#[tokio::test]
async fn the_receipt_is_the_sequence_number() {
    let (moto, stream) = (MotoAccess::new(), KinesisStream::create().await);
    let upstream = build_upstream("kinesis", moto.settings(json!({})));
    let sent = batch(stream.name(), ["a", "b"]);
    let outcomes = upstream.send(&sent).await.unwrap();
    let delivered = |record: Record| Outcome::Delivered {
        receipt: Some(record.sequence_number),
    };
    let records = stream.records().await;
    assert_eq!(
        outcomes,
        records.into_iter().map(delivered).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_partition_key_is_the_client_or_what_the_template_says() {
    for (template, key) in [
        (None, "pump"),
        (Some("${topic}"), "kinesisfirehose/message"),
        (Some("${id}-${client_id}"), "request123-pump"),
        (Some("all"), "all"),
    ] {
        let (moto, stream) = (MotoAccess::new(), KinesisStream::create().await);
        let mut settings = moto.settings(json!({}));
        if let Some(template) = template {
            settings["partition_key"] = json!(template);
        }
        let upstream = build_upstream("kinesis", settings);
        upstream.send(&batch(stream.name(), ["a"])).await.unwrap();
        assert_eq!(stream.records().await[0].partition_key(), Some(key));
    }
}

#[tokio::test]
async fn a_key_that_the_service_does_not_take_costs_no_record() {
    let (moto, stream) = (MotoAccess::new(), KinesisStream::create().await);
    let upstream = build_upstream("kinesis", moto.settings(json!({})));
    let mut sent = batch(stream.name(), ["a", "b", "c", "d"]);
    sent.records[0].client_id = "".into();
    sent.records[1].client_id = "c".repeat(256).into();
    sent.records[2].client_id = "c".repeat(257).into();
    sent.records[3].client_id = "\u{1F600}".repeat(129).into();
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 4));

    let records = stream.records().await;
    let keys: Vec<_> = records
        .iter()
        .map(|record| record.partition_key().unwrap())
        .collect();
    assert_eq!(keys[0], "kinesisfirehose/message");
    assert_eq!(keys[1], "c".repeat(256));
    assert_eq!((keys[2].len(), keys[3].len()), (64, 64));
    assert_ne!(keys[2], keys[3]);
}

#[tokio::test]
async fn the_key_counts_in_the_size_of_a_record() {
    let moto = MotoAccess::new();
    let by_topic = json!({"partition_key": "${topic}"});
    let upstream = build_upstream("kinesis", moto.settings(by_topic));
    let record = record("payload");
    let key = "kinesisfirehose/message";
    assert_eq!(
        upstream.size("stream", RecordRef::from(&record)),
        key.len() + "payload".len()
    );
}

#[tokio::test]
async fn moto_refuses_a_record_that_is_larger_with_its_key_than_the_limit() {
    let (moto, stream) = (MotoAccess::new(), KinesisStream::create().await);
    let upstream = build_upstream("kinesis", moto.settings(json!({})));
    let most = upstream.limits().record_bytes - "pump".len();
    let fits = batch(stream.name(), [vec![0; most]]);
    let too_large = batch(stream.name(), [vec![0; most + 1]]);
    upstream.send(&too_large).await.unwrap_err();
    assert!(all_delivered(&upstream.send(&fits).await.unwrap(), 1));
    let arrived = stream.records().await.remove(0).data.into_inner();
    assert_eq!(arrived, payloads(&fits)[0]);
}

#[tokio::test]
async fn a_stream_that_does_not_exist_takes_no_record() {
    let moto = MotoAccess::new();
    let upstream = build_upstream("kinesis", moto.settings(json!({})));
    let outcomes = upstream
        .send(&batch("nobody-made-this", ["a", "b"]))
        .await
        .unwrap();
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let Outcome::Rejected { code, message } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(code, "ResourceNotFoundException");
        assert!(message.contains("nobody-made-this"), "{message}");
    }
}

#[tokio::test]
async fn the_limits_are_those_of_the_service_or_smaller_ones_for_a_slow_line() {
    let limits = BatchLimits {
        records: 500,
        bytes: 5_242_880,
        record_bytes: 1_048_576,
        in_flight: 4,
        linger: None,
    };
    assert_eq!(build_upstream("kinesis", json!({})).limits(), limits);
    let slow = build_upstream("kinesis", json!({"batch_bytes": 65_536}));
    assert_eq!(
        slow.limits(),
        BatchLimits {
            bytes: 65_536,
            record_bytes: 65_536,
            ..limits
        }
    );
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "kinesis",
            json!({
                "partition_key": "${client}",
                "batch_bytes": 6_000_000,
                "timeout": 0.5,
                "stream": "iot-${chanel}",
            })
        ),
        [
            "batch_bytes: 6000000 is not a number in 1024..=5242880",
            "partition_key: there is no variable ${client} here; \
             there are: ${client_id}, ${topic}, ${id}, ${destination}",
            "timeout: 0.5 is not a time in 1s..=600s",
            "stream: there is no variable ${chanel} here; \
             there are: ${destination}, ${channel}, ${stream}, ${region}, ${account}",
        ]
    );
}
