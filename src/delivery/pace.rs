//! How fast a connector may send, all its destinations together.
//!
//! What was sent is a debt that time pays off; nothing starts while there is one. So the
//! rate holds over a second and longer, whatever the size of a batch.
//!
//! Time is an argument.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The fastest that a connector sends; `None` is as fast as it gets through.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MaxRate {
    /// Records per second.
    pub records: Option<u64>,
    /// Bytes per second, counted as the upstream counts them in a batch.
    pub bytes: Option<u64>,
}

/// Keeps to a rate.
#[derive(Debug)]
pub(super) struct Pace {
    max: MaxRate,
    /// When all that was sent is paid off.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(max: MaxRate) -> Self {
        Pace {
            max,
            paid: Mutex::default(),
        }
    }

    /// When the next batch may leave; `None` is at once.
    pub(super) fn admits(&self, now: Instant) -> Option<Instant> {
        let paid = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        paid.filter(|paid| *paid > now)
    }

    /// A batch leaves.
    pub(super) fn sent(&self, records: usize, bytes: usize, now: Instant) {
        if self.max == MaxRate::default() {
            return;
        }
        let time = |amount: usize, rate: Option<u64>| match rate {
            Some(rate) => Duration::from_secs_f64(amount as f64 / rate.max(1) as f64),
            None => Duration::ZERO,
        };
        let cost = time(records, self.max.records).max(time(bytes, self.max.bytes));
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = Some(paid.map_or(now, |paid| paid.max(now)) + cost);
    }

    /// The batch that leaves each second at this rate, where that is less than `most`.
    pub(super) fn batch(&self, most: (usize, usize)) -> (usize, usize) {
        let least = |most: usize, rate: Option<u64>| {
            let rate = rate.and_then(|rate| usize::try_from(rate).ok());
            rate.map_or(most, |rate| most.min(rate.max(1)))
        };
        (
            least(most.0, self.max.records),
            least(most.1, self.max.bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_sent_is_paid_off_before_more_leaves() {
        let pace = Pace::new(MaxRate {
            records: Some(100),
            bytes: Some(1_000),
        });
        let start = Instant::now();
        assert_eq!(pace.admits(start), None);
        pace.sent(50, 100, start);
        assert_eq!(pace.admits(start), Some(start + SECOND / 2));
        // The dearer of the two counts, and a debt adds to another.
        pace.sent(1, 2_000, start);
        assert_eq!(pace.admits(start), Some(start + SECOND * 5 / 2));
        assert_eq!(pace.admits(start + SECOND * 3), None);
    }

    #[test]
    fn time_without_work_is_not_saved_up() {
        let pace = Pace::new(MaxRate {
            records: Some(10),
            bytes: None,
        });
        let start = Instant::now();
        pace.sent(10, 1, start);
        let later = start + SECOND * 60;
        pace.sent(20, 1, later);
        assert_eq!(pace.admits(later), Some(later + SECOND * 2));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let pace = Pace::new(MaxRate::default());
        let now = Instant::now();
        pace.sent(usize::MAX, usize::MAX, now);
        assert_eq!(pace.admits(now), None);
        assert_eq!(pace.batch((500, 4_096)), (500, 4_096));
    }

    #[test]
    fn a_batch_is_no_more_than_a_second_takes() {
        let pace = Pace::new(MaxRate {
            records: Some(20),
            bytes: Some(64_000),
        });
        assert_eq!(pace.batch((500, 4_096)), (20, 4_096));
        assert_eq!(pace.batch((10, 4 << 20)), (10, 64_000));
    }
}
