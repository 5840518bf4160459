//! The IoT Analytics connector of Greengrass V1.
//!
//! Devices publish JSON requests or raw bytes to a channel that the topic names, or anything
//! on any topic of a rule, and hear what became of each on one status topic.

mod channel;
mod parameters;
mod request;
mod status;

use std::borrow::Cow;

use perennial_rules::{TopicFilter, TopicName};
use uuid::Uuid;

use crate::{
    Accepted, Contract, ContractKind, DeliverySettings, Outcome, Publish, Rejection, Report,
    Settings, Status, channel::ChannelName, excerpt::excerpt, json::write_base64,
};

use self::{
    channel::Target,
    parameters::{BinaryEncoding, Parameters},
};

/// The contract in the table of kinds.
pub(crate) const KIND: ContractKind = ContractKind {
    name: "iot-analytics",
    summary: "Greengrass V1 IoT Analytics connector: iotanalytics/channels/+/messages/put and its status",
    build: |settings| Some(Box::new(IotAnalytics::from_settings(settings))),
};

const MESSAGE_FILTER: &str = "iotanalytics/channels/+/messages/put";
const BINARY_FILTER: &str = "iotanalytics/channels/+/messages/binary/put";
const STATUS_TOPIC: &str = "iotanalytics/messages/put/status";

/// The largest message, in bytes of what the service is given as its payload (quotas of
/// `BatchPutMessage`).
const MAX_MESSAGE: usize = 128 * 1024;

/// What V1 devices speak to the IoT Analytics connector.
///
/// - `iotanalytics/channels/{channel}/messages/put` carries JSON: the text under
///   `request.message` is the record, `id` comes back in the status. A request without an id
///   gets a random one, which the status has too.
/// - `iotanalytics/channels/{channel}/messages/binary/put` carries the record itself. Its
///   record has no id, and neither has its status.
/// - Every other topic, which is to say that of a rule, carries a record for the default
///   channel, read like a binary one.
///
/// | parameter | in V1 | default | |
/// |---|---|---|---|
/// | `publish_region` | `PublishRegion` | the upstream's | the region of the channels |
/// | `publish_interval` | `PublishInterval` | 1 s | how long a record waits for others, 0 to 900 s; 0 sends each on its own |
/// | `max_active_channels` | `IotAnalyticsMaxActiveChannels` | 50 | how many channels can have records at the same time, 1 to 10,000 |
/// | `queue_drop_behavior` | `IotAnalyticsQueueDropBehavior` | `"drop_newest"` | what becomes of a record when the queue is full: `"drop_newest"` rejects it, `"drop_oldest"` drops the one that has waited longest |
/// | `queue_size_per_channel` | `IotAnalyticsQueueSizePerChannel` | 1,000,000 | how many records wait on disk per channel |
/// | `batch_size_per_channel` | `IotAnalyticsBatchSizePerChannel` | what the upstream takes | how many records go in one request at most |
/// | `default_channel_name` | `IotAnalyticsDefaultChannelName` | none | the channel of topics that name none; without it their messages are rejected |
/// | `memory_size` | `MemorySize` | the connector's | bytes of records in memory; kilobytes in V1 |
/// | `binary_encoding` | | `"base64"` | see [`BinaryEncoding`] |
/// | `duplicate_ids` | | `"drop"` | what becomes of a record whose id another of its batch has: `"drop"` drops it, as V1 did; `"separate"` sends it in a batch of its own |
/// | | `IsolationMode` | | checked, and without effect |
struct IotAnalytics {
    default_channel: Option<String>,
    binary_encoding: BinaryEncoding,
    publish_region: Option<String>,
    status_topic: TopicName,
    delivery: DeliverySettings,
}

impl IotAnalytics {
    fn from_settings(settings: &mut dyn Settings) -> Self {
        let parameters = Parameters::read(settings);
        Self {
            default_channel: parameters.default_channel,
            binary_encoding: parameters.binary_encoding,
            publish_region: parameters.publish_region,
            status_topic: TopicName::parse(STATUS_TOPIC).expect("a topic name"),
            delivery: parameters.delivery,
        }
    }

