//! What the workers of a connector share.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use perennial_broker::store::Store;
use perennial_connectors::{Rejection, Report};
use tokio::time::Instant;

use crate::{
    delivery::{Connector, StatusSink, dead_letters::DeadLetters, pace::Pace},
    reminder::Reminder,
};

/// Bytes of records in memory where neither contract nor user says how many.
const DEFAULT_MEMORY: u64 = 64 << 20;

/// A connector at work.
pub(super) struct Shared {
    pub(super) connector: Arc<Connector>,
    pub(super) store: Store,
    pub(super) sink: Arc<dyn StatusSink>,
    pub(super) dead_letters: DeadLetters,
    pub(super) pace: Pace,
    pub(super) memory: Memory,
    /// What the operator hears of an upstream that lets nobody in: once for all destinations.
    shut_out: Mutex<Reminder>,
}

impl Shared {
    pub(super) fn new(
        connector: Arc<Connector>,
        dead_letters: DeadLetters,
        store: Store,
        sink: Arc<dyn StatusSink>,
    ) -> Self {
        let memory = connector.contract.delivery().memory_bytes;
        Shared {
            pace: Pace::new(connector.settings.max_rate),
            memory: Memory::new(memory.unwrap_or(DEFAULT_MEMORY)),
            shut_out: Mutex::default(),
            connector,
            store,
            sink,
            dead_letters,
        }
    }

    /// Publishes the status of a record that ended before it was sent.
    pub(super) fn tell(&self, rejection: &Rejection) {
        if let Some(status) = self.connector.contract.rejected(rejection) {
            // A store that takes no status takes no end of its record either.
            self.sink.publish(status).ok();
        }
    }

    /// Publishes the statuses of records whose outcome is final.
    pub(super) fn report(&self, reports: &[Report<'_>]) {
        if !reports.is_empty() {
            let statuses = self.connector.contract.settled(reports);
            for status in statuses {
                self.sink.publish(status).ok();
            }
        }
    }

    /// Counts a batch that the upstream turned away; how many there were, when that is to be said.
    pub(super) fn count_shut_out(&self, now: Instant) -> Option<u64> {
        let mut shut_out = self.shut_out.lock().unwrap_or_else(PoisonError::into_inner);
        shut_out.count(1, now)
    }
}

/// The memory that a connector may use, in equal shares for its lanes.
///
/// A lane goes beyond its share by one block of its queue, or one record where that is larger:
/// without it nothing would move. A lane that finds all of the memory in the hands of others
/// moves on block by block until they have given back what is beyond their shares.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: usize,
    lanes: AtomicUsize,
    held: AtomicUsize,
}

impl Memory {
    fn new(bytes: u64) -> Self {
        Memory {
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            lanes: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// A lane begins.
    pub(super) fn enter(&self) {
        self.lanes.fetch_add(1, Relaxed);
    }

    /// A lane has ended that held so many bytes.
    pub(super) fn leave(&self, held: usize) {
        self.lanes.fetch_sub(1, Relaxed);
        self.held.fetch_sub(held, Relaxed);
    }

    /// The bytes that one lane may hold.
    pub(super) fn share(&self) -> usize {
        self.bytes / self.lanes.load(Relaxed).max(1)
    }

    /// The bytes that all lanes hold.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// What a lane holds went from `before` to `held` bytes; whether it may take more.
    pub(super) fn has_room(&self, before: usize, held: usize) -> bool {
        // One lane's addition and subtraction do not meet: what it held is in the sum.
        let others = self.held.fetch_add(held, Relaxed) - before;
        self.held.fetch_sub(before, Relaxed);
        held == 0 || (held < self.share() && others.saturating_add(held) < self.bytes)
    }
}
