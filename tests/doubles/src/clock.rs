//! The doubles' only look at the wall clock.

use time::OffsetDateTime;

/// The time of day.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> OffsetDateTime {
    std::time::SystemTime::now().into()
}
