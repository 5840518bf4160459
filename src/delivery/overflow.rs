//! A queue at its bound that takes new records all the same: the oldest make room.
//!
//! - A record that is on its way upstream is left alone, so that each has one end.
//! - Whoever appends first tells the devices whose records go, then settles them, then
//!   appends: a kill in between repeats a status and drops no record without one.
//! - The bound is the user's. The store is given some more, for what is on its way upstream
//!   and stands before the records that were dropped.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytestring::ByteString;
use perennial_broker::store::{Queue, QueueLimits, Reader, Store, StoreError, WhenFull};

use crate::{delivery::batcher::Item, record};

/// Records that the store takes beyond the bound of the user.
const SPARE_RECORDS: u64 = 1_024;

/// Bytes likewise: at least so many, and a sixteenth where that is more.
const SPARE_BYTES: u64 = 4 << 20;

/// Makes room in a queue.
#[derive(Debug)]
pub(super) struct Overflow {
    store: Store,
    queue: Queue,
    /// What the user allows.
    records: u64,
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The batches that are on their way upstream, from their first sequence to their last.
    flights: Vec<RangeInclusive<u64>>,
    /// Records that are being dropped.
    doomed: BTreeSet<u64>,
    /// Records that were on their way upstream when it was their turn.
    passed: VecDeque<Candidate>,
    /// What is left of the block that was read last.
    next: VecDeque<Candidate>,
    reader: Option<Reader>,
    /// Bytes of dropped records that the queue counts until its head has passed them.
    unfreed: u64,
    /// The last of these records.
    last: u64,
}

/// A record that makes room for a newer one.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    sequence: u64,
    bytes: u64,
    /// The device's id for the request; empty when it gave none.
    pub(super) id: ByteString,
}

impl Overflow {
    /// What the store is to allow for a queue whose user allows `records` and `bytes`.
    pub(super) fn limits(records: u64, bytes: u64) -> QueueLimits {
        QueueLimits {
            records: records.saturating_add(SPARE_RECORDS),
            bytes: bytes.saturating_add(SPARE_BYTES.max(bytes / 16)),
            when_full: WhenFull::Refuse,
        }
    }

    pub(super) fn new(store: Store, queue: Queue, records: u64, bytes: u64) -> Self {
        Overflow {
            store,
            queue,
            records,
            bytes,
            state: Mutex::default(),
        }
    }

    /// The records to drop before one of `bytes` is appended; they are to be
    /// [evicted](Overflow::evict) by the caller.
    ///
    /// Fewer than would be needed when the others are on their way upstream.
    pub(super) fn choose(&self, bytes: u64) -> Result<Vec<Candidate>, StoreError> {
        let mut state = self.locked();
        if self.queue.head() > state.last {
            state.unfreed = 0;
        }
        let doomed = state.doomed.len() as u64;
        let records = self.queue.records().saturating_sub(doomed) + 1;
        let held = self.queue.bytes().saturating_sub(state.unfreed) + bytes;
        let (mut records, mut bytes) = (
            records.saturating_sub(self.records),
            held.saturating_sub(self.bytes),
        );
        let mut chosen = Vec::new();
        while records > 0 || bytes > 0 {
            let Some(candidate) = state.oldest(&self.queue)? else {
                break;
            };
            records = records.saturating_sub(1);
            bytes = bytes.saturating_sub(candidate.bytes);
            state.unfreed += candidate.bytes;
            state.last = state.last.max(candidate.sequence);
            state.doomed.insert(candidate.sequence);
            chosen.push(candidate);
        }
        Ok(chosen)
    }

    /// Drops records that were chosen.
    pub(super) fn evict(&self, chosen: &[Candidate]) -> Result<(), StoreError> {
        let mut transaction = self.store.transaction();
        for Candidate { sequence, .. } in chosen {
            transaction.settle(&self.queue, *sequence..sequence + 1);
        }
        let submitted = self.store.submit(transaction);
        let mut state = self.locked();
        for candidate in chosen {
            state.doomed.remove(&candidate.sequence);
        }
        submitted.map(|_| ())
    }

    /// A batch is about to leave: takes out of it what was dropped meanwhile, and leaves the
    /// others alone until they have [arrived](Overflow::arrived).
    pub(super) fn leaves(&self, items: &mut Vec<Item>) {
        let mut state = self.locked();
        items.retain(|item| {
            let sequence = item.mark.sequence;
            !state.doomed.contains(&sequence) && !self.queue.is_settled(sequence)
        });
        state.flights.extend(Self::span(items));
    }

    /// The records of a batch have their outcomes, or are to be sent again.
    pub(super) fn arrived(&self, span: &RangeInclusive<u64>) {
        let mut state = self.locked();
        if let Some(index) = state.flights.iter().position(|flight| flight == span) {
            state.flights.swap_remove(index);
        }
    }

    /// From the first sequence of a batch to its last.
    pub(super) fn span(items: &[Item]) -> Option<RangeInclusive<u64>> {
        let sequences = items.iter().map(|item| item.mark.sequence);
        Some(sequences.clone().min()?..=sequences.max()?)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest record that nobody has a hand on.
    fn oldest(&mut self, queue: &Queue) -> Result<Option<Candidate>, StoreError> {
        for _ in 0..self.passed.len() {
            let Some(candidate) = self.passed.pop_front() else {
                break;
            };
            if let Some(candidate) = self.sort(queue, candidate) {
                return Ok(Some(candidate));
            }
        }
        loop {
            while let Some(candidate) = self.next.pop_front() {
                if let Some(candidate) = self.sort(queue, candidate) {
                    return Ok(Some(candidate));
                }
            }
            let reader = self.reader.get_or_insert_with(|| queue.reader());
            let Some(block) = reader.try_next()? else {
                return Ok(None);
            };
            let candidates = block.records().map(|(sequence, bytes)| Candidate {
                sequence,
                bytes: bytes.len() as u64,
                id: record::read(bytes).map_or_else(|_| "".into(), |record| (*record.id).into()),
            });
            self.next.extend(candidates);
        }
    }

    /// Gives a record back that can be dropped, and remembers one whose turn comes when it
    /// is back from upstream.
    fn sort(&mut self, queue: &Queue, candidate: Candidate) -> Option<Candidate> {
        let sequence = candidate.sequence;
        if queue.is_settled(sequence) || self.doomed.contains(&sequence) {
            return None;
        }
        if self.flights.iter().any(|flight| flight.contains(&sequence)) {
            self.passed.push_back(candidate);
            return None;
        }
        Some(candidate)
    }
}
