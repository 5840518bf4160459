//! When something is due of a session that nobody is connected to.

use std::collections::BTreeSet;

use bytestring::ByteString;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One deadline for each session that has one, in milliseconds since the Unix epoch.
#[derive(Default)]
pub(super) struct Deadlines {
    due: Mutex<BTreeSet<(u64, ByteString)>>,
    changed: Notify,
}

impl Deadlines {
    pub(super) fn add(&self, at: u64, client_id: ByteString) {
        let mut due = self.due.lock();
        let is_first = due.first().is_none_or(|(first, _)| at < *first);
        due.insert((at, client_id));
        drop(due);
        if is_first {
            self.changed.notify_one();
        }
    }

    pub(super) fn remove(&self, at: u64, client_id: &ByteString) {
        self.due.lock().remove(&(at, client_id.clone()));
    }

    pub(super) fn pop_due(&self, now: u64) -> Option<ByteString> {
        let mut due = self.due.lock();
        let is_due = due.first().is_some_and(|(at, _)| *at <= now);
        if !is_due {
            return None;
        }
        due.pop_first().map(|(_, client_id)| client_id)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.due.lock().first().map(|(at, _)| *at)
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
