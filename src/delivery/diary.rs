//! What a worker tells the log: once when it begins, at intervals while it lasts, once when it ends.

use perennial_connectors::{FailureClass, Outcome, SendError};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::{
    delivery::{backoff::Change, counters::Settled},
    reminder::Reminder,
};

/// Remembers what was said, so that nothing is said for every record.
#[derive(Debug, Default)]
pub(super) struct Diary {
    dead: Reminder,
    dropped: Reminder,
    expired: Reminder,
    duplicates: Reminder,
}

impl Diary {
    /// Nothing of a batch came through.
    pub(super) fn failed(
        &self,
        error: &SendError,
        records: usize,
        queued: u64,
        change: Option<Change>,
    ) {
        match change {
            // The operator was told in other words.
            _ if error.class == FailureClass::NoAccess => {}
            Some(Change::Opened) => warn!(
                %error, queued,
                "the upstream fails; records wait in the queue until it is back"
            ),
            Some(Change::StillOpen { failing_for }) => {
                warn!(%error, queued, ?failing_for, "the upstream still fails");
            }
            Some(Change::Closed { .. }) | None => debug!(%error, records, "a batch is sent again"),
        }
    }

    /// The upstream lets nobody in; `batches` were turned away since this was said last.
    pub(super) fn shut_out(error: &SendError, batches: u64, queued: u64) {
        error!(
            %error, batches, queued,
            "the upstream lets the gateway not in, or is not configured well; records wait in the \
             queue until credentials, permissions, clock or configuration are mended"
        );
    }

    /// The upstream refused a batch as it is.
    pub(super) fn divided(error: &SendError, records: usize) {
        debug!(%error, records, "the upstream refuses a batch; its halves are sent alone");
    }

    /// A batch came through, all but `again` of its records.
    pub(super) fn came_through(&self, again: usize, queued: u64, change: Option<Change>) {
        if let Some(Change::Closed { failed_for }) = change {
            info!(queued, ?failed_for, "the upstream takes records again");
        }
        if again > 0 {
            debug!(records = again, "records of a batch are sent again");
        }
    }

    /// Records will never reach the upstream; `why` is the outcome of one of them, where there is one.
    pub(super) fn gave_up(&mut self, settled: Settled, why: Option<&Outcome>) {
        let now = Instant::now();
        let (code, message) = match why {
            Some(Outcome::Rejected { code, message }) => (&**code, &**message),
            _ => ("CorruptRecord", "the bytes in the queue are no record"),
        };
        if let Some(records) = self.expired.count(settled.expired, now) {
            warn!(records, "records grew too old and were not sent");
        }
        if let Some(records) = self.duplicates.count(settled.duplicates, now) {
            warn!(
                records,
                "records were dropped whose id another one of the batch has"
            );
        }
        if let Some(records) = self.dead.count(settled.dead, now) {
            warn!(records, code, message, "records became dead letters");
        }
        if let Some(records) = self.dropped.count(settled.dropped, now) {
            error!(
                records,
                code, message, "there is no room for dead letters; records were dropped"
            );
        }
    }
}