    fn message<'a>(channel: &'a str, payload: &'a [u8]) -> Result<Accepted<'a>, Rejection> {
        let request = request::parse(payload)?;
        let channel =
            ChannelName::parse(channel).map_err(|error| invalid(&request.id, error.to_string()))?;
        let id = match request.id {
            // Ids tell the messages of a batch apart; random ones are not known to repeat.
            Cow::Borrowed("") => Cow::Owned(Uuid::new_v4().to_string()),
            id => id,
        };
        Ok(Accepted {
            destination: Cow::Borrowed(channel.as_str()),
            id,
            payload: request.message,
        })
    }

    fn binary<'a>(&self, channel: &'a str, payload: &'a [u8]) -> Result<Accepted<'a>, Rejection> {
        let channel =
            ChannelName::parse(channel).map_err(|error| invalid("", error.to_string()))?;
        Ok(Accepted {
            destination: Cow::Borrowed(channel.as_str()),
            id: Cow::Borrowed(""),
            payload: self.encode(payload)?,
        })
    }

    fn unaddressed<'a>(
        &'a self,
        topic: &str,
        payload: &'a [u8],
    ) -> Result<Accepted<'a>, Rejection> {
        let Some(channel) = &self.default_channel else {
            let topic = excerpt(topic);
            let message = format!(
                "the topic {topic:?} names no channel, and the gateway has no default_channel_name; \
                 a topic that names one is iotanalytics/channels/my_channel/messages/put"
            );
            return Err(invalid("", message));
        };
        Ok(Accepted {
            destination: Cow::Borrowed(channel),
            id: Cow::Borrowed(""),
            payload: self.encode(payload)?,
        })
    }

    /// A message that is not text, in the form that it goes upstream in.
    fn encode<'a>(&self, payload: &'a [u8]) -> Result<Cow<'a, [u8]>, Rejection> {
        let (length, form) = match self.binary_encoding {
            BinaryEncoding::Raw => (payload.len(), ""),
            BinaryEncoding::Base64 => (payload.len().div_ceil(3) * 4, " in base64"),
        };
        if length > MAX_MESSAGE {
            let message = format!(
                "the message has {length} bytes{form}; a message has at most {MAX_MESSAGE} bytes"
            );
            return Err(invalid("", message));
        }
        Ok(match self.binary_encoding {
            BinaryEncoding::Raw => Cow::Borrowed(payload),
            BinaryEncoding::Base64 => {
                let mut text = Vec::new();
                write_base64(payload, &mut text);
                Cow::Owned(text)
            }
        })
    }

    fn status(&self, payload: Vec<u8>) -> Status {
        Status {
            topic: self.status_topic.clone(),
            payload: payload.into(),
        }
    }
}

impl Contract for IotAnalytics {
    fn filters(&self) -> Vec<TopicFilter> {
        [MESSAGE_FILTER, BINARY_FILTER]
            .map(|filter| TopicFilter::parse(filter).expect("a topic filter"))
            .into()
    }

    fn delivery(&self) -> DeliverySettings {
        self.delivery.clone()
    }

    fn default_destination(&self) -> Option<&str> {
        self.default_channel.as_deref()
    }

    fn publish_region(&self) -> Option<&str> {
        self.publish_region.as_deref()
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        match Target::of(publish.topic) {
            Target::Message(channel) => Self::message(channel, publish.payload),
            Target::Binary(channel) => self.binary(channel, publish.payload),
            Target::Default => self.unaddressed(publish.topic, publish.payload),
        }
    }

    fn rejected(&self, rejection: &Rejection) -> Option<Status> {
        let Rejection { id, code, message } = rejection;
        Some(self.status(status::failure(code, message, id)))
    }

    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status> {
        let document = |report: &Report<'_>| match report.outcome {
            Outcome::Retry { .. } => None,
            Outcome::Rejected { code, message } => Some(status::failure(code, message, report.id)),
            Outcome::Delivered { .. } => Some(status::success(report.id)),
        };
        let documents = reports.iter().filter_map(document);
        documents.map(|document| self.status(document)).collect()
    }
}

/// A publish that the service would not take, under the service's own name for that.
fn invalid(id: &str, message: String) -> Rejection {
    Rejection {
        id: id.to_owned(),
        code: "InvalidRequestException".to_owned(),
        message,
    }
}
