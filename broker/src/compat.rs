//! What other brokers do differently, for clients that rely on it.

use std::time::Duration;

use perennial_rules::TopicFilter;

use crate::router::levels;

/// Whose differences from MQTT a listener keeps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compat {
    /// Nobody's: MQTT as it is specified.
    #[default]
    None,
    /// Those of AWS IoT Core:
    ///
    /// - QoS 2 ends the connection; subscription identifiers are refused,
    /// - topics and filters have at most 256 bytes and 7 slashes, payloads 128 KiB, client
    ///   identifiers 128 bytes and no `$` at the start, a SUBSCRIBE 8 filters, a client 50
    ///   subscriptions and 100 unacknowledged messages in each direction,
    /// - the keep-alive is between 30 s and 20 min,
    /// - `a/#` does not match `a`,
    /// - filters with wildcards get no retained messages, and topics with `$` at the start
    ///   retain none.
    AwsIot,
}

/// AWS IoT Core's bounds.
mod aws {
    pub(super) const TOPIC_BYTES: usize = 256;
    pub(super) const TOPIC_LEVELS: usize = 8;
    pub(super) const PAYLOAD_BYTES: usize = 128 * 1024;
    pub(super) const CLIENT_ID_BYTES: usize = 128;
    pub(super) const FILTERS: usize = 8;
    pub(super) const SUBSCRIPTIONS: usize = 50;
    pub(super) const IN_FLIGHT: u16 = 100;
    pub(super) const KEEP_ALIVE: std::ops::RangeInclusive<u16> = 30..=1200;
}

impl Compat {
    fn is_aws(self) -> bool {
        self == Compat::AwsIot
    }

    /// Whether QoS 2 and subscription identifiers are there.
    pub(crate) fn is_whole_mqtt(self) -> bool {
        !self.is_aws()
    }

    /// Whether `topic`, a topic name or the pattern of a filter, is short and flat enough.
    pub(crate) fn takes_topic(self, topic: &str) -> bool {
        !self.is_aws() || (topic.len() <= aws::TOPIC_BYTES && levels(topic) <= aws::TOPIC_LEVELS)
    }

    pub(crate) fn takes_payload(self, bytes: usize) -> bool {
        !self.is_aws() || bytes <= aws::PAYLOAD_BYTES
    }

    pub(crate) fn takes_client_id(self, client_id: &str) -> bool {
        !self.is_aws() || (client_id.len() <= aws::CLIENT_ID_BYTES && !client_id.starts_with('$'))
    }

    /// Whether one SUBSCRIBE may have so many filters.
    pub(crate) fn takes_filters(self, filters: usize) -> bool {
        !self.is_aws() || filters <= aws::FILTERS
    }

    /// Whether messages on `topic` may be retained.
    pub(crate) fn retains(self, topic: &[u8]) -> bool {
        !self.is_aws() || !topic.starts_with(b"$")
    }

    /// Whether a subscription to `filter` gets retained messages.
    pub(crate) fn sends_retained(self, filter: &TopicFilter) -> bool {
        !self.is_aws() || !filter.has_wildcard()
    }

    /// Whether `a/#` leaves out `a`.
    pub(crate) fn excludes_parent(self) -> bool {
        self.is_aws()
    }

    pub(crate) fn max_subscriptions(self, configured: usize) -> usize {
        if self.is_aws() {
            configured.min(aws::SUBSCRIPTIONS)
        } else {
            configured
        }
    }

    /// The most messages in flight in one direction.
    pub(crate) fn max_in_flight(self, configured: u16) -> u16 {
        if self.is_aws() {
            configured.min(aws::IN_FLIGHT)
        } else {
            configured
        }
    }

    /// The keep-alive in seconds for a client that asks for `asked`; zero is none.
    pub(crate) fn keep_alive(self, asked: u16, maximum: u16) -> u16 {
        let longest = match (asked, maximum) {
            (asked, 0) => asked,
            (0, maximum) => maximum,
            (asked, maximum) => asked.min(maximum),
        };
        match longest {
            longest if !self.is_aws() => longest,
            0 => *aws::KEEP_ALIVE.end(),
            longest => longest.clamp(*aws::KEEP_ALIVE.start(), *aws::KEEP_ALIVE.end()),
        }
    }
}

/// How long a client may be silent that has a keep-alive of `seconds` (MQTT-3.1.2-24).
pub(crate) fn silence_allowed(seconds: u16) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_millis(u64::from(seconds) * 1500))
}
