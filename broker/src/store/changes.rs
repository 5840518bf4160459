//! What one commit does to the database.

use fjall::{Keyspace, OwnedWriteBatch, UserKey, UserValue};

use super::{disk::block_key, queue::TRANSIENT};

/// Changes that become visible and durable together.
pub(super) struct Changes {
    pub(super) batch: OwnedWriteBatch,
    queues: Keyspace,
    meta: Keyspace,
    entries: Keyspace,
    bytes: u64,
    /// They show that somebody may have been told that they are durable.
    is_promise: bool,
}

impl Changes {
    pub(super) fn new(
        batch: OwnedWriteBatch,
        queues: &Keyspace,
        meta: &Keyspace,
        entries: &Keyspace,
    ) -> Changes {
        Changes {
            batch,
            queues: queues.clone(),
            meta: meta.clone(),
            entries: entries.clone(),
            bytes: 0,
            is_promise: false,
        }
    }

    /// About how many bytes these add to the journal and to memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn insert_block(&mut self, queue: u32, first: u64, value: Vec<u8>) {
        let key = block_key(queue, first);
        self.bytes += entry_bytes(key.len(), value.len());
        self.is_promise |= queue & TRANSIENT == 0;
        self.batch.insert(&self.queues, key, value);
    }

    pub(super) fn remove_block(&mut self, queue: u32, first: u64) {
        let key = block_key(queue, first);
        self.bytes += entry_bytes(key.len(), 0);
        // A block is written once, so that this tombstone need not outlive it.
        self.batch.remove_weak(&self.queues, key);
    }

    pub(super) fn put_entry(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += entry_bytes(key.len(), value.len());
        self.batch
            .insert(&self.entries, UserKey::from(key), UserValue::from(value));
    }

    pub(super) fn delete_entry(&mut self, key: Vec<u8>) {
        self.bytes += entry_bytes(key.len(), 0);
        self.batch.remove(&self.entries, UserKey::from(key));
    }

    /// Makes these changes recognizable as what somebody may be told is durable: blocks of
    /// durable queues show it by themselves, all else does not.
    pub(super) fn promise(&mut self) {
        if !self.is_promise {
            self.is_promise = true;
            self.set_promise();
        }
    }

    pub(super) fn insert_meta(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += entry_bytes(key.len(), value.len());
        self.batch
            .insert(&self.meta, UserKey::from(key), UserValue::from(value));
    }

    pub(super) fn remove_meta(&mut self, key: Vec<u8>) {
        self.bytes += entry_bytes(key.len(), 0);
        self.batch.remove(&self.meta, UserKey::from(key));
    }
}

/// Key and value with what memory and journal need around them.
pub(super) fn entry_bytes(key: usize, value: usize) -> u64 {
    const AROUND: usize = 64;
    (AROUND + key + value) as u64
}
