//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Long enough for anything that a healthy gateway does on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `condition` is true.
///
/// # Panics
/// It is not true when `limit` is over; `what` says what was waited for.
#[track_caller]
pub(crate) fn wait_for(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for_some(limit, what, || condition().then_some(()));
}

/// Looks until `look` finds something.
///
/// # Panics
/// It has found nothing when `limit` is over; `what` says what was waited for.
#[track_caller]
pub(crate) fn wait_for_some<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {limit:?} in vain: {what}"
        );
        pause(PAUSE);
    }
}

/// Looks until `count` is at least `goal`. Patience begins anew whenever it has grown, so that
/// a slow machine is no failure and a standstill is one.
///
/// # Panics
/// It has not grown for [`PATIENCE`]; `what` says what is counted.
#[track_caller]
pub(crate) fn wait_to_reach(goal: u64, what: &str, mut count: impl FnMut() -> u64) {
    let mut reached = 0;
    while reached < goal {
        let more = format!("more than {reached} of {goal} {what}");
        reached = wait_for_some(PATIENCE, &more, || {
            Some(count()).filter(|count| *count > reached)
        });
    }
}

/// Lets `time` pass: between two looks at a condition, or where the passing of time is
/// itself what is tested.
pub(crate) fn pause(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the tests that sleeps"
    )]
    std::thread::sleep(time);
}
