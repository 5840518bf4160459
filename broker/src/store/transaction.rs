//! A transaction: what is committed together or not at all.

use std::{ops::Range, sync::Arc};

use super::{
    block::PREFIX,
    entries::{self, Change},
    queue::{Queue, QueueState},
    ticket::Ticket,
};

/// Records to append, sequences to settle, queues to remove and entries to put or delete,
/// gathered by one caller without any lock.
///
/// Appending reserves room in the queue; dropping the transaction gives it back.
#[derive(Debug, Default)]
pub struct Transaction {
    /// None while there is nothing: whoever gathers holds one all the time.
    contents: Option<Box<Contents>>,
}

/// What a transaction does.
#[derive(Debug, Default)]
struct Contents {
    records: Vec<u8>,
    runs: Vec<Run>,
    settlements: Vec<Settlement>,
    removals: Vec<Arc<QueueState>>,
    entries: Vec<Change>,
    after: Option<Ticket>,
}

/// Consecutive records for one queue; they begin where the run before ends.
#[derive(Debug)]
struct Run {
    queue: Arc<QueueState>,
    count: u64,
    end: usize,
}

/// Sequences of one queue to settle.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) queue: Arc<QueueState>,
    pub(super) sequences: Range<u64>,
}

/// The queue has no room for the record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

impl Transaction {
    /// The bytes that the key of an entry may have.
    pub const LONGEST_KEY: usize = entries::LONGEST;

    pub(super) fn new() -> Transaction {
        Transaction::default()
    }

    /// Adds a record to the end of `queue`; `write` appends its bytes to what it is given.
    ///
    /// # Errors
    /// The queue has reached its limit; the transaction is as it was before.
    ///
    /// # Panics
    /// When `write` takes bytes away instead of appending.
    pub fn append(
        &mut self,
        queue: &Queue,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), QueueFull> {
        let contents = self.contents.get_or_insert_default();
        let records = &mut contents.records;
        let start = records.len();
        let body = start + PREFIX;
        records.resize(body, 0);
        write(records);
        assert!(records.len() >= body, "a record is only appended");
        let length = u32::try_from(records.len() - body).map_err(|_| QueueFull);
        let reserved = length.and_then(|length| {
            records[start..body].copy_from_slice(&length.to_be_bytes());
            queue.state().reserve((records.len() - start) as u64)
        });
        if let Err(full) = reserved {
            records.truncate(start);
            return Err(full);
        }
        contents.count(queue.state());
        Ok(())
    }

    /// Marks `sequences` of `queue` as done with, in any order and also twice.
    ///
    /// Sequences that no reader can have seen yet are left out.
    pub fn settle(&mut self, queue: &Queue, sequences: Range<u64>) {
        if sequences.is_empty() {
            return;
        }
        let settlements = &mut self.contents.get_or_insert_default().settlements;
        if let Some(last) = settlements.last_mut()
            && Arc::ptr_eq(&last.queue, queue.state())
            && last.sequences.end == sequences.start
        {
            last.sequences.end = sequences.end;
            return;
        }
        settlements.push(Settlement {
            queue: Arc::clone(queue.state()),
            sequences,
        });
    }

    /// Removes `queue` and all that it holds, what this transaction appends to it included.
    ///
    /// The name is free when the transaction is submitted: a queue that is created under it
    /// then is another, and empty.
    pub fn remove(&mut self, queue: &Queue) {
        let contents = self.contents.get_or_insert_default();
        contents.removals.push(Arc::clone(queue.state()));
    }

    /// Gives the entry `key` a value, in place of any that it has.
    ///
    /// Of what is done to one key the last counts, in a transaction and from one that is
    /// submitted to the next.
    ///
    /// # Panics
    /// When the key is longer than [`Transaction::LONGEST_KEY`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, Some(value), false);
    }

    /// Deletes the entry `key` if it exists.
    ///
    /// # Panics
    /// When the key is longer than [`Transaction::LONGEST_KEY`].
    pub fn delete(&mut self, key: &[u8]) {
        self.change(key, None, false);
    }

    /// Like [`Transaction::put`], but asks for no sync: it survives the end of the process, and
    /// a power cut may undo it although its ticket was durable.
    ///
    /// # Panics
    /// When the key is longer than [`Transaction::LONGEST_KEY`].
    pub fn put_lazily(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, Some(value), true);
    }

    /// Like [`Transaction::delete`], but asks for no sync: it survives the end of the process,
    /// and a power cut may undo it although its ticket was durable.
    ///
    /// # Panics
    /// When the key is longer than [`Transaction::LONGEST_KEY`].
    pub fn delete_lazily(&mut self, key: &[u8]) {
        self.change(key, None, true);
    }

    fn change(&mut self, key: &[u8], value: Option<&[u8]>, lazily: bool) {
        // Here and not in the committer, which would take the store with it.
        assert!(key.len() <= entries::LONGEST, "the key is too long");
        let contents = self.contents.get_or_insert_default();
        contents.entries.push(Change::new(key, value, lazily));
    }

    /// Lets the ticket of this transaction be durable only when `ticket` is, too.
    pub fn follow(&mut self, ticket: Ticket) {
        let contents = self.contents.get_or_insert_default();
        contents.after = contents.after.max(Some(ticket));
    }

    /// The ticket that it [follows](Transaction::follow).
    pub(super) fn followed(&self) -> Ticket {
        let after = self.contents.as_ref().and_then(|contents| contents.after);
        after.unwrap_or(Ticket::DONE)
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contents
            .as_ref()
            .is_none_or(|contents| contents.is_empty())
    }

    /// Hands each run of records to `take`, whose reservations are then the taker's.
    pub(super) fn take_records(&mut self, mut take: impl FnMut(&Arc<QueueState>, u64, &[u8])) {
        let Some(contents) = &mut self.contents else {
            return;
        };
        let mut start = 0;
        for run in contents.runs.drain(..) {
            take(&run.queue, run.count, &contents.records[start..run.end]);
            run.queue.hand_over(run.count);
            start = run.end;
        }
        contents.records.clear();
    }

    pub(super) fn take_settlements(&mut self) -> impl Iterator<Item = Settlement> {
        let contents = self.contents.iter_mut();
        contents.flat_map(|contents| contents.settlements.drain(..))
    }

    pub(super) fn take_removals(&mut self) -> impl Iterator<Item = Arc<QueueState>> {
        let contents = self.contents.iter_mut();
        contents.flat_map(|contents| contents.removals.drain(..))
    }

    pub(super) fn take_entries(&mut self) -> impl Iterator<Item = Change> {
        let contents = self.contents.iter_mut();
        contents.flat_map(|contents| contents.entries.drain(..))
    }
}

impl Contents {
    fn is_empty(&self) -> bool {
        self.runs.is_empty()
            && self.settlements.is_empty()
            && self.removals.is_empty()
            && self.entries.is_empty()
    }

    fn count(&mut self, queue: &Arc<QueueState>) {
        let end = self.records.len();
        match self.runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.queue, queue) => {
                run.count += 1;
                run.end = end;
            }
            _ => self.runs.push(Run {
                queue: Arc::clone(queue),
                count: 1,
                end,
            }),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.take_records(|queue, count, records| queue.release(count, records.len() as u64));
    }
}
