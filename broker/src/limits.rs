//! The broker's bounds; the documentation of each says what happens there.

use std::time::Duration;

/// The broker's bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once; a further one is closed, MQTT 5 or 3 CONNACK "server busy/unavailable" where it got so far.
    pub max_connections: usize,
    /// Bytes of a packet; a larger one ends the connection with 0x95.
    pub max_packet_size: usize,
    /// From the accepted connection to its CONNECT; then it is closed.
    pub connect_timeout: Duration,
    /// Subscriptions of a client; a further one is refused with 0x97.
    pub max_subscriptions: usize,
    /// Publishes at QoS 1 and 2 that a client may have unacknowledged: an MQTT 5 client
    /// that sends more is disconnected with 0x93, others are not read from until then.
    pub receive_maximum: u16,
    /// Messages at QoS 1 and 2 in flight to a client that does not say how many it takes.
    pub max_inflight: u16,
    /// Messages in memory per subscriber; further ones at QoS 0 are dropped and counted,
    /// others go to the session's queue in the store.
    pub mailbox_messages: usize,
    /// Bytes in memory per subscriber; the same happens there.
    pub mailbox_bytes: usize,
    /// Messages in a session's queue in the store; further ones are dropped and counted.
    pub session_queue_messages: u64,
    /// Bytes in a session's queue in the store; the same happens there.
    pub session_queue_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 10_000,
            max_packet_size: 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            max_subscriptions: 1_000,
            receive_maximum: 1_000,
            max_inflight: 100,
            mailbox_messages: 10_000,
            mailbox_bytes: 1024 * 1024,
            session_queue_messages: 1_000_000,
            session_queue_bytes: 256 * 1024 * 1024,
        }
    }
}
