//! What a stopped gateway's store has of a client.

use std::path::Path;

use perennial_broker::store::{Durability, Store, StoreConfig};

/// The entries and the queue that are there of `client_id`.
#[track_caller]
pub(super) fn of_client(data_dir: &Path, client_id: &str) -> Vec<String> {
    let store = Store::open(StoreConfig {
        path: data_dir.join("store"),
        durability: Durability::Sync,
        memory: StoreConfig::MEMORY,
    })
    .expect("the store opens");
    let queues = store.queue_names().into_iter();
    let mut remains: Vec<String> = queues.filter(|name| name.contains(client_id)).collect();
    let wanted = client_id.as_bytes();
    let visited = store.entries(b"", |key, _| {
        if key.windows(wanted.len()).any(|part| part == wanted) {
            remains.push(key.escape_ascii().to_string());
        }
    });
    visited.expect("the entries are read");
    store.close().expect("the store closes");
    remains
}
