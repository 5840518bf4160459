//! The parameters of the Firehose contract, under the names here and those of V1.

use std::time::Duration;

use crate::{
    AfterFailure, DeliverySettings, Settings,
    contracts::{
        common::{DEFAULT_LINGER, DEFAULT_QUEUE_RECORDS, LINGER, QUEUE_RECORDS},
        parameters::{V1, digits, interval, is_v1_region, isolation_mode, memory_size, positive},
    },
    delivery_stream::{DeliveryStreamArn, DeliveryStreamPattern, EXAMPLE_ARN},
};

use super::{AllowedStreams, StatusFormat};

/// The fewest records that a queue holds; V1 was given no fewer either.
const MIN_QUEUE_RECORDS: u64 = 2_000;

const V1_DEFAULT_STREAM: V1<String> = V1 {
    name: "DefaultDeliveryStreamArn",
    pattern: r"arn:aws:firehose:([a-z]{2}-[a-z]+-\d{1}):(\d{12}):deliverystream/([a-zA-Z0-9_\-.]+)$",
    meaning: "the ARN of a delivery stream, whose name has at most 64 characters",
    may_be_empty: false,
    read: |text| {
        let arn = DeliveryStreamArn::parse(text).ok()?;
        let of_v1 = text.starts_with("arn:aws:") && is_v1_region(arn.region());
        of_v1.then(|| text.to_owned())
    },
};

const V1_PUBLISH_INTERVAL: V1<Duration> = V1 {
    name: "PublishInterval",
    pattern: r"[0-9]|[1-9]\d|[1-9]\d\d|900",
    meaning: "a number of seconds up to 900",
    may_be_empty: false,
    read: |text| {
        let seconds = digits(text).filter(|_| text == "0" || !text.starts_with('0'));
        interval(seconds?)
    },
};

const V1_QUEUE_SIZE: V1<u64> = V1 {
    name: "DeliveryStreamQueueSize",
    pattern: r"^([2-9]\d{3}|[1-9]\d{4,})$",
    meaning: "a number of records from 2000 to 1000000000",
    may_be_empty: false,
    read: |text| {
        let range = MIN_QUEUE_RECORDS..=*QUEUE_RECORDS.end();
        positive(text).filter(|records| range.contains(records))
    },
};

/// What the parameters say.
pub(super) struct Parameters {
    pub(super) default_stream: String,
    pub(super) allowed: AllowedStreams,
    pub(super) status_format: StatusFormat,
    pub(super) delivery: DeliverySettings,
}

impl Parameters {
    /// Reads them all; `None` when the contract cannot be without one that is missing or wrong.
    pub(super) fn read(settings: &mut dyn Settings) -> Option<Self> {
        let default_stream = default_stream(settings);
        let allowed = allowed(settings);
        let status_format = match settings.integer("status_format", 1..=2) {
            Some(1) => StatusFormat::Single,
            _ => StatusFormat::List,
        };
        let linger =
            V1_PUBLISH_INTERVAL.take_either(settings, "publish_interval", |settings, key| {
                settings.duration(key, LINGER)
            });
        let queue_records =
            V1_QUEUE_SIZE.take_either(settings, "delivery_stream_queue_size", |settings, key| {
                settings.integer(key, MIN_QUEUE_RECORDS..=*QUEUE_RECORDS.end())
            });
        let memory_bytes = memory_size(settings);
        isolation_mode(settings);

        let delivery = DeliverySettings::new(
            linger.unwrap_or(status_format.default_linger()),
            queue_records.unwrap_or(DEFAULT_QUEUE_RECORDS),
        );
        Some(Self {
            default_stream: default_stream?,
            allowed: allowed?,
            status_format,
            delivery: DeliverySettings {
                memory_bytes,
                ordered: false,
                after_failure: AfterFailure::SendLast,
                ..delivery
            },
        })
    }
}

impl StatusFormat {
    /// The first version of V1's connector knew no batches.
    fn default_linger(self) -> Duration {
        match self {
            Self::Single => Duration::ZERO,
            Self::List => DEFAULT_LINGER,
        }
    }
}

fn default_stream(settings: &mut dyn Settings) -> Option<String> {
    const KEY: &str = "default_delivery_stream_arn";
    let stream = V1_DEFAULT_STREAM.take_either(settings, KEY, |settings, key| {
        let stream = settings.text(key)?;
        if let Err(error) = DeliveryStreamArn::parse(&stream) {
            settings.refuse(key, error.to_string());
            return None;
        }
        Some(stream)
    });
    if !settings.has(V1_DEFAULT_STREAM.name) {
        settings.missing(KEY, &format!("{KEY} = \"{EXAMPLE_ARN}\""));
    }
    stream
}

/// `None` when an error was recorded.
fn allowed(settings: &mut dyn Settings) -> Option<AllowedStreams> {
    const KEY: &str = "allowed_delivery_streams";
    let Some(texts) = settings.texts(KEY) else {
        return Some(AllowedStreams::Any);
    };
    let mut patterns = Vec::with_capacity(texts.len());
    for text in &texts {
        match DeliveryStreamPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let wildcards = "`*` stands for any text and `?` for one character of a part";
                settings.refuse(KEY, format!("{error}; {wildcards}"));
            }
        }
    }
    (patterns.len() == texts.len()).then_some(AllowedStreams::Patterns(patterns))
}
