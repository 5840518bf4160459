//! The Kinesis Firehose connector of Greengrass V1, versions 1 to 5.
//!
//! Devices publish JSON requests or raw bytes and hear what became of them on one
//! status topic.

mod list_status;
mod parameters;
mod request;
mod single_status;

use std::borrow::Cow;

use perennial_rules::{TopicFilter, TopicName};

use crate::{
    Accepted, Contract, ContractKind, DeliverySettings, Publish, Rejection, Report, Settings,
    Status, delivery_stream::DeliveryStreamPattern, excerpt::excerpt,
};

use self::parameters::Parameters;

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
/// | parameter | in V1 | default | |
/// |---|---|---|---|
/// | `default_delivery_stream_arn` | `DefaultDeliveryStreamArn` | needed | the stream of requests that name none |
/// | `allowed_delivery_streams` | | any | patterns of ARNs, see [`DeliveryStreamPattern`]: other streams that requests may name |
/// | `publish_interval` | `PublishInterval` | 1 s | how long a record waits for others, 0 to 900 s; 0 sends each on its own |
/// | `delivery_stream_queue_size` | `DeliveryStreamQueueSize` | 1,000,000 | how many records, at least 2,000, wait on disk per stream before new ones are rejected |
/// | `memory_size` | `MemorySize` | the connector's | bytes of records in memory; kilobytes in V1 |
/// | `status_format` | | 2 | 1: a status for each record, as of V1's version 1, and `publish_interval` is 0 by default; 2: lists, as of its versions 2 to 5 |
/// | | `IsolationMode` | | checked, and without effect |
struct FirehoseContract {
    default_stream: String,
    allowed: AllowedStreams,
    status_format: StatusFormat,
    status_topic: TopicName,
    delivery: DeliverySettings,
}

/// What streams a request may name beside the default one.
#[derive(Debug)]
enum AllowedStreams {
    /// Every stream, as in V1: there it was the group role that decided.
    Any,
    /// Those that follow one of these.
    Patterns(Vec<DeliveryStreamPattern>),
}

/// The form of the status documents, which two generations of V1's connector had differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StatusFormat {
    /// Of version 1: a document for each record.
    Single,
    /// Of versions 2 to 5: a document with a list of records.
    List,
}

impl FirehoseContract {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let parameters = Parameters::read(settings)?;
        Some(Self {
            default_stream: parameters.default_stream,
            allowed: parameters.allowed,
            status_format: parameters.status_format,
            status_topic: TopicName::parse(STATUS_TOPIC).expect("a topic name"),
            delivery: parameters.delivery,
        })
    }

    /// Whether a request may name `stream`.
    fn allows(&self, stream: &str) -> bool {
        match &self.allowed {
            AllowedStreams::Any => true,
            AllowedStreams::Patterns(patterns) => {
                stream == self.default_stream
                    || patterns.iter().any(|pattern| pattern.matches(stream))
            }
        }
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
        let destination = request
            .delivery_stream_arn
            .unwrap_or(Cow::Borrowed(&self.default_stream));
        if !self.allows(&destination) {
            return Err(Rejection {
                id: request.id.into_owned(),
                code: "AccessDeniedException".to_owned(),
                message: format!(
                    "records may not go to {}; the gateway's allowed_delivery_streams do not have it",
                    excerpt(&destination)
                ),
            });
        }
        Ok(Accepted {
            destination,
            id: request.id,
            payload: request.data,
        })
    }

    fn rejected(&self, rejection: &Rejection) -> Option<Status> {
        let document = match self.status_format {
            StatusFormat::Single => single_status::of_rejection(rejection),
            StatusFormat::List => list_status::of_rejection(rejection),
        };
        Some(self.status(document))
    }

    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status> {
        let documents = match self.status_format {
            StatusFormat::Single => reports
                .iter()
                .filter_map(single_status::of_report)
                .collect(),
            StatusFormat::List => list_status::of_reports(reports),
        };
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
