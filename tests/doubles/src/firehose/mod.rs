//! A double of Amazon Data Firehose.

mod call;

pub use self::call::{FirehoseCall, Operation};
use crate::{answer::Answer, double::Double};

/// A Firehose: `PutRecord` and `PutRecordBatch` for delivery streams of any name.
pub type FirehoseDouble = Double<FirehoseCall>;

impl FirehoseDouble {
    /// Every fault after which the same records may pass, for chaos.
    ///
    /// A [`Hang`](Answer::Hang) is not among them: it costs the sender its timeout.
    #[must_use]
    pub fn passing_faults() -> Vec<(&'static str, Answer)> {
        let mut faults = Answer::passing_faults();
        faults.extend([
            ("throttling", Answer::throttling()),
            ("service_unavailable", Answer::service_unavailable()),
            ("internal_failure", Answer::internal_failure()),
            ("access_denied", Answer::access_denied()),
        ]);
        faults
    }
}
