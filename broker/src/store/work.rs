//! A batch: what the committer writes at once.

use std::{ops::Range, sync::Arc};

use super::{
    entries::Entries,
    queue::{QueueKind, QueueState},
    ticket::Ticket,
};

/// What was gathered for one commit.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) ticket: Ticket,
    pub(super) items: Vec<Item>,
    pub(super) removed: Vec<Arc<QueueState>>,
    pub(super) entries: Entries,
}

impl Work {
    pub(super) fn empty() -> Work {
        Work {
            ticket: Ticket::DONE,
            items: Vec::new(),
            removed: Vec::new(),
            entries: Entries::default(),
        }
    }

    /// Whether a power cut must not undo this: settlements are repeated, transient queues
    /// dropped and lazy entries not missed, so these alone need no sync.
    pub(super) fn needs_sync(&self) -> bool {
        let appended = |item: &Item| item.count > 0 && item.queue.kind == QueueKind::Durable;
        let removed = |queue: &Arc<QueueState>| queue.kind == QueueKind::Durable;
        self.items.iter().any(appended)
            || self.removed.iter().any(removed)
            || self.entries.is_promised()
    }
}

/// What a batch does to one queue.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) queue: Arc<QueueState>,
    pub(super) created: bool,
    /// Records with their lengths before them, to be written at the queue's end.
    pub(super) records: Vec<u8>,
    pub(super) count: u64,
    /// How far it is settled, when that has changed.
    pub(super) settled: Option<Progress>,
}

/// How far the submissions of a batch and those before have settled a queue.
///
/// What is submitted while the batch is written is not in here: what comes with it, such as
/// the same record at another queue's end, is not in the batch either.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) head: u64,
    /// What is settled beyond the head, when that is to be written.
    pub(super) beyond: Option<Vec<Range<u64>>>,
}
