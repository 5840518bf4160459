//! The wall clock: the one place of this package that reads it.
//!
//! Waiting goes by tokio's clock, which nobody sets; this one only says when something
//! happened, for people and for upstreams.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day, in milliseconds since the Unix epoch; zero where the clock stands before it.
#[must_use]
pub fn unix_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_milliseconds() {
        let year_2020 = 1_577_836_800_000;
        let year_2200 = 7_258_118_400_000;
        assert!((year_2020..year_2200).contains(&unix_millis()));
    }
}
