//! Records of one destination in the order in which they are to leave, cut into batches.
//!
//! - A batch closes when it is full or when its first record has waited for the linger.
//! - A batch is cut when it can be sent and not before: records of a failed batch go
//!   back to the front, before everything that is behind them in the queue.
//! - With a linger of zero each record is a batch of its own.
//! - Where ids tell records of a batch apart, one that comes twice is left out or ends the batch.
//!
//! Time is an argument.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    time::Duration,
};

use bytestring::ByteString;
use perennial_connectors::{DuplicateIds, Record};
use tokio::time::Instant;

use crate::clock;

/// A record that waits to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) record: Record,
}

impl Item {
    /// Whether it is from before `time`, in milliseconds since the Unix epoch.
    pub(super) fn is_older(&self, time: u64) -> bool {
        clock::dated(self.record.time) < time
    }
}

/// What the worker knows of a record beside its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Its place in the queue.
    pub(super) sequence: u64,
    /// What it takes of the bytes of a batch.
    pub(super) size: usize,
    /// When the worker took it from the queue.
    pub(super) since: Instant,
    /// How often it was sent since then.
    pub(super) attempts: u32,
    /// How many batches had come through when it was sent first; `None` before that.
    pub(super) sent_after: Option<u64>,
}

/// The records of a closed batch.
#[derive(Debug, Default)]
pub(super) struct Closed {
    pub(super) items: Vec<Item>,
    /// Records whose id another one of the batch has, and which are not to be sent.
    pub(super) duplicates: Vec<Item>,
}

/// When a batch is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BatchRules {
    pub(super) max_records: usize,
    pub(super) max_bytes: usize,
    pub(super) linger: Duration,
    pub(super) duplicate_ids: DuplicateIds,
}

/// Records that wait to be sent.
#[derive(Debug)]
pub(super) struct Batcher {
    rules: BatchRules,
    items: VecDeque<Item>,
    bytes: usize,
    /// No record is from before, in milliseconds since the Unix epoch.
    oldest: u64,
}

impl Batcher {
    pub(super) fn new(rules: BatchRules) -> Self {
        let max_records = match rules.linger {
            Duration::ZERO => 1,
            _ => rules.max_records.max(1),
        };
        Batcher {
            rules: BatchRules {
                max_records,
                ..rules
            },
            items: VecDeque::new(),
            bytes: 0,
            oldest: u64::MAX,
        }
    }

    /// Adds a record that comes after all others.
    pub(super) fn push(&mut self, item: Item) {
        self.count(&item);
        self.items.push_back(item);
    }

    /// Takes back records that are to be sent again, before all others.
    pub(super) fn give_back(&mut self, items: impl DoubleEndedIterator<Item = Item>) {
        for item in items.rev() {
            self.count(&item);
            self.items.push_front(item);
        }
    }

    /// Takes over what waits in `other`, behind all that waits here.
    pub(super) fn append(&mut self, other: Batcher) {
        other.items.into_iter().for_each(|item| self.push(item));
    }

    /// Bytes in a batch from here on; a first record that is larger is a batch of its own.
    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.rules.max_bytes = max_bytes;
    }

    /// Whether there is enough for a batch, so that there is no use in reading on.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.rules.max_records || self.bytes >= self.rules.max_bytes
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes of all records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The record that leaves next.
    pub(super) fn first(&self) -> Option<&Item> {
        self.items.front()
    }

    /// When the next batch closes by itself; `None` when there is nothing in it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.items.front()?;
        Some(first.mark.since + self.rules.linger)
    }

    /// The next batch, if it has closed.
    ///
    /// A first record that is larger than a batch is a batch of its own.
    pub(super) fn take(&mut self, now: Instant) -> Option<Closed> {
        if !self.is_full() && self.poll_timeout().is_none_or(|due| due > now) {
            return None;
        }
        let count = self.items.len().min(self.rules.max_records);
        let mut closed = Closed {
            items: Vec::with_capacity(count),
            duplicates: Vec::new(),
        };
        let (mut ids, mut bytes) = (Ids::new(self.rules.duplicate_ids), 0);
        while closed.items.len() < self.rules.max_records
            && let Some(next) = self.items.front()
        {
            let is_first = closed.items.is_empty();
            if !is_first && bytes + next.mark.size > self.rules.max_bytes {
                break;
            }
            let verdict = ids.judge(&next.record.id);
            if verdict == Verdict::NextBatch {
                break;
            }
            let Some(item) = self.items.pop_front() else {
                break;
            };
            self.bytes -= item.mark.size;
            if verdict == Verdict::Duplicate {
                closed.duplicates.push(item);
                continue;
            }
            bytes += item.mark.size;
            closed.items.push(item);
        }
        if self.items.is_empty() {
            self.oldest = u64::MAX;
        }
        Some(closed)
    }

    /// Takes out the records from before `time`, in milliseconds since the Unix epoch.
    pub(super) fn take_older(&mut self, time: u64) -> Vec<Item> {
        if self.oldest >= time {
            return Vec::new();
        }
        let items = mem::take(&mut self.items);
        (self.bytes, self.oldest) = (0, u64::MAX);
        let (older, others): (VecDeque<_>, VecDeque<_>) =
            items.into_iter().partition(|item| item.is_older(time));
        others.iter().for_each(|item| self.count(item));
        self.items = others;
        older.into()
    }

    /// Forgets the records that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.items.retain(|item| keep(item.mark.sequence));
        self.bytes = self.items.iter().map(|item| item.mark.size).sum();
    }

    /// A time that no record is from before.
    pub(super) fn oldest(&self) -> Option<u64> {
        (!self.items.is_empty()).then_some(self.oldest)
    }

    fn count(&mut self, item: &Item) {
        self.bytes += item.mark.size;
        self.oldest = self.oldest.min(clock::dated(item.record.time));
    }
}

