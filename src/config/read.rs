//! The document from top to bottom: what is not about connectors is read here.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use perennial_broker::store::{Durability, StoreConfig};
use perennial_connectors::Settings;
use toml::de::DeTable;

use super::{
    Config, DEFAULT_DATA_DIR, access, admin, audit, connectors::Connectors, discovery, limits,
    listeners, problems::Problems, rules, section::Section,
};

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

    let worker_threads = root.count("worker_threads", 1..=64);
    let listeners = listeners::read(&mut root);
    let access = access::read(&mut root);
    let audit = audit::read(&mut root, &data_dir);
    let discovery = discovery::read(&mut root);
    let admin = admin::read(root.table("admin"));
    let limits = limits::read(root.table("limits"));
    let store = store(root.table("store"), &data_dir);
    let connectors = Connectors::read(&mut root);
    let rules = rules::read(&mut root, &connectors, problems);
    root.finish();
    Config {
        data_dir,
        worker_threads,
        listeners,
        access,
        audit,
        discovery,
        admin,
        limits,
        store,
        connectors: connectors.into_configs(),
        rules,
    }
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
