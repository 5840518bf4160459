//! A queue as its users see it: its name, how full it is, where its head is.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    Core, StoreError, block::PREFIX, lock, reader::Reader, settled::Settled, transaction::QueueFull,
};

/// What becomes of a queue when the store is opened again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum QueueKind {
    /// It is kept, and an append to it is durable when its ticket is.
    Durable,
    /// It is dropped; appending to it causes no sync.
    Transient,
}

/// The bit that tells the id of a transient queue from a durable one's, so that a block's key
/// alone says whether anybody may have been told that it is durable.
pub(super) const TRANSIENT: u32 = 1 << 31;

/// How much a queue takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// The largest number of records.
    pub records: u64,
    /// The largest number of bytes, of which each record needs 4 beside its own.
    pub bytes: u64,
    /// What becomes of a record beyond them.
    pub when_full: WhenFull,
}

/// What happens to a record that a queue has no room for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken, and with the commit that writes it the oldest records are dropped until the
    /// others fit; they count as settled. Only a record larger than the limit of bytes is refused.
    ///
    /// Between two commits the queue holds what is gathered beside what its limits allow. One
    /// commit drops at most 1,024 blocks, a block being what an earlier commit wrote of the
    /// queue; when that is not enough, the next ones follow at once.
    DropOldest,
}

/// A handle to a queue of the store.
#[derive(Clone)]
pub struct Queue {
    core: Arc<Core>,
    state: Arc<QueueState>,
}

impl Queue {
    pub(super) fn new(core: Arc<Core>, state: Arc<QueueState>) -> Queue {
        Queue { core, state }
    }

    /// The name under which the queue was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The records that are not settled, with those in transactions that are not submitted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.state.records.load(Ordering::Relaxed)
    }

    /// The bytes from the head to the end, with those in transactions that are not submitted.
    ///
    /// What is settled beyond the head counts until the head has passed it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }

    /// The first sequence that is not settled.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.state.head()
    }

    /// Where the bytes begin that [`Queue::bytes`] counts; it follows the head, a commit later.
    ///
    /// What it has passed before a call of [`Queue::bytes`] is not in the answer.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.state.freed.load(Ordering::Acquire)
    }

    /// The records that were dropped to make room since the store was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Whether `sequence` is settled, be it beyond the head.
    ///
    /// A restart keeps what was settled, up to 1,024 ranges beyond the head; when there are
    /// more, a crash makes those at the highest sequences unsettled again.
    #[must_use]
    pub fn is_settled(&self, sequence: u64) -> bool {
        sequence < self.state.head() || lock(&self.state.settled).contains(sequence)
    }

    /// The sequence after the last committed record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.state.tail().sequence
    }

    /// How many ranges are settled beyond the head; see [`Queue::is_settled`].
    #[must_use]
    pub fn gaps(&self) -> usize {
        lock(&self.state.settled).beyond().count()
    }

    /// Whether a record of `bytes` would be taken.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let needed = bytes.saturating_add(PREFIX as u64);
        let byte_limit = self.state.byte_limit.load(Ordering::Relaxed);
        if self.state.drops_oldest.load(Ordering::Relaxed) {
            return needed <= byte_limit;
        }
        self.records() < self.state.record_limit.load(Ordering::Relaxed)
            && self.bytes().saturating_add(needed) <= byte_limit
    }

    /// How many records are in transactions that are not submitted.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.state.in_hand.load(Ordering::Acquire)
    }

    /// A reader that starts at the head.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.clone())
    }

    /// A reader that starts behind all that is committed, and the sequence that it reads first.
    #[must_use]
    pub fn reader_from_end(&self) -> (Reader, u64) {
        Reader::from_end(self.clone())
    }

    /// A reader that starts with the block that `sequence` is in, or at the head if that is
    /// further; this waits for the disk.
    ///
    /// # Errors
    /// The block cannot be looked for.
    pub fn reader_from(&self, sequence: u64) -> Result<Reader, StoreError> {
        Reader::from(self.clone(), sequence)
    }

    pub(super) fn state(&self) -> &Arc<QueueState> {
        &self.state
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(formatter)
    }
}

/// What a queue's users, its reader and the committer share.
#[derive(Debug)]
pub(super) struct QueueState {
    pub(super) id: u32,
    pub(super) name: Box<str>,
    pub(super) kind: QueueKind,
    /// Where the queue ended when the store was opened: what is older is likely not in memory.
    pub(super) opened_at: u64,
    record_limit: AtomicU64,
    byte_limit: AtomicU64,
    drops_oldest: AtomicBool,
    dropped: AtomicU64,
    in_hand: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    /// The sequence at which `bytes` begin.
    freed: AtomicU64,
    settled: Mutex<Settled>,
    /// The head of `settled`, to be read without the lock.
    head: AtomicU64,
    tail: AtomicU64,
    tail_position: AtomicU64,
    stored_head: Mutex<StoredHead>,
    removed: AtomicBool,
    /// Readers wait here for the tail to move.
    pub(super) grown: Notify,
}

/// The head as far as the committer has removed what is below it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct StoredHead {
    /// The first sequence of the block that the head is in; the tail when all is settled.
    pub(super) block: u64,
    /// The position of that block.
    pub(super) position: u64,
    /// The first sequence that is not settled, or the block's while there are more to remove.
    pub(super) sequence: u64,
    /// Where that record begins, in bytes of records into its block.
    pub(super) offset: u64,
}

/// Where a queue ends: the next sequence and the position there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tail {
    pub(super) sequence: u64,
    pub(super) position: u64,
}

