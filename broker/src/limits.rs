//! The broker's bounds; the documentation of each says what happens there.

use std::time::Duration;

use crate::{
    router::levels,
    store::{QueueLimits, WhenFull},
};

/// Messages by which those who publish at the same moment may pass the bound of a queue that
/// refuses.
const AT_ONCE: u64 = 64;

/// The broker's bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once; a further one is closed.
    pub max_connections: usize,
    /// Connections at once from one IP address; a further one is closed.
    pub max_connections_per_address: usize,
    /// Connections per second, after as many at once as may be open; further ones are closed. Addresses
    /// that come at most ten times in a second have as many again among themselves. 0 is no bound.
    pub connect_rate: u32,
    /// Connections at once that have not sent their CONNECT; at the bound the one that has
    /// waited longest is closed for the newest. Beyond 16 KiB each they may have sent 16 MiB in
    /// all; then the one that has sent most is closed.
    pub max_handshakes: usize,
    /// From the accepted connection to its CONNECT; then it is closed.
    pub connect_timeout: Duration,
    /// Bytes of a packet; a larger one ends the connection with 0x95.
    pub max_packet_size: usize,
    /// Bytes of a topic name or filter; a longer one is refused with 0x90 or 0x8F.
    pub max_topic_length: usize,
    /// Levels of a topic name or filter; the same happens there.
    pub max_topic_levels: usize,
    /// Topic aliases that an MQTT 5 client may set, and that the broker sets for one; 0 is none.
    pub max_topic_aliases: u16,
    /// Seconds that a client may stay silent: MQTT 5 clients that ask for more, or for no end,
    /// are told this with their CONNACK, others are held to what they asked for. 0 is no bound.
    pub max_keep_alive: u16,
    /// Subscriptions of a client; a further one is refused with 0x97.
    pub max_subscriptions: usize,
    /// Publishes per second of a client, after as many at once; it is not read from until it
    /// is below. 0 is no bound.
    pub max_publish_rate: u32,
    /// Publishes at QoS 1 and 2 that a client may have unacknowledged: an MQTT 5 client
    /// that sends more is disconnected with 0x93, others are not read from until then.
    pub receive_maximum: u16,
    /// Messages at QoS 1 and 2 in flight to a client, even to one that would take more.
    pub max_inflight: u16,
    /// Messages in memory per subscriber; further ones at QoS 0 are dropped and counted,
    /// others go to the session's queue in the store.
    pub mailbox_messages: usize,
    /// Bytes in memory per subscriber; the same happens there.
    pub mailbox_bytes: usize,
    /// Bytes in memory for all subscribers together; beyond it the same happens to those that
    /// hold more than an equal part of it.
    pub mailbox_bytes_total: usize,
    /// Messages in a session's queue in the store; beyond it `session_queue_full` decides.
    pub session_queue_messages: u64,
    /// Bytes in a session's queue in the store; the same happens there.
    pub session_queue_bytes: u64,
    /// What becomes of a message that the queue of a session that outlives its connection
    /// cannot take.
    pub session_queue_full: QueueFullPolicy,
    /// Sessions that outlive their connection; a client that asks for a further one is
    /// refused with 0x97, MQTT 3 CONNACK "server unavailable".
    pub max_sessions: usize,
    /// How long a session outlives its connection at most; MQTT 5 clients that ask for more are
    /// told this with their CONNACK.
    pub max_session_expiry: Duration,
    /// Retained messages; one on a further topic is refused with 0x97.
    pub max_retained_messages: usize,
    /// Bytes of retained messages in memory; the same happens there.
    pub max_retained_bytes: usize,
    /// How often the `$SYS` topics are published; zero is never.
    pub sys_interval: Duration,
}

impl Limits {
    /// Whether `text`, a topic name or filter, is short enough, and its levels are few enough.
    pub(crate) fn take_topic(&self, text: &str) -> bool {
        text.len() <= self.max_topic_length && levels(text) <= self.max_topic_levels
    }

    /// How many seconds a session outlives its connection whose client asks for `asked`.
    pub(crate) fn session_expiry(&self, asked: u32) -> u32 {
        let longest = u32::try_from(self.max_session_expiry.as_secs()).unwrap_or(u32::MAX);
        asked.min(longest)
    }

    /// The limits of a session's queue.
    pub(crate) fn session_queue(&self) -> QueueLimits {
        // What publishers hand over at once is refused or kept, and never dropped in between.
        let (records, bytes) = match self.session_queue_full {
            QueueFullPolicy::Refuse => {
                (AT_ONCE, AT_ONCE.saturating_mul(self.max_packet_size as u64))
            }
            QueueFullPolicy::DropOldest | QueueFullPolicy::DropNewest => (0, 0),
        };
        QueueLimits {
            records: self.session_queue_messages.saturating_add(records),
            bytes: self.session_queue_bytes.saturating_add(bytes),
            when_full: match self.session_queue_full {
                QueueFullPolicy::DropOldest => WhenFull::DropOldest,
                QueueFullPolicy::DropNewest | QueueFullPolicy::Refuse => WhenFull::Refuse,
            },
        }
    }
}

/// What happens to a message that a session's full queue cannot take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueFullPolicy {
    /// The oldest messages in the queue are dropped for it, and counted.
    DropOldest,
    /// It is dropped for this session, and counted.
    DropNewest,
    /// The publish is refused with 0x97; below MQTT 5 the connection is closed, at QoS 0 the
    /// message is dropped, and counted.
    Refuse,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 10_000,
            max_connections_per_address: 10_000,
            connect_rate: 2_000,
            max_handshakes: 10_000,
            connect_timeout: Duration::from_secs(10),
            max_packet_size: 1024 * 1024,
            max_topic_length: 4096,
            max_topic_levels: 128,
            max_topic_aliases: 32,
            max_keep_alive: 0,
            max_subscriptions: 1_000,
            max_publish_rate: 0,
            receive_maximum: 1_000,
            max_inflight: 100,
            mailbox_messages: 10_000,
            mailbox_bytes: 1024 * 1024,
            mailbox_bytes_total: 256 * 1024 * 1024,
            session_queue_messages: 1_000_000,
            session_queue_bytes: 256 * 1024 * 1024,
            session_queue_full: QueueFullPolicy::DropNewest,
            max_sessions: 10_000,
            max_session_expiry: Duration::from_secs(30 * 24 * 60 * 60),
            max_retained_messages: 100_000,
            max_retained_bytes: 64 * 1024 * 1024,
            sys_interval: Duration::from_secs(10),
        }
    }
}
