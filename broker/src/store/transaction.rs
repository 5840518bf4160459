//! A transaction: records and settlements that are committed together or not at all.

use std::{ops::Range, sync::Arc};

use super::{
    block::PREFIX,
    queue::{Queue, QueueState},
};

/// Records to append and sequences to settle, gathered by one caller without any lock.
///
/// Appending reserves room in the queue; dropping the transaction gives it back.
#[derive(Debug, Default)]
pub struct Transaction {
    records: Vec<u8>,
    runs: Vec<Run>,
    settlements: Vec<Settlement>,
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
        let start = self.records.len();
        let body = start + PREFIX;
        self.records.resize(body, 0);
        write(&mut self.records);
        assert!(self.records.len() >= body, "a record is only appended");
        let length = u32::try_from(self.records.len() - body).map_err(|_| QueueFull);
        let reserved = length.and_then(|length| {
            self.records[start..body].copy_from_slice(&length.to_be_bytes());
            queue.state().reserve((self.records.len() - start) as u64)
        });
        if let Err(full) = reserved {
            self.records.truncate(start);
            return Err(full);
        }
        self.count(queue.state());
        Ok(())
    }

    /// Marks `sequences` of `queue` as done with, in any order and also twice.
    ///
    /// Sequences that no reader can have seen yet are left out.
    pub fn settle(&mut self, queue: &Queue, sequences: Range<u64>) {
        if sequences.is_empty() {
            return;
        }
        if let Some(last) = self.settlements.last_mut()
            && Arc::ptr_eq(&last.queue, queue.state())
            && last.sequences.end == sequences.start
        {
            last.sequences.end = sequences.end;
            return;
        }
        self.settlements.push(Settlement {
            queue: Arc::clone(queue.state()),
            sequences,
        });
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.settlements.is_empty()
    }

    /// Hands each run of records to `take`, whose reservations are then the taker's.
    pub(super) fn take_records(&mut self, mut take: impl FnMut(&Arc<QueueState>, u64, &[u8])) {
        let mut start = 0;
        for run in self.runs.drain(..) {
            take(&run.queue, run.count, &self.records[start..run.end]);
            start = run.end;
        }
        self.records.clear();
    }

    pub(super) fn take_settlements(&mut self) -> impl Iterator<Item = Settlement> {
        self.settlements.drain(..)
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
