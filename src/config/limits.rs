//! The broker's bounds, each under the name that it has there.

use std::{ops::RangeInclusive, time::Duration};

use perennial_broker::{Limits, QueueFullPolicy};
use perennial_connectors::Settings;

use super::section::Section;

/// Just under what MQTT's length field can say (MQTT 5, 1.5.5).
const MAX_PACKET: u64 = 256 << 20;
/// What MQTT's lengths of texts can say (MQTT 5, 1.5.4).
const MAX_TOPIC: u64 = 65_535;
/// A bound in seconds that MQTT writes in two bytes.
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(65_535);
/// Beyond it an expiry is as good as none, and MQTT has four bytes for its seconds.
const MAX_EXPIRY: Duration = Duration::from_secs(10 * 31_557_600);

const POLICIES: [(&str, QueueFullPolicy); 3] = [
    ("drop_oldest", QueueFullPolicy::DropOldest),
    ("drop_newest", QueueFullPolicy::DropNewest),
    ("refuse", QueueFullPolicy::Refuse),
];

/// Reads `[limits]`; what is not written has its default.
pub(super) fn read(mut section: Section<'_>) -> Limits {
    let mut limits = Limits::default();
    connections(&mut limits, &mut section);
    packets(&mut limits, &mut section);
    queues(&mut limits, &mut section);
    kept(&mut limits, &mut section);
    section.finish();
    limits
}

/// Who may connect.
fn connections(limits: &mut Limits, section: &mut Section<'_>) {
    let places = 1..=1_000_000;
    set(
        &mut limits.max_connections,
        section.count("max_connections", places.clone()),
    );
    // Without a bound of its own an address may have as many as there may be.
    limits.max_connections_per_address = section
        .count("max_connections_per_address", places.clone())
        .unwrap_or(limits.max_connections);
    set(
        &mut limits.connect_rate,
        number(section, "connect_rate", 0..=1_000_000),
    );
    // All may come at once, as after a power cut.
    limits.max_handshakes = section
        .count("max_handshakes", places)
        .unwrap_or(limits.max_connections);
    let connect_timeout = Duration::from_millis(100)..=Duration::from_secs(600);
    set(
        &mut limits.connect_timeout,
        section.duration("connect_timeout", connect_timeout),
    );
}

/// What one client may send and ask for.
fn packets(limits: &mut Limits, section: &mut Section<'_>) {
    set(
        &mut limits.max_packet_size,
        bytes(section, "max_packet_size", 1 << 10..=MAX_PACKET),
    );
    set(
        &mut limits.max_topic_length,
        number(section, "max_topic_length", 1..=MAX_TOPIC),
    );
    set(
        &mut limits.max_topic_levels,
        number(section, "max_topic_levels", 1..=MAX_TOPIC),
    );
    set(
        &mut limits.max_topic_aliases,
        number(section, "max_topic_aliases", 0..=MAX_TOPIC),
    );
    let keep_alive = section.duration("max_keep_alive", Duration::ZERO..=MAX_KEEP_ALIVE);
    set(&mut limits.max_keep_alive, keep_alive.map(whole_seconds));
    set(
        &mut limits.max_subscriptions,
        section.count("max_subscriptions_per_client", 1..=1_000_000),
    );
    set(
        &mut limits.max_publish_rate,
        number(section, "max_publish_rate", 0..=100_000_000),
    );
    set(
        &mut limits.receive_maximum,
        number(section, "receive_maximum", 1..=65_535),
    );
    set(
        &mut limits.max_inflight,
        number(section, "max_inflight", 1..=65_535),
    );
}

/// What waits for one client.
fn queues(limits: &mut Limits, section: &mut Section<'_>) {
    set(
        &mut limits.mailbox_messages,
        section.count("mailbox_messages", 1..=1_000_000),
    );
    set(
        &mut limits.mailbox_bytes,
        bytes(section, "mailbox_bytes", 1 << 10..=1 << 30),
    );
    set(
        &mut limits.mailbox_bytes_total,
        bytes(section, "mailbox_bytes_total", 1 << 20..=1 << 40),
    );
    set(
        &mut limits.session_queue_messages,
        section.integer("session_queue_messages", 1..=1_000_000_000),
    );
    set(
        &mut limits.session_queue_bytes,
        section.size("session_queue_bytes", 64 << 10..=1 << 50),
    );
    set(
        &mut limits.session_queue_full,
        section.choice("session_queue_full", &POLICIES),
    );
}

/// What is kept for all clients.
fn kept(limits: &mut Limits, section: &mut Section<'_>) {
    set(
        &mut limits.max_sessions,
        section.count("max_sessions", 0..=1_000_000),
    );
    let expiry = Duration::from_secs(1)..=MAX_EXPIRY;
    set(
        &mut limits.max_session_expiry,
        section.duration("max_session_expiry", expiry),
    );
    set(
        &mut limits.max_retained_messages,
        section.count("max_retained_messages", 0..=100_000_000),
    );
    set(
        &mut limits.max_retained_bytes,
        bytes(section, "max_retained_bytes", 0..=1 << 40),
    );
    let interval = Duration::ZERO..=Duration::from_secs(24 * 3_600);
    set(
        &mut limits.sys_interval,
        section.duration("sys_interval", interval),
    );
}

fn set<T>(limit: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *limit = written;
    }
}

/// A whole number in `range`, which is within the range of its type.
fn number<T: TryFrom<u64>>(
    section: &mut Section<'_>,
    key: &str,
    range: RangeInclusive<u64>,
) -> Option<T> {
    T::try_from(section.integer(key, range)?).ok()
}

/// A size in memory.
fn bytes(section: &mut Section<'_>, key: &str, range: RangeInclusive<u64>) -> Option<usize> {
    usize::try_from(section.size(key, range)?).ok()
}

/// Rounded up, since zero is no bound.
fn whole_seconds(time: Duration) -> u16 {
    let seconds = time.as_millis().div_ceil(1_000);
    u16::try_from(seconds).unwrap_or(u16::MAX)
}
