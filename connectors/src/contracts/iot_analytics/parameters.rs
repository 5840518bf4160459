//! The parameters of the IoT Analytics contract, under the names here and those of V1.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    AfterFailure, DeliverySettings, DuplicateIds, Settings, WhenFull,
    channel::ChannelName,
    contracts::{
        common::{
            BATCH_RECORDS, DEFAULT_LINGER, DEFAULT_QUEUE_RECORDS, DROP_BEHAVIORS, LINGER,
            QUEUE_RECORDS, batch_size, choice,
        },
        parameters::{V1, digits, interval, is_v1_region, isolation_mode, memory_size, positive},
    },
    delivery_stream::is_region,
    excerpt::excerpt,
};

/// How many channels can have records at the same time.
const ACTIVE_CHANNELS: RangeInclusive<u64> = 1..=10_000;

/// How many can where the configuration does not say, as in V1.
const DEFAULT_ACTIVE_CHANNELS: usize = 50;

const V1_PUBLISH_REGION: V1<String> = V1 {
    name: "PublishRegion",
    pattern: r"^$|([a-z]{2}-[a-z]+-\d{1})",
    meaning: "a region such as us-east-1",
    may_be_empty: true,
    read: |text| is_v1_region(text).then(|| text.to_owned()),
};

const V1_PUBLISH_INTERVAL: V1<Duration> = V1 {
    name: "PublishInterval",
    pattern: "^$|^[0-9]+$",
    meaning: "a number of seconds up to 900",
    may_be_empty: true,
    read: |text| interval(digits(text)?),
};

const V1_MAX_ACTIVE_CHANNELS: V1<usize> = V1 {
    name: "IotAnalyticsMaxActiveChannels",
    pattern: "^$|^[1-9][0-9]*$",
    meaning: "a number of channels up to 10000",
    may_be_empty: true,
    read: |text| {
        let channels = positive(text).filter(|channels| ACTIVE_CHANNELS.contains(channels));
        usize::try_from(channels?).ok()
    },
};

const V1_QUEUE_DROP_BEHAVIOR: V1<WhenFull> = V1 {
    name: "IotAnalyticsQueueDropBehavior",
    pattern: "^DROP_NEWEST$|^DROP_OLDEST$",
    meaning: "\"DROP_NEWEST\" or \"DROP_OLDEST\"",
    may_be_empty: false,
    read: |text| match text {
        "DROP_NEWEST" => Some(WhenFull::RejectNewest),
        "DROP_OLDEST" => Some(WhenFull::DropOldest),
        _ => None,
    },
};

const V1_QUEUE_SIZE: V1<u64> = V1 {
    name: "IotAnalyticsQueueSizePerChannel",
    pattern: "^$|^[1-9][0-9]*$",
    meaning: "a number of records up to 1000000000",
    may_be_empty: true,
    read: |text| positive(text).filter(|records| QUEUE_RECORDS.contains(records)),
};

const V1_BATCH_SIZE: V1<usize> = V1 {
    name: "IotAnalyticsBatchSizePerChannel",
    pattern: "^$|^[1-9][0-9]*$",
    meaning: "a number of records up to 1000000",
    may_be_empty: true,
    read: |text| {
        let records = positive(text).filter(|records| BATCH_RECORDS.contains(records));
        usize::try_from(records?).ok()
    },
};

const V1_DEFAULT_CHANNEL: V1<String> = V1 {
    name: "IotAnalyticsDefaultChannelName",
    pattern: "^[a-zA-Z0-9_]+$",
    meaning: "a name of up to 128 characters that does not begin with \"__\"",
    may_be_empty: false,
    read: |text| Some(ChannelName::parse(text).ok()?.as_str().to_owned()),
};

/// What a record has of a message that is not text.
///
/// The service reads the payload of a message as JSON or as base64, which a pipeline decodes:
/// bytes that are neither have to be encoded before they are put into the request, which
/// itself is base64 once more on the wire. Other services take bytes as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BinaryEncoding {
    /// `"base64"`: the text that AWS IoT Analytics wants.
    Base64,
    /// `"raw"`: the bytes themselves, for other upstreams.
    Raw,
}

/// What the parameters say.
pub(super) struct Parameters {
    pub(super) default_channel: Option<String>,
    pub(super) binary_encoding: BinaryEncoding,
    pub(super) publish_region: Option<String>,
    pub(super) delivery: DeliverySettings,
}

impl Parameters {
    /// Reads them all; the contract can do without any of them.
    pub(super) fn read(settings: &mut dyn Settings) -> Self {
        isolation_mode(settings);
        let encodings = [
            ("base64", BinaryEncoding::Base64),
            ("raw", BinaryEncoding::Raw),
        ];
        let binary_encoding = choice(settings, "binary_encoding", encodings);
        Self {
            default_channel: default_channel(settings),
            binary_encoding: binary_encoding.unwrap_or(BinaryEncoding::Base64),
            publish_region: publish_region(settings),
            delivery: delivery(settings),
        }
    }
}

fn default_channel(settings: &mut dyn Settings) -> Option<String> {
    V1_DEFAULT_CHANNEL.take_either(settings, "default_channel_name", |settings, key| {
        let name = settings.text(key)?;
        match ChannelName::parse(&name) {
            Ok(_) => Some(name),
            Err(error) => {
                settings.refuse(key, error.to_string());
                None
            }
        }
    })
}

fn publish_region(settings: &mut dyn Settings) -> Option<String> {
    V1_PUBLISH_REGION.take_either(settings, "publish_region", |settings, key| {
        let region = settings.text(key)?;
        if !is_region(&region) {
            let found = excerpt(&region);
            settings.refuse(
                key,
                format!("found {found:?}; it is a region such as \"us-east-1\""),
            );
            return None;
        }
        Some(region)
    })
}

fn delivery(settings: &mut dyn Settings) -> DeliverySettings {
    let linger = V1_PUBLISH_INTERVAL.take_either(settings, "publish_interval", |settings, key| {
        settings.duration(key, LINGER)
    });
    let max_destinations =
        V1_MAX_ACTIVE_CHANNELS.take_either(settings, "max_active_channels", |settings, key| {
            usize::try_from(settings.integer(key, ACTIVE_CHANNELS)?).ok()
        });
    let when_full =
        V1_QUEUE_DROP_BEHAVIOR.take_either(settings, "queue_drop_behavior", |settings, key| {
            choice(settings, key, DROP_BEHAVIORS)
        });
    let queue_records =
        V1_QUEUE_SIZE.take_either(settings, "queue_size_per_channel", |settings, key| {
            settings.integer(key, QUEUE_RECORDS)
        });
    let batch_records = V1_BATCH_SIZE.take_either(settings, "batch_size_per_channel", batch_size);
    let duplicates = [
        ("drop", DuplicateIds::Drop),
        ("separate", DuplicateIds::Separate),
    ];
    let duplicate_ids = choice(settings, "duplicate_ids", duplicates);
    DeliverySettings {
        linger: linger.unwrap_or(DEFAULT_LINGER),
        batch_records,
        queue_records: queue_records.unwrap_or(DEFAULT_QUEUE_RECORDS),
        when_full: when_full.unwrap_or(WhenFull::RejectNewest),
        max_destinations: Some(max_destinations.unwrap_or(DEFAULT_ACTIVE_CHANNELS)),
        memory_bytes: memory_size(settings),
        ordered: false,
        after_failure: AfterFailure::SendLast,
        duplicate_ids: duplicate_ids.unwrap_or(DuplicateIds::Drop),
    }
}
