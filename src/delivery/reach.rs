//! How many bytes of a batch come through in the time that a request has.
//!
//! A batch without an answer in time is halved before it is sent again, so that a slow line
//! carries a backlog in smaller pieces instead of the same large one for ever. Larger ones are
//! tried where there is time left for them, and so hardly ever in vain.
//!
//! Time is an argument.

use std::time::Duration;

/// A batch is not halved below this, in bytes: an outage looks like a slow line, and a line that
/// is slower carries nothing that is worth it.
const LEAST: usize = 16 * 1024;

/// The bytes that a batch may have.
#[derive(Debug)]
pub(super) struct Reach {
    most: usize,
    bytes: usize,
    /// The longest that a batch has waited for an answer in vain. A way to the service that
    /// is closed can be noticed sooner.
    patience: Duration,
}

impl Reach {
    /// Batches have `most` bytes until one of them is late.
    pub(super) fn up_to(most: usize) -> Self {
        Reach {
            most,
            bytes: most,
            patience: Duration::ZERO,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A batch of so many bytes had no answer when it had waited for so long.
    pub(super) fn late(&mut self, bytes: usize, waited: Duration) {
        // Of several that were on their way together each has the same to say.
        self.bytes = (bytes / 2).max(LEAST).min(self.bytes);
        self.patience = self.patience.max(waited);
    }

    /// A batch of so many bytes had an answer after this time.
    pub(super) fn answered(&mut self, bytes: usize, took: Duration) {
        let was_full = bytes >= self.bytes / 2;
        if was_full && took * 2 <= self.patience {
            self.bytes = self.bytes.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MOST: usize = 4 << 20;

    /// Sends full batches over a line with so many bytes in a second, and gives the sizes.
    fn sizes(reach: &mut Reach, bytes_per_second: usize, batches: usize) -> Vec<usize> {
        let timeout = 30 * SECOND;
        let send = |_| {
            let bytes = reach.bytes();
            let takes = SECOND * bytes as u32 / bytes_per_second as u32;
            match takes < timeout {
                true => reach.answered(bytes, takes),
                false => reach.late(bytes, timeout),
            }
            bytes
        };
        (0..batches).map(send).collect()
    }

    #[test]
    fn a_slow_line_gets_batches_that_fit_and_none_that_do_not_from_there_on() {
        let mut reach = Reach::up_to(MOST);
        let sizes = sizes(&mut reach, 20_000, 10);
        let (first, rest) = sizes.split_at(3);
        assert_eq!(first, [MOST, MOST / 2, MOST / 4]);
        assert!(rest.iter().all(|bytes| *bytes == MOST / 8), "{rest:?}");
    }

    #[test]
    fn batches_become_large_again_on_a_fast_line() {
        let mut reach = Reach::up_to(MOST);
        sizes(&mut reach, 1, 20);
        assert_eq!(reach.bytes(), LEAST);
        let sizes = sizes(&mut reach, 10_000_000, 10);
        assert_eq!(sizes.last(), Some(&MOST));
    }

    #[test]
    fn small_batches_say_nothing_about_large_ones() {
        let mut reach = Reach::up_to(MOST);
        reach.late(MOST, 30 * SECOND);
        (0..10).for_each(|_| reach.answered(100, SECOND / 100));
        assert_eq!(reach.bytes(), MOST / 2);
    }

    #[test]
    fn batches_that_are_late_together_count_as_one() {
        let mut reach = Reach::up_to(MOST);
        (0..4).for_each(|_| reach.late(MOST, 30 * SECOND));
        assert_eq!(reach.bytes(), MOST / 2);
        // One that has fewer bytes than a batch may have at least changes nothing.
        let mut reach = Reach::up_to(1_000);
        reach.late(800, SECOND);
        assert_eq!(reach.bytes(), 1_000);
    }
}
