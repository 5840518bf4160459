//! The `$SYS` topics: what the broker says about itself, under the names that mosquitto gave them.

use bytestring::ByteString;
use perennial_rules::TopicName;

use crate::{core::Core, counters::BrokerCounters, inbound::publish_volatile};

/// What is published, each below `$SYS/broker/`.
fn values(core: &Core) -> Vec<(&'static str, String)> {
    let BrokerCounters {
        connections,
        sessions_expired,
        messages_received,
        messages_sent,
        messages_dropped_qos0,
        messages_dropped_full,
        messages_dropped_oldest,
        messages_dropped_oversize,
        mailbox_bytes,
        ..
    } = core.snapshot();
    let away = core.sessions.away() as u64;
    let uptime = core.clock.now().saturating_sub(core.began) / 1000;
    let dropped = messages_dropped_qos0
        + messages_dropped_full
        + messages_dropped_oldest
        + messages_dropped_oversize;
    vec![
        (
            "version",
            format!("perennial version {}", env!("CARGO_PKG_VERSION")),
        ),
        ("uptime", format!("{uptime} seconds")),
        ("clients/connected", connections.to_string()),
        ("clients/disconnected", away.to_string()),
        ("clients/total", (connections + away).to_string()),
        ("clients/expired", sessions_expired.to_string()),
        ("publish/messages/received", messages_received.to_string()),
        ("publish/messages/sent", messages_sent.to_string()),
        ("publish/messages/dropped", dropped.to_string()),
        ("retained messages/count", core.retained.len().to_string()),
        (
            "subscriptions/count",
            core.router.subscriptions().to_string(),
        ),
        ("store/messages/bytes", mailbox_bytes.to_string()),
    ]
}

/// Publishes all of them.
pub(crate) fn publish(core: &Core) {
    if core.limits.sys_interval.is_zero() {
        return;
    }
    for (name, value) in values(core) {
        let topic = ByteString::from(format!("$SYS/broker/{name}"));
        if let Ok(topic) = TopicName::parse(topic) {
            publish_volatile(topic, value.as_bytes(), core);
        }
    }
}