impl Tail {
    /// The end after `records` more that have `bytes`.
    pub(super) fn after(self, records: u64, bytes: u64) -> Tail {
        Tail {
            sequence: self.sequence + records,
            position: self.position + bytes,
        }
    }
}

impl QueueState {
    pub(super) fn new(
        id: u32,
        name: &str,
        kind: QueueKind,
        head: StoredHead,
        settled: Settled,
        tail: Tail,
    ) -> QueueState {
        QueueState {
            id,
            name: name.into(),
            kind,
            opened_at: tail.sequence,
            record_limit: AtomicU64::new(u64::MAX),
            byte_limit: AtomicU64::new(u64::MAX),
            drops_oldest: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            in_hand: AtomicU64::new(0),
            records: AtomicU64::new(settled.unsettled_below(tail.sequence)),
            bytes: AtomicU64::new(tail.position - (head.position + head.offset)),
            freed: AtomicU64::new(head.sequence),
            head: AtomicU64::new(settled.head()),
            settled: Mutex::new(settled),
            tail: AtomicU64::new(tail.sequence),
            tail_position: AtomicU64::new(tail.position),
            stored_head: Mutex::new(head),
            removed: AtomicBool::new(false),
            grown: Notify::new(),
        }
    }

    pub(super) fn limit(&self, limits: QueueLimits) {
        self.record_limit.store(limits.records, Ordering::Relaxed);
        self.byte_limit.store(limits.bytes, Ordering::Relaxed);
        let drops_oldest = limits.when_full == WhenFull::DropOldest;
        self.drops_oldest.store(drops_oldest, Ordering::Relaxed);
    }

    /// Takes room for one record of `bytes`, its length prefix with them.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), QueueFull> {
        if self.drops_oldest.load(Ordering::Relaxed) {
            if bytes > self.byte_limit.load(Ordering::Relaxed) {
                return Err(QueueFull);
            }
            self.records.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.in_hand.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        add_within(&self.records, 1, &self.record_limit)?;
        add_within(&self.bytes, bytes, &self.byte_limit).inspect_err(|_| self.release(1, 0))?;
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Records for which room was taken were submitted, or are not going to be.
    pub(super) fn hand_over(&self, records: u64) {
        self.in_hand.fetch_sub(records, Ordering::Release);
    }

    /// Gives room back.
    pub(super) fn release(&self, records: u64, bytes: u64) {
        self.records.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Gives back the `bytes` of the records below `sequence`.
    pub(super) fn free(&self, bytes: u64, sequence: u64) {
        self.release(0, bytes);
        self.freed.fetch_max(sequence, Ordering::Release);
    }

    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Settles `range` and tells how many of its sequences were not settled before.
    ///
    /// This moves the head that readers and users see; the committer stores it afterwards.
    pub(super) fn settle(&self, range: Range<u64>) -> u64 {
        let mut settled = lock(&self.settled);
        let fresh = settled.settle(range);
        self.release(fresh, 0);
        self.head.store(settled.head(), Ordering::Release);
        fresh
    }

    /// The head, and up to `most` ranges that are settled beyond it.
    pub(super) fn settled(&self, most: usize) -> (u64, Vec<Range<u64>>) {
        let settled = lock(&self.settled);
        (settled.head(), settled.beyond().take(most).collect())
    }

    /// Where the head has to be at least for the limits to hold when the queue ends at `tail`.
    pub(super) fn room_goal(&self, tail: Tail) -> Tail {
        if !self.drops_oldest.load(Ordering::Relaxed) {
            return Tail::default();
        }
        let settled = lock(&self.settled);
        let held = settled.unsettled_below(tail.sequence);
        let record_limit = self.record_limit.load(Ordering::Relaxed);
        let byte_limit = self.byte_limit.load(Ordering::Relaxed);
        // Within the limit the head stays: its users may have settled more than is to be written.
        let sequence = match held.saturating_sub(record_limit) {
            0 => 0,
            excess => settled.after(excess),
        };
        Tail {
            sequence,
            position: tail.position.saturating_sub(byte_limit),
        }
    }

    /// Drops what is below `sequence` and not settled, if the queue drops its oldest records.
    ///
    /// Gives the head that this leads to: it has passed what was settled beyond `sequence`.
    pub(super) fn drop_below(&self, sequence: u64) -> u64 {
        if !self.drops_oldest.load(Ordering::Relaxed) {
            return sequence;
        }
        let dropped = self.settle(0..sequence);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.head()
    }

    pub(super) fn stored_head(&self) -> StoredHead {
        *lock(&self.stored_head)
    }

    pub(super) fn store_head(&self, head: StoredHead) {
        *lock(&self.stored_head) = head;
    }

    pub(super) fn tail(&self) -> Tail {
        // The sequence first: the position may then be ahead of it, never behind.
        let sequence = self.tail.load(Ordering::Acquire);
        Tail {
            sequence,
            position: self.tail_position.load(Ordering::Relaxed),
        }
    }

    /// Makes what was committed up to `tail` readable and wakes the reader.
    pub(super) fn move_tail(&self, tail: Tail) {
        self.tail_position.store(tail.position, Ordering::Relaxed);
        self.tail.store(tail.sequence, Ordering::Release);
        self.grown.notify_waiters();
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(super) fn mark_removed(&self) {
        self.removed.store(true, Ordering::Release);
        self.grown.notify_waiters();
    }
}

fn add_within(held: &AtomicU64, more: u64, limit: &AtomicU64) -> Result<(), QueueFull> {
    let limit = limit.load(Ordering::Relaxed);
    held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
        held.checked_add(more).filter(|sum| *sum <= limit)
    })
    .map(|_| ())
    .map_err(|_| QueueFull)
}
