//! The wall clock: the one place of this crate that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day, in seconds since the Unix epoch; zero where the clock stands before it.
pub(crate) fn unix_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// 2025-01-01: before this code was written.
const FIRST_PLAUSIBLE: u64 = 1_735_689_600;

/// Whether `now` can be the time: a machine without a battery for its clock begins long before.
pub(crate) fn is_plausible(now: u64) -> bool {
    now >= FIRST_PLAUSIBLE
}
