//! What a stopped gateway has in its store.

use std::path::Path;

use perennial::record::{read, read_dead_letter};
use perennial_broker::store::{Durability, QueueKind, QueueLimits, Store, StoreConfig, WhenFull};

/// A record that will not be sent.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Letter {
    pub(crate) id: String,
    pub(crate) payload: String,
    pub(crate) destination: String,
    pub(crate) code: String,
    pub(crate) message: String,
}

const NO_LIMITS: QueueLimits = QueueLimits {
    records: u64::MAX,
    bytes: u64::MAX,
    when_full: WhenFull::Refuse,
};

/// The dead letters of `connector`, the oldest first.
#[track_caller]
pub(crate) fn read_all(data_dir: &Path, connector: &str) -> Vec<Letter> {
    let store = open(data_dir);
    let queue = store.queue(&format!("d/{connector}"), QueueKind::Durable, NO_LIMITS);
    let mut reader = queue.expect("the queue opens").reader();
    let mut letters = Vec::new();
    while let Some(block) = reader.try_next().expect("the queue is read") {
        for (_, letter) in block.records() {
            let letter = read_dead_letter(letter).expect("a dead letter");
            let record = read(letter.record).expect("a record");
            letters.push(Letter {
                id: record.id.to_string(),
                payload: String::from_utf8_lossy(&record.payload).into_owned(),
                destination: letter.destination.to_string(),
                code: letter.code.to_string(),
                message: letter.message.to_string(),
            });
        }
    }
    drop(reader);
    store.close().expect("the store closes");
    letters
}

/// How many records wait to be sent, to any destination.
#[track_caller]
pub(crate) fn queued(data_dir: &Path) -> u64 {
    let store = open(data_dir);
    let records = |name: &String| {
        let queue = store.queue(name, QueueKind::Durable, NO_LIMITS);
        queue.expect("the queue opens").records()
    };
    let names = store.queue_names();
    let queued = names
        .iter()
        .filter(|name| name.starts_with("c/"))
        .map(records)
        .sum();
    store.close().expect("the store closes");
    queued
}

#[track_caller]
fn open(data_dir: &Path) -> Store {
    let config = StoreConfig {
        path: data_dir.join("store"),
        durability: Durability::Sync,
        memory: 8 << 20,
    };
    assert!(config.path.is_dir(), "the store is not where it was");
    Store::open(config).expect("the store opens")
}
