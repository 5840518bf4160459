//! Which sequences of a queue are settled: a head, and ranges beyond it.
//!
//! - Everything below the head is settled.
//! - Ranges settled out of order wait beyond the head until the gap below them closes, so
//!   there are never more of them than there are records in flight.

use std::{collections::BTreeMap, ops::Range};

/// A set of settled sequences that grows from a head upwards.
#[derive(Debug)]
pub(super) struct Settled {
    head: u64,
    /// Start and end of each range; they neither overlap nor touch, and start above the head.
    beyond: BTreeMap<u64, u64>,
    /// How many sequences these ranges have.
    beyond_len: u64,
}

impl Settled {
    /// Everything below `head` is settled and nothing else.
    pub(super) fn below(head: u64) -> Settled {
        Settled {
            head,
            beyond: BTreeMap::new(),
            beyond_len: 0,
        }
    }

    /// The first sequence that is not settled.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// The settled ranges beyond the head, from the lowest.
    pub(super) fn beyond(&self) -> impl Iterator<Item = Range<u64>> {
        self.beyond.iter().map(|(&start, &end)| start..end)
    }

    /// How many sequences below `end` are not settled; no range reaches beyond `end`.
    pub(super) fn unsettled_below(&self, end: u64) -> u64 {
        end.saturating_sub(self.head)
            .saturating_sub(self.beyond_len)
    }

    /// The head after the first `unsettled` sequences would be settled too.
    pub(super) fn after(&self, mut unsettled: u64) -> u64 {
        let mut at = self.head;
        for (&start, &end) in &self.beyond {
            let gap = start - at;
            if unsettled < gap {
                break;
            }
            unsettled -= gap;
            at = end;
        }
        at + unsettled
    }

    /// Whether `sequence` is settled.
    pub(super) fn contains(&self, sequence: u64) -> bool {
        let below = self.beyond.range(..=sequence).next_back();
        sequence < self.head || below.is_some_and(|(_, end)| sequence < *end)
    }

    /// Settles `range` and tells how many of its sequences were not settled before.
    pub(super) fn settle(&mut self, range: Range<u64>) -> u64 {
        let mut start = range.start.max(self.head);
        let mut end = range.end;
        if start >= end {
            return 0;
        }
        let mut fresh = end - start;
        // From the highest down: of the ranges that begin at or below `end`, those that
        // reach `start` become one with the new range.
        while let Some((&other_start, &other_end)) = self.beyond.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.beyond.remove(&other_start);
            self.beyond_len -= other_end - other_start;
            let overlap = other_end.min(range.end).saturating_sub(
                // Only the part inside the new range was counted as fresh.
                other_start.max(range.start.max(self.head)),
            );
            fresh -= overlap;
            start = start.min(other_start);
            end = end.max(other_end);
        }
        if start == self.head {
            self.head = end;
        } else {
            self.beyond.insert(start, end);
            self.beyond_len += end - start;
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_head_moves_over_a_gap_only_when_the_gap_is_settled() {
        let mut settled = Settled::below(10);
        assert_eq!(settled.settle(12..15), 3);
        assert_eq!(settled.head(), 10);
        assert_eq!(settled.settle(10..12), 2);
        assert_eq!(settled.head(), 15);
    }

    #[test]
    fn settling_twice_counts_once() {
        let mut settled = Settled::below(0);
        assert_eq!(settled.settle(3..5), 2);
        assert_eq!(settled.settle(2..6), 2);
        assert_eq!(settled.settle(3..5), 0);
        assert_eq!(settled.settle(0..6), 2);
        assert_eq!(settled.settle(0..6), 0);
        assert_eq!(settled.head(), 6);
    }

    #[test]
    fn an_empty_range_settles_nothing() {
        let mut settled = Settled::below(4);
        assert_eq!(settled.settle(6..6), 0);
        assert_eq!(settled.settle(0..4), 0);
        assert_eq!(settled.head(), 4);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_set(ranges in prop::collection::vec((0u64..60, 0u64..12), 0..40)) {
            let mut settled = Settled::below(5);
            let mut model: BTreeSet<u64> = (0..5).collect();
            for (start, length) in ranges {
                let range = start..start + length;
                let fresh = range.clone().filter(|sequence| model.insert(*sequence)).count();
                prop_assert_eq!(settled.settle(range), fresh as u64);
                let head = (0..).find(|sequence| !model.contains(sequence));
                prop_assert_eq!(Some(settled.head()), head);
                let beyond: Vec<_> = settled.beyond().collect();
                prop_assert!(beyond.windows(2).all(|pair| pair[0].end < pair[1].start));
                let held: u64 = beyond.iter().map(|range| range.end - range.start).sum();
                prop_assert_eq!(settled.head() + held, model.len() as u64);
                prop_assert!((0..80).all(|at| settled.contains(at) == model.contains(&at)));
                prop_assert_eq!(settled.unsettled_below(80), 80 - model.len() as u64);
                for count in 0..5 {
                    let rest = (0..).filter(|at| !model.contains(at)).nth(count);
                    prop_assert_eq!(Some(settled.after(count as u64)), rest);
                }
            }
        }
    }
}
