//! The document from top to bottom: what is not about connectors is read here.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use perennial_broker::{
    Limits,
    store::{Durability, StoreConfig},
};
use perennial_connectors::Settings;
use toml::de::DeTable;

use super::{
    Config, DEFAULT_DATA_DIR, DEFAULT_LISTENER, connectors::Connectors, problems::Problems, rules,
    section::Section,
};

/// Just under what MQTT's length field can say (MQTT 5, 1.5.5).
const MAX_PACKET: u64 = 256 << 20;

/// Reads `document`; where something is wrong, a default stands in and the problem is in
/// `problems`.
pub(super) fn document(
    document: &DeTable<'_>,
    data_dir: Option<&Path>,
    problems: &Problems,
) -> Config {
    let mut root = Section::root(document, problems);
    let written = root.path("data_dir");
    let data_dir = match (data_dir, written) {
        (Some(chosen), _) => chosen.to_owned(),
        (None, Some(written)) => written,
        (None, None) => PathBuf::from(DEFAULT_DATA_DIR),
    };
    root.set_base(&data_dir);

    let listeners = listeners(&mut root, problems);
    let limits = limits(root.table("limits"));
    let store = store(root.table("store"), &data_dir);
    let connectors = Connectors::read(&mut root);
    let rules = rules::read(&mut root, &connectors, problems);
    root.finish();
    Config {
        data_dir,
        listeners,
        limits,
        store,
        connectors: connectors.into_configs(),
        rules,
    }
}

fn listeners(root: &mut Section<'_>, problems: &Problems) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for mut section in root.tables("listener") {
        let at = section.place_of("address");
        let Some(address) = listener(&mut section) else {
            section.finish();
            continue;
        };
        section.finish();
        // Port 0 is any free port, so it can be asked for more than once.
        if address.port() != 0 && addresses.contains(&address) {
            let message = format!("`address`: {address} has a listener above; one is enough");
            problems.add(at, message);
        }
        addresses.push(address);
    }
    if addresses.is_empty() {
        addresses.push(DEFAULT_LISTENER);
    }
    addresses
}

fn listener(section: &mut Section<'_>) -> Option<SocketAddr> {
    let insecure = section.boolean("insecure").unwrap_or_default();
    let what = format!("an IP address and a port, such as \"{DEFAULT_LISTENER}\"");
    let address: Option<SocketAddr> = section.parsed("address", what);
    section.missing("address", &format!("address = \"{DEFAULT_LISTENER}\""));

    let address = address?;
    if !address.ip().to_canonical().is_loopback() && !insecure {
        let problem = format!(
            "{address} can be reached from other machines, and nothing authenticates who \
             connects; use a loopback address such as \"{DEFAULT_LISTENER}\", or say \
             `insecure = true` where everyone on the network may publish and subscribe"
        );
        section.refuse("address", problem);
    }
    Some(address)
}

fn limits(mut section: Section<'_>) -> Limits {
    let default = Limits::default();
    let connect_timeout = Duration::from_millis(100)..=Duration::from_secs(600);
    let limits = Limits {
        max_connections: section
            .count("max_connections", 1..=1_000_000)
            .unwrap_or(default.max_connections),
        max_packet_size: section
            .size("max_packet_size", 1 << 10..=MAX_PACKET)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.max_packet_size),
        connect_timeout: section
            .duration("connect_timeout", connect_timeout)
            .unwrap_or(default.connect_timeout),
        max_subscriptions: section
            .count("max_subscriptions_per_client", 1..=1_000_000)
            .unwrap_or(default.max_subscriptions),
        receive_maximum: section
            .integer("receive_maximum", 1..=65_535)
            .and_then(|publishes| u16::try_from(publishes).ok())
            .unwrap_or(default.receive_maximum),
        max_inflight: section
            .integer("max_inflight", 1..=65_535)
            .and_then(|messages| u16::try_from(messages).ok())
            .unwrap_or(default.max_inflight),
        session_queue_bytes: section
            .size("session_queue_bytes", 64 << 10..=1 << 50)
            .unwrap_or(default.session_queue_bytes),
        session_queue_messages: section
            .integer("session_queue_messages", 1..=1_000_000_000)
            .unwrap_or(default.session_queue_messages),
        mailbox_messages: section
            .count("mailbox_messages", 1..=1_000_000)
            .unwrap_or(default.mailbox_messages),
        mailbox_bytes: section
            .size("mailbox_bytes", 1 << 10..=1 << 30)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.mailbox_bytes),
        ..default
    };
    section.finish();
    limits
}

/// The store lies in its own folder of the data directory.
fn store(mut section: Section<'_>, data_dir: &Path) -> StoreConfig {
    let choices = [
        ("sync", Durability::Sync),
        ("interval", Durability::Interval(Duration::from_secs(1))),
        ("os", Durability::Os),
    ];
    let mut durability = section
        .choice("durability", &choices)
        .unwrap_or(Durability::Sync);

    let sync_interval = Duration::from_millis(1)..=Duration::from_secs(3_600);
    let interval = section.duration("sync_interval", sync_interval);
    match (&mut durability, interval) {
        (Durability::Interval(every), Some(interval)) => *every = interval,
        (Durability::Sync | Durability::Os, Some(_)) => section.refuse(
            "sync_interval",
            "it means something with `durability = \"interval\"` only".to_owned(),
        ),
        (_, None) => {}
    }
    let memory = section.size("memory", 1 << 20..=4 << 30);
    section.finish();
    StoreConfig {
        path: data_dir.join("store"),
        durability,
        memory: memory.unwrap_or(StoreConfig::MEMORY),
    }
}
