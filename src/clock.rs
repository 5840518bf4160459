//! The wall clock: the one place of this package that reads it.
//!
//! Waiting goes by tokio's clock, which nobody sets; this one only says when something
//! happened, for people and for upstreams.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// 2025-01-01: a clock behind it was never set.
const FIRST_PLAUSIBLE: u64 = 1_735_689_600_000;

/// How far the clock may go from what time has passed before somebody has set it.
const TOLERANCE: Duration = Duration::from_secs(30);

/// The time of day, in milliseconds since the Unix epoch; zero where the clock stands before it.
#[must_use]
pub fn unix_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// From when on something of `unix_millis` grows old: never, where the clock was not set then.
pub(crate) fn dated(unix_millis: u64) -> u64 {
    match unix_millis < FIRST_PLAUSIBLE {
        true => u64::MAX,
        false => unix_millis,
    }
}

/// Notices that the wall clock was set, or that the machine has slept.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    unix_millis: u64,
    at: Instant,
}

impl ClockWatch {
    /// Begins when the wall clock says `unix_millis`.
    pub(crate) fn new(unix_millis: u64, at: Instant) -> ClockWatch {
        ClockWatch { unix_millis, at }
    }

    /// Whether the wall clock, which says `unix_millis`, was set since this was asked last.
    pub(crate) fn was_set(&mut self, unix_millis: u64, now: Instant) -> bool {
        let passed = u64::try_from((now - self.at).as_millis()).unwrap_or(u64::MAX);
        let expected = self.unix_millis.saturating_add(passed);
        *self = ClockWatch::new(unix_millis, now);
        Duration::from_millis(expected.abs_diff(unix_millis)) > TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_one_that_is_slewed_is_not() {
        let (wall, start) = (1_800_000_000_000, Instant::now());
        let second = |count: u64| Duration::from_secs(count);
        let mut watch = ClockWatch::new(0, start);
        assert!(!watch.was_set(2_000, start + second(2)));
        assert!(watch.was_set(wall, start + second(4)));
        assert!(!watch.was_set(wall + 60_000, start + second(64)));
        assert!(!watch.was_set(wall + 61_000, start + second(66)));
        assert!(watch.was_set(wall - 10_000, start + second(68)));
        assert!(!watch.was_set(wall - 8_000, start + second(70)));
    }

    #[test]
    fn the_clock_counts_milliseconds() {
        let year_2020 = 1_577_836_800_000;
        let year_2200 = 7_258_118_400_000;
        assert!((year_2020..year_2200).contains(&unix_millis()));
    }
}
