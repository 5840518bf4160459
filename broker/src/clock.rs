//! The broker's only look at the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; zero for a clock set before it.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn unix_millis() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64);
    #[cfg(any(test, feature = "fuzzing"))]
    let now = now + ahead::millis();
    now
}

/// For tests: the clock of one thread, set ahead instead of waited for.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod ahead {
    use std::{cell::Cell, time::Duration};

    thread_local! {
        static AHEAD: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn millis() -> u64 {
        AHEAD.get()
    }

    /// Lets `time` pass for this thread.
    pub(crate) fn pass(time: Duration) {
        AHEAD.set(AHEAD.get() + time.as_millis() as u64);
    }
}
