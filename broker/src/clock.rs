//! The broker's time, by which sessions, messages and wills end.
//!
//! It begins with the wall clock and goes on by the time that passes, so nothing ends because
//! somebody sets the clock: a machine without a battery for it learns the time long after the
//! broker has started. It is never behind what an earlier run has noted.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// 2025-01-01: a clock behind it was never set.
const FIRST_PLAUSIBLE: u64 = 1_735_689_600_000;

/// Time since a broker has started, told in milliseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Clock {
    began: u64,
    since: Instant,
}

impl Clock {
    /// Begins, behind an earlier run that `last` was known to run at that time by its own clock.
    pub(crate) fn start(last: Option<u64>) -> Clock {
        Clock {
            began: beginning(wall(), last) - set_ahead(),
            since: Instant::now(),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.began + self.since.elapsed().as_millis() as u64 + set_ahead()
    }
}

/// When a run begins that the wall clock says begins at `wall`.
fn beginning(wall: u64, last: Option<u64>) -> u64 {
    let Some(last) = last else { return wall };
    let was_set = last < FIRST_PLAUSIBLE && wall >= FIRST_PLAUSIBLE;
    // How long nobody has run is unknown if the clock was set in between, or is not set yet.
    if wall < last || was_set { last } else { wall }
}

/// What the wall clock says: milliseconds since the Unix epoch, zero where it is set before that.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn wall() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64);
    #[cfg(any(test, feature = "fuzzing"))]
    let now = ahead::wall(now);
    now
}

#[cfg(any(test, feature = "fuzzing"))]
use ahead::millis as set_ahead;

#[cfg(not(any(test, feature = "fuzzing")))]
fn set_ahead() -> u64 {
    0
}

/// For tests: the time of one thread, set ahead instead of waited for.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod ahead {
    use std::{cell::Cell, time::Duration};

    thread_local! {
        static AHEAD: Cell<u64> = const { Cell::new(0) };
        static WALL: Cell<Option<u64>> = const { Cell::new(None) };
    }

    pub(super) fn millis() -> u64 {
        AHEAD.get()
    }

    pub(super) fn wall(now: u64) -> u64 {
        WALL.get().unwrap_or(now + AHEAD.get())
    }

    /// Lets `time` pass for this thread.
    pub(crate) fn pass(time: Duration) {
        AHEAD.set(AHEAD.get() + time.as_millis() as u64);
    }

    /// Sets the wall clock of this thread, in milliseconds since the Unix epoch.
    #[cfg(test)]
    pub(crate) fn set_wall(now: u64) {
        WALL.set(Some(now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const YEAR: u64 = 365 * 24 * 60 * 60 * 1_000;
    const NOW: u64 = 57 * YEAR;

    #[test]
    fn a_run_begins_when_the_clock_says_unless_that_cannot_be_known() {
        for (wall, last, begins) in [
            (NOW, None, NOW),
            (NOW, Some(NOW - YEAR), NOW),
            (1_000, None, 1_000),
            // Not set yet, set back, and set for the first time.
            (1_000, Some(NOW), NOW),
            (NOW, Some(NOW + YEAR), NOW + YEAR),
            (NOW, Some(5_000), 5_000),
            (9_000, Some(5_000), 9_000),
        ] {
            assert_eq!(beginning(wall, last), begins, "{wall} behind {last:?}");
        }
    }

    #[test]
    fn time_passes_and_nobody_sets_it() {
        ahead::set_wall(1_000);
        let clock = Clock::start(None);
        ahead::set_wall(NOW);
        let first = clock.now();
        assert!((1_000..1_000 + YEAR).contains(&first));
        ahead::pass(Duration::from_secs(60));
        assert!(clock.now() >= first + 60_000);
    }
}
