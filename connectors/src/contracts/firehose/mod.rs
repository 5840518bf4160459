//! The Kinesis Firehose connector of Greengrass V1, versions 2 to 4.
//!
//! Devices publish JSON requests or raw bytes and hear what became of them on one
//! status topic.

mod request;
mod status;

use std::borrow::Cow;

use perennial_rules::{TopicFilter, TopicName};

use crate::{
    Accepted, Contract, ContractKind, DeliverySettings, Publish, Rejection, Report, Settings,
    Status,
    contracts::common::{DEFAULT_LINGER, DEFAULT_QUEUE_RECORDS, LINGER, QUEUE_RECORDS},
    delivery_stream::{DeliveryStreamArn, EXAMPLE_ARN},
};

/// The contract in the table of kinds.
pub(crate) const KIND: ContractKind = ContractKind {
    name: "firehose",
    summary: "Greengrass V1 Kinesis Firehose connector: kinesisfirehose/message and its status",
    build: |settings| Some(Box::new(FirehoseContract::from_settings(settings)?)),
};

const MESSAGE_FILTER: &str = "kinesisfirehose/message";
const BINARY_FILTER: &str = "kinesisfirehose/message/binary/#";
const STATUS_TOPIC: &str = "kinesisfirehose/message/status";

/// The level of a topic behind which raw bytes are published, and the request id stands.
const BINARY_LEVEL: &str = "binary";

/// What V1 devices speak to the Firehose connector.
///
/// - `kinesisfirehose/message` carries JSON: `request.data` is the record,
///   `request.delivery_stream_arn` may name another stream, `id` comes back in the status.
/// - `kinesisfirehose/message/binary/{id}` carries the record itself. The id is all that
///   follows, slashes too, and may be empty.
/// - Topics of other rules are read in the same way: raw bytes behind a level `binary`,
///   else a JSON request. (Raw bytes on any topic are what the contract `plain` is for.)
///
/// | parameter | default | |
/// |---|---|---|
/// | `default_delivery_stream_arn` | needed | the stream of requests that name none |
/// | `publish_interval` | 1 s | how long a record waits for others, 0 to 900 s; 0 sends each on its own |
/// | `delivery_stream_queue_size` | 1,000,000 | how many records wait on disk per stream before new ones are rejected |
struct FirehoseContract {
    default_stream: String,
    status_topic: TopicName,
    delivery: DeliverySettings,
}

impl FirehoseContract {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let default_stream = settings.text("default_delivery_stream_arn");
        let linger = settings.duration("publish_interval", LINGER);
        let queue_records = settings.integer("delivery_stream_queue_size", QUEUE_RECORDS);
        let Some(default_stream) = default_stream else {
            settings.missing(
                "default_delivery_stream_arn",
                &format!("default_delivery_stream_arn = \"{EXAMPLE_ARN}\""),
            );
            return None;
        };
        if let Err(error) = DeliveryStreamArn::parse(&default_stream) {
            settings.refuse("default_delivery_stream_arn", error.to_string());
            return None;
        }
        Some(Self {
            default_stream,
            status_topic: TopicName::parse(STATUS_TOPIC).expect("a topic name"),
            delivery: DeliverySettings::new(
                linger.unwrap_or(DEFAULT_LINGER),
                queue_records.unwrap_or(DEFAULT_QUEUE_RECORDS),
            ),
        })
    }

    fn status(&self, payload: Vec<u8>) -> Status {
        Status {
            topic: self.status_topic.clone(),
            payload: payload.into(),
        }
    }
}

impl Contract for FirehoseContract {
    fn filters(&self) -> Vec<TopicFilter> {
        [MESSAGE_FILTER, BINARY_FILTER]
            .map(|filter| TopicFilter::parse(filter).expect("a topic filter"))
            .into()
    }

    fn delivery(&self) -> DeliverySettings {
        self.delivery.clone()
    }

    fn default_destination(&self) -> Option<&str> {
        Some(&self.default_stream)
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        if let Some(id) = id_of_binary(publish.topic) {
            return Ok(Accepted {
                destination: Cow::Borrowed(&self.default_stream),
                id: Cow::Borrowed(id),
                payload: Cow::Borrowed(publish.payload),
            });
        }
        let request = request::parse(publish.payload)?;
        Ok(Accepted {
            destination: request
                .delivery_stream_arn
                .unwrap_or(Cow::Borrowed(&self.default_stream)),
            id: request.id,
            payload: request.data,
        })
    }

    fn rejected(&self, rejection: &Rejection) -> Option<Status> {
        Some(self.status(status::of_rejection(rejection)))
    }

    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status> {
        let documents = status::of_reports(reports);
        documents
            .into_iter()
            .map(|payload| self.status(payload))
            .collect()
    }
}

/// The request id in a topic that carries raw bytes; `None` for one that carries JSON.
fn id_of_binary(topic: &str) -> Option<&str> {
    let mut rest = topic;
    loop {
        match rest.split_once('/') {
            Some((BINARY_LEVEL, id)) => return Some(id),
            Some((_, deeper)) => rest = deeper,
            None => return (rest == BINARY_LEVEL).then_some(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_binary_publish_is_all_that_follows_the_binary_level() {
        for (topic, id) in [
            ("kinesisfirehose/message", None),
            ("kinesisfirehose/message/binary", Some("")),
            ("kinesisfirehose/message/binary/", Some("")),
            (
                "kinesisfirehose/message/binary/request123",
                Some("request123"),
            ),
            ("kinesisfirehose/message/binary/a/b//c/", Some("a/b//c/")),
            ("kinesisfirehose/message/binary/binary/1", Some("binary/1")),
            ("kinesisfirehose/message/binary/é", Some("é")),
            ("kinesisfirehose/message/binaryx/1", None),
            ("site/7/kinesisfirehose/message/binary/9", Some("9")),
            ("sensors/1", None),
        ] {
            assert_eq!(id_of_binary(topic), id, "{topic}");
        }
    }
}
