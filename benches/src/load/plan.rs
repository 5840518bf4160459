//! What a load is told to do.

use std::time::Duration;

/// Who publishes.
#[derive(Clone, Copy)]
pub(crate) struct Publishers {
    pub(crate) count: u16,
    pub(crate) qos: u8,
    /// Bytes of a payload.
    pub(crate) payload: usize,
    /// Messages of one publisher that may be unacknowledged; for QoS 1.
    pub(crate) window: u64,
    pub(crate) topic: &'static str,
    /// All publish to `topic`; otherwise each has its own topic below it.
    pub(crate) one_topic: bool,
}

/// Who subscribes.
#[derive(Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) filter: &'static str,
    pub(crate) qos: u8,
    pub(crate) pace: Option<Pace>,
    /// The subscriber hears one publisher, that of its own number, whose level follows `filter`.
    pub(crate) paired: bool,
}

/// A subscriber that takes its time at first.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) until: Duration,
}

/// What is published in one run.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) amount: Amount,
    /// Messages of one publisher that the slowest subscriber may be without.
    pub(crate) lead: Option<u64>,
    /// Every message has a topic that was never used before.
    pub(crate) fresh_topics: bool,
}

/// When publishing ends.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    For(Duration),
    Messages(u64),
}