/// The ids of a batch, where they matter.
struct Ids {
    rule: DuplicateIds,
    seen: HashSet<ByteString>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Joins,
    Duplicate,
    NextBatch,
}

impl Ids {
    fn new(rule: DuplicateIds) -> Self {
        Ids {
            rule,
            seen: HashSet::new(),
        }
    }

    /// What becomes of the next record; one without an id is never a duplicate.
    fn judge(&mut self, id: &ByteString) -> Verdict {
        if self.rule == DuplicateIds::Send || id.is_empty() || self.seen.insert(id.clone()) {
            return Verdict::Joins;
        }
        match self.rule {
            DuplicateIds::Drop => Verdict::Duplicate,
            _ => Verdict::NextBatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NONE: [u64; 0] = [];

    fn rules(max_records: usize, max_bytes: usize, linger: Duration) -> BatchRules {
        BatchRules {
            max_records,
            max_bytes,
            linger,
            duplicate_ids: DuplicateIds::Send,
        }
    }

    fn item(sequence: u64, size: usize, since: Instant) -> Item {
        Item {
            mark: Mark {
                sequence,
                size,
                since,
                attempts: 0,
                sent_after: None,
            },
            record: Record {
                id: "".into(),
                topic: "t".into(),
                client_id: "c".into(),
                time: 0,
                payload: Bytes::from(vec![0; size]),
            },
        }
    }

    fn sequences(closed: Option<Closed>) -> Vec<u64> {
        closed.map_or(Vec::new(), |closed| {
            let items = closed.items.iter();
            items.map(|item| item.mark.sequence).collect()
        })
    }

    fn given_back(closed: Closed) -> impl DoubleEndedIterator<Item = Item> {
        closed.items.into_iter()
    }

    #[test]
    fn a_batch_closes_when_its_first_record_has_waited_for_the_linger() {
        let start = Instant::now();
        let mut batcher = Batcher::new(rules(10, 1000, SECOND));
        assert_eq!(batcher.poll_timeout(), None);
        batcher.push(item(0, 1, start));
        batcher.push(item(1, 1, start + SECOND / 2));
        assert_eq!(sequences(batcher.take(start + SECOND / 2)), NONE);

        let due = batcher.poll_timeout().unwrap();
        assert_eq!(due, start + SECOND);
        assert_eq!(sequences(batcher.take(due)), [0, 1]);
        assert_eq!(batcher.poll_timeout(), None);
    }

    #[test]
    fn a_batch_closes_at_once_when_it_has_all_records_that_it_may_have() {
        let now = Instant::now();
        let mut batcher = Batcher::new(rules(3, 1000, SECOND));
        for sequence in 0..5 {
            batcher.push(item(sequence, 1, now));
        }
        assert_eq!(sequences(batcher.take(now)), [0, 1, 2]);
        assert_eq!(sequences(batcher.take(now)), NONE);
    }

    #[test]
    fn a_batch_ends_before_the_record_that_would_make_it_too_large() {
        let now = Instant::now();
        let mut batcher = Batcher::new(rules(10, 100, SECOND));
        batcher.push(item(0, 60, now));
        assert!(!batcher.is_full());
        batcher.push(item(1, 41, now));
        assert_eq!(sequences(batcher.take(now)), [0]);
        assert!(!batcher.is_full());
        batcher.push(item(2, 59, now));
        assert_eq!(
            sequences(batcher.take(now)),
            [1, 2],
            "exactly as large as it may be"
        );
    }

    #[test]
    fn without_a_linger_each_record_is_a_batch() {
        let now = Instant::now();
        let mut batcher = Batcher::new(rules(10, 100, Duration::ZERO));
        batcher.push(item(0, 1, now));
        batcher.push(item(1, 1, now));
        assert_eq!(sequences(batcher.take(now)), [0]);
        assert_eq!(sequences(batcher.take(now)), [1]);
        assert_eq!(sequences(batcher.take(now)), NONE);
    }

    #[test]
    fn records_that_are_given_back_leave_first_and_in_their_order() {
        let start = Instant::now();
        let mut batcher = Batcher::new(rules(3, 1000, SECOND));
        for sequence in 0..4 {
            batcher.push(item(sequence, 1, start));
        }
        let failed = batcher.take(start).unwrap();
        batcher.push(item(4, 1, start));
        batcher.give_back(given_back(failed));
        assert_eq!(sequences(batcher.take(start)), [0, 1, 2]);
        assert_eq!(sequences(batcher.take(start)), NONE);
        assert_eq!(sequences(batcher.take(start + SECOND)), [3, 4]);
    }

    #[test]
    fn a_record_larger_than_a_batch_does_not_stand_in_the_way() {
        let now = Instant::now();
        let mut batcher = Batcher::new(rules(10, 100, SECOND));
        batcher.push(item(0, 500, now));
        batcher.push(item(1, 1, now));
        assert_eq!(sequences(batcher.take(now)), [0]);
        assert_eq!(sequences(batcher.take(now + SECOND)), [1]);
    }

    fn named(sequence: u64, id: &str, now: Instant) -> Item {
        let mut item = item(sequence, 1, now);
        item.record.id = id.into();
        item
    }

    #[test]
    fn a_second_record_with_an_id_is_left_out_of_the_batch() {
        let now = Instant::now();
        let mut batcher = Batcher::new(BatchRules {
            duplicate_ids: DuplicateIds::Drop,
            ..rules(3, 100, SECOND)
        });
        for (sequence, id) in (0..).zip(["a", "a", "", "", "a", "b"]) {
            batcher.push(named(sequence, id, now));
        }
        let closed = batcher.take(now).unwrap();
        let duplicates: Vec<_> = closed.duplicates.iter().map(|d| d.mark.sequence).collect();
        assert_eq!(duplicates, [1]);
        assert_eq!(sequences(Some(closed)), [0, 2, 3]);
        assert_eq!(sequences(batcher.take(now + SECOND)), [4, 5]);
        assert_eq!(batcher.bytes(), 0);
    }

    #[test]
    fn a_second_record_with_an_id_can_wait_for_the_next_batch() {
        let now = Instant::now();
        let mut batcher = Batcher::new(BatchRules {
            duplicate_ids: DuplicateIds::Separate,
            ..rules(5, 100, SECOND)
        });
        for (sequence, id) in (0..).zip(["a", "b", "a", "a", "c"]) {
            batcher.push(named(sequence, id, now));
        }
        assert_eq!(sequences(batcher.take(now)), [0, 1]);
        let late = now + SECOND;
        assert_eq!(sequences(batcher.take(late)), [2]);
        assert_eq!(sequences(batcher.take(late)), [3, 4]);
    }

    #[test]
    fn records_from_before_a_time_are_taken_out_wherever_they_wait() {
        let now = Instant::now();
        let mut batcher = Batcher::new(rules(10, 100, SECOND));
        let at = |second: u64| 1_800_000_000_000 + second * 1_000;
        for (sequence, second) in (0..).zip([30, 10, 40, 20]) {
            let mut item = item(sequence, 5, now);
            item.record.time = at(second);
            batcher.push(item);
        }
        assert_eq!(batcher.oldest(), Some(at(10)));
        assert!(batcher.take_older(at(10)).is_empty());
        let older = batcher.take_older(at(30));
        let older: Vec<_> = older.iter().map(|item| item.mark.sequence).collect();
        assert_eq!(older, [1, 3]);
        assert_eq!((batcher.oldest(), batcher.bytes()), (Some(at(30)), 10));
        assert_eq!(sequences(batcher.take(now + SECOND)), [0, 2]);
        assert_eq!(batcher.oldest(), None);
    }

    proptest! {
        #[test]
        fn batches_keep_the_order_and_the_limits_and_lose_nothing(
            sizes in proptest::collection::vec(0_usize..60, 0..200),
            max_records in 1_usize..20,
            returns in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let mut now = Instant::now();
            let mut batcher = Batcher::new(rules(max_records, 100, SECOND));
            let count = sizes.len() as u64;
            let mut sizes = sizes.into_iter().zip(0..).peekable();
            let mut returns = returns.into_iter();
            let mut left = Vec::new();
            while left.len() < count as usize {
                while let Some((size, sequence)) = sizes.next_if(|_| !batcher.is_full()) {
                    batcher.push(item(sequence, size, now));
                }
                let Some(closed) = batcher.take(now) else {
                    now = batcher.poll_timeout().unwrap();
                    continue;
                };
                let bytes: usize = closed.items.iter().map(|item| item.mark.size).sum();
                prop_assert!((1..=max_records).contains(&closed.items.len()) && bytes <= 100);
                if returns.next().unwrap_or(false) {
                    batcher.give_back(given_back(closed));
                } else {
                    left.extend(closed.items.iter().map(|item| item.mark.sequence));
                }
            }
            prop_assert_eq!(left, (0..count).collect::<Vec<_>>());
            prop_assert_eq!(batcher.bytes, 0);
        }
    }
}
