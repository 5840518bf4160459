//! A queue at its bound that takes new records all the same: the oldest make room.
//!
//! - A record that somebody holds is left alone, so that each has one end: it is on its way
//!   upstream, or the worker ends it.
//! - Whoever appends first tells the devices whose records go, then settles them, then
//!   appends: a kill in between repeats a status and drops no record without one.
//! - The bound is the user's. The store is given some more: for what is on its way upstream
//!   and stands before the records that were dropped, and for a burst, whose records cannot
//!   make room for each other before they are committed; the record that comes next does it.
//!   Where that is used up, too, the new record is refused and no other is dropped for it.
//! - A queue that was found far beyond its bound comes down to it in steps, one for each
//!   record that is appended.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytestring::ByteString;
use perennial_broker::store::{Queue, QueueFull, QueueLimits, Reader, Store, StoreError, WhenFull};

use crate::record;

/// Records that the store takes beyond the bound of the user; more than wait for a commit.
const SPARE_RECORDS: u64 = 65_536;

/// Bytes likewise: at least so many, and a sixteenth where that is more.
const SPARE_BYTES: u64 = 4 << 20;

/// Bytes that the queue counts with each record.
const PREFIX: u64 = 4;

/// Records that one record drops at most, unless it needs the room of more.
const STEP: usize = 1_000;

/// Makes room in a queue.
#[derive(Debug)]
pub(super) struct Overflow {
    store: Store,
    queue: Queue,
    /// What the user allows.
    records: u64,
    bytes: u64,
    dropped: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holds: Vec<Hold>,
    /// Records that are being dropped.
    doomed: BTreeSet<u64>,
    /// Records that were held when it was their turn, and whether one of them may be free.
    passed: VecDeque<Candidate>,
    look_again: bool,
    /// What is left of the block that was read last.
    next: VecDeque<Candidate>,
    reader: Option<Reader>,
    unfreed: Unfreed,
}

/// A record that makes room for a newer one.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    sequence: u64,
    bytes: u64,
    /// The device's id for the request; empty when it gave none.
    pub(super) id: ByteString,
}

/// Records that are left alone: their sequences, neighbours as one range.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Hold(Vec<Range<u64>>);

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
            dropped: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The records to drop before one of `bytes` is appended; they are to be
    /// [evicted](Overflow::evict) by the caller.
    ///
    /// Fewer than would be needed when the others are held.
    pub(super) fn choose(&self, bytes: u64) -> Result<Vec<Candidate>, QueueFull> {
        let needed = bytes.saturating_add(PREFIX);
        let mut state = self.locked();
        // Before the bytes are looked at, which do not count what is passed here.
        state.unfreed.pass(self.queue.freed());
        if needed > self.bytes || !self.queue.has_room(bytes) {
            return Err(QueueFull);
        }
        let waiting = self.queue.records() - (state.doomed.len() as u64).min(self.queue.records());
        let held = self.queue.bytes().saturating_sub(state.unfreed.bytes);
        let mut records = (waiting + 1).saturating_sub(self.records);
        let mut excess = (held + needed).saturating_sub(self.bytes);
        let (mut chosen, mut made) = (Vec::new(), 0);
        while (records > 0 || excess > 0) && (chosen.len() < STEP || made < needed) {
            // A store that fails takes no record either, and says so then.
            let oldest = state.oldest(&self.queue).map_err(|_| QueueFull)?;
            let Some(candidate) = oldest else { break };
            records = records.saturating_sub(1);
            excess = excess.saturating_sub(candidate.bytes);
            made += candidate.bytes;
            state.unfreed.add(candidate.sequence, candidate.bytes);
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
        self.dropped.fetch_add(chosen.len() as u64, Relaxed);
        submitted.map(|_| ())
    }

    /// How many records were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Takes those out of `items` that were dropped, and leaves the others alone until they
    /// are [let go](Overflow::let_go).
    pub(super) fn hold<T>(&self, items: &mut Vec<T>, sequence: impl Fn(&T) -> u64) -> Hold {
        let mut state = self.locked();
        items.retain(|item| {
            let sequence = sequence(item);
            !state.doomed.contains(&sequence) && !self.queue.is_settled(sequence)
        });
        if items.is_empty() {
            return Hold::default();
        }
        let hold = || Hold::of(items.iter().map(&sequence));
        state.holds.push(hold());
        hold()
    }

    /// The records have ended, or wait again.
    pub(super) fn let_go(&self, hold: &Hold) {
        let mut state = self.locked();
        if let Some(index) = state.holds.iter().position(|other| other == hold) {
            state.holds.swap_remove(index);
            state.look_again = true;
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest record that nobody has a hand on.
    fn oldest(&mut self, queue: &Queue) -> Result<Option<Candidate>, StoreError> {
        while self.look_again {
            let free = |candidate: &Candidate| !self.is_held(candidate.sequence);
            let free = self.passed.iter().position(free);
            self.look_again = free.is_some();
            let candidate = free.and_then(|index| self.passed.remove(index));
            if let Some(candidate) = candidate.filter(|it| !self.is_gone(queue, it.sequence)) {
                return Ok(Some(candidate));
            }
        }
        loop {
            while let Some(candidate) = self.next.pop_front() {
                if self.is_held(candidate.sequence) {
                    self.passed.push_back(candidate);
                } else if !self.is_gone(queue, candidate.sequence) {
                    return Ok(Some(candidate));
                }
            }
            let reader = self.reader.get_or_insert_with(|| queue.reader());
            let Some(block) = reader.try_next()? else {
                return Ok(None);
            };
            let candidates = block.records().map(|(sequence, bytes)| Candidate {
                sequence,
                bytes: bytes.len() as u64 + PREFIX,
                id: record::read(bytes).map_or_else(|_| "".into(), |record| (*record.id).into()),
            });
            self.next.extend(candidates);
        }
    }

    fn is_held(&self, sequence: u64) -> bool {
        self.holds.iter().any(|hold| hold.contains(sequence))
    }

    fn is_gone(&self, queue: &Queue, sequence: u64) -> bool {
        self.doomed.contains(&sequence) || queue.is_settled(sequence)
    }
}

impl Hold {
    fn of(sequences: impl Iterator<Item = u64>) -> Self {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for sequence in sequences {
            match ranges.last_mut() {
                Some(last) if last.end == sequence => last.end += 1,
                _ => ranges.push(sequence..sequence + 1),
            }
        }
        Hold(ranges)
    }

    fn contains(&self, sequence: u64) -> bool {
        self.0.iter().any(|range| range.contains(&sequence))
    }
}

/// Bytes of dropped records that the queue counts until its head has passed them.
#[derive(Debug, Default)]
struct Unfreed {
    bytes: u64,
    /// The last sequences of some of these records, and their bytes.
    parts: VecDeque<(u64, u64)>,
}

impl Unfreed {
    /// The parts that are kept apart; what is beyond is one part until it is passed.
    const MOST: usize = 4_096;

    fn add(&mut self, sequence: u64, bytes: u64) {
        self.bytes += bytes;
        let count = self.parts.len();
        let before = self.parts.back_mut();
        let last = before.as_ref().map_or(0, |(last, _)| *last).max(sequence);
        match before {
            Some(part) if count == Self::MOST => *part = (last, part.1 + bytes),
            _ => self.parts.push_back((last, bytes)),
        }
    }

    /// The queue does not count what is below `sequence`.
    fn pass(&mut self, sequence: u64) {
        while let Some((_, bytes)) = self.parts.pop_front_if(|(last, _)| *last < sequence) {
            self.bytes -= bytes;
        }
    }
}
