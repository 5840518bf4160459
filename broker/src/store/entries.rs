//! Entries: keys with values, written in the same commits as the queues.
//!
//! What is put and deleted until the next commit is gathered by key, of which a commit writes
//! what was submitted last.

use std::collections::HashMap;

use super::changes::{Changes, entry_bytes};

/// The byte before every key. With its highest bit no key looks like that of a durable queue's
/// block, which tells after a power cut that somebody was promised what the batch holds.
const MARK: u8 = 1 << 7;

/// The longest key that the database takes.
pub(super) const LONGEST: usize = u16::MAX as usize - 1;

/// Something to put or to delete.
#[derive(Debug)]
pub(super) struct Change {
    key: Vec<u8>,
    /// None deletes.
    value: Option<Vec<u8>>,
    /// A power cut may undo it.
    lazily: bool,
}

impl Change {
    pub(super) fn new(key: &[u8], value: Option<&[u8]>, lazily: bool) -> Change {
        Change {
            key: stored(key),
            value: value.map(<[u8]>::to_vec),
            lazily,
        }
    }
}

/// What the next commit does to entries.
#[derive(Debug, Default)]
pub(super) struct Entries {
    changes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    promised: bool,
}

impl Entries {
    /// Takes in a change, which wins over those before it; gives its size in bytes.
    pub(super) fn take_in(&mut self, change: Change) -> usize {
        let value = change.value.as_ref().map_or(0, Vec::len);
        let bytes = entry_bytes(change.key.len(), value) as usize;
        self.bytes += bytes;
        self.promised |= !change.lazily;
        self.changes.insert(change.key, change.value);
        bytes
    }

    /// The sizes of all changes that were taken in.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a power cut must not undo some of it.
    pub(super) fn is_promised(&self) -> bool {
        self.promised
    }

    /// Adds the changes to those that a commit writes.
    pub(super) fn write(&mut self, changes: &mut Changes) {
        for (key, value) in self.changes.drain() {
            match value {
                Some(value) => changes.put_entry(key, value),
                None => changes.delete_entry(key),
            }
        }
    }
}

/// The key under which the database has `key`.
pub(super) fn stored(key: &[u8]) -> Vec<u8> {
    [&[MARK], key].concat()
}

/// The key that the database has under `stored`.
pub(super) fn given(stored: &[u8]) -> &[u8] {
    stored.strip_prefix(&[MARK]).unwrap_or(stored)
}
