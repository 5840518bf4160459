//! Records of one destination in the order in which they are to leave, cut into batches.
//!
//! - A batch closes when it is full or when its first record has waited for the linger.
//! - A batch is cut when it can be sent and not before: records of a failed batch go
//!   back to the front, before everything that is behind them in the queue.
//! - With a linger of zero each record is a batch of its own.
//!
//! Time is an argument.

use std::{collections::VecDeque, time::Duration};

use perennial_connectors::{BatchLimits, Record};
use tokio::time::Instant;

/// A record that waits to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) record: Record,
}

/// What the worker knows of a record beside its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Its place in the queue.
    pub(super) sequence: u64,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// When the worker took it from the queue.
    pub(super) since: Instant,
    /// How many batches had come through when it was sent first.
    pub(super) sent_after: u64,
}

/// The records of a closed batch; a mark for each.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) records: Vec<Record>,
    pub(super) marks: Vec<Mark>,
}

/// Records that wait to be sent.
#[derive(Debug)]
pub(super) struct Batcher {
    max_records: usize,
    max_bytes: usize,
    linger: Duration,
    items: VecDeque<Item>,
    bytes: usize,
}

impl Batcher {
    pub(super) fn new(limits: &BatchLimits, linger: Duration) -> Self {
        Batcher {
            max_records: if linger.is_zero() {
                1
            } else {
                limits.records.max(1)
            },
            max_bytes: limits.bytes,
            linger,
            items: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a record that comes after all others.
    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.record.payload.len();
        self.items.push_back(item);
    }

    /// Takes back records that are to be sent again, before all others.
    pub(super) fn give_back(&mut self, items: impl DoubleEndedIterator<Item = Item>) {
        for item in items.rev() {
            self.bytes += item.record.payload.len();
            self.items.push_front(item);
        }
    }

    /// Whether there is enough for a batch, so that there is no use in reading on.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.max_records || self.bytes >= self.max_bytes
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// When the next batch closes by itself; `None` when there is nothing in it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.items
            .front()
            .map(|first| first.mark.since + self.linger)
    }

    /// The next batch, if it has closed.
    ///
    /// A first record that is larger than a batch is a batch of its own.
    pub(super) fn take(&mut self, now: Instant) -> Option<Closed> {
        if !self.is_full() && self.poll_timeout().is_none_or(|due| due > now) {
            return None;
        }
        let count = self.items.len().min(self.max_records);
        let mut closed = Closed {
            records: Vec::with_capacity(count),
            marks: Vec::with_capacity(count),
        };
        let mut bytes = 0;
        for _ in 0..count {
            let fits = |item: &Item| bytes + item.record.payload.len() <= self.max_bytes;
            if !closed.records.is_empty() && !self.items.front().is_some_and(fits) {
                break;
            }
            let Some(item) = self.items.pop_front() else {
                break;
            };
            bytes += item.record.payload.len();
            closed.records.push(item.record);
            closed.marks.push(item.mark);
        }
        self.bytes -= bytes;
        Some(closed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NONE: [u64; 0] = [];

    fn limits(records: usize, bytes: usize) -> BatchLimits {
        BatchLimits {
            records,
            bytes,
            record_bytes: bytes,
            in_flight: 1,
            linger: None,
        }
    }

    fn item(sequence: u64, size: usize, since: Instant) -> Item {
        Item {
            mark: Mark {
                sequence,
                attempts: 0,
                since,
                sent_after: 0,
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
            assert_eq!(closed.records.len(), closed.marks.len());
            closed.marks.iter().map(|mark| mark.sequence).collect()
        })
    }

    fn given_back(closed: Closed) -> impl DoubleEndedIterator<Item = Item> {
        closed
            .records
            .into_iter()
            .zip(closed.marks)
            .map(|(record, mark)| Item { mark, record })
    }

    #[test]
    fn a_batch_closes_when_its_first_record_has_waited_for_the_linger() {
        let start = Instant::now();
        let mut batcher = Batcher::new(&limits(10, 1000), SECOND);
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
        let mut batcher = Batcher::new(&limits(3, 1000), SECOND);
        for sequence in 0..5 {
            batcher.push(item(sequence, 1, now));
        }
        assert_eq!(sequences(batcher.take(now)), [0, 1, 2]);
        assert_eq!(sequences(batcher.take(now)), NONE);
    }

    #[test]
    fn a_batch_ends_before_the_record_that_would_make_it_too_large() {
        let now = Instant::now();
        let mut batcher = Batcher::new(&limits(10, 100), SECOND);
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
        let mut batcher = Batcher::new(&limits(10, 100), Duration::ZERO);
        batcher.push(item(0, 1, now));
        batcher.push(item(1, 1, now));
        assert_eq!(sequences(batcher.take(now)), [0]);
        assert_eq!(sequences(batcher.take(now)), [1]);
        assert_eq!(sequences(batcher.take(now)), NONE);
    }

    #[test]
    fn records_that_are_given_back_leave_first_and_in_their_order() {
        let start = Instant::now();
        let mut batcher = Batcher::new(&limits(3, 1000), SECOND);
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
        let mut batcher = Batcher::new(&limits(10, 100), SECOND);
        batcher.push(item(0, 500, now));
        batcher.push(item(1, 1, now));
        assert_eq!(sequences(batcher.take(now)), [0]);
        assert_eq!(sequences(batcher.take(now + SECOND)), [1]);
    }

    proptest! {
        #[test]
        fn batches_keep_the_order_and_the_limits_and_lose_nothing(
            sizes in proptest::collection::vec(0_usize..60, 0..200),
            max_records in 1_usize..20,
            returns in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let mut now = Instant::now();
            let mut batcher = Batcher::new(&limits(max_records, 100), SECOND);
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
                let bytes: usize = closed.records.iter().map(|r| r.payload.len()).sum();
                prop_assert!((1..=max_records).contains(&closed.records.len()) && bytes <= 100);
                if returns.next().unwrap_or(false) {
                    batcher.give_back(given_back(closed));
                } else {
                    left.extend(closed.marks.iter().map(|mark| mark.sequence));
                }
            }
            prop_assert_eq!(left, (0..count).collect::<Vec<_>>());
            prop_assert_eq!(batcher.bytes, 0);
        }
    }
}
