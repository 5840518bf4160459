//! What became of the records of a destination.
//!
//! Every accepted record ends in exactly one place, so when nothing moves
//! `accepted = delivered + dead + dropped + expired + queued`. The counts are read
//! one after another: while records move, a snapshot can be off by what moved meanwhile.

use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts since the destination's queue was opened.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
    dropped: AtomicU64,
    expired: AtomicU64,
    duplicates: AtomicU64,
    retries: AtomicU64,
    rejected: AtomicU64,
}

impl Counters {
    /// Counters of a queue in which `found` records lay already.
    pub(super) fn starting_with(found: u64) -> Self {
        Counters {
            accepted: found.into(),
            ..Counters::default()
        }
    }

    /// Records were appended to the queue.
    pub fn accepted(&self, records: u64) {
        self.accepted.fetch_add(records, Relaxed);
    }

    /// Records found no room in the queue or were not valid; none of them counts as accepted.
    pub fn rejected(&self, records: u64) {
        self.rejected.fetch_add(records, Relaxed);
    }

    pub(super) fn settled(&self, settled: Settled) {
        self.delivered.fetch_add(settled.delivered, Relaxed);
        self.dead.fetch_add(settled.dead, Relaxed);
        self.dropped
            .fetch_add(settled.dropped + settled.duplicates, Relaxed);
        self.duplicates.fetch_add(settled.duplicates, Relaxed);
        self.expired.fetch_add(settled.expired, Relaxed);
    }

    /// Records made room for newer ones.
    pub(super) fn dropped(&self, records: u64) {
        self.dropped.fetch_add(records, Relaxed);
    }

    pub(super) fn retried(&self, records: u64) {
        self.retries.fetch_add(records, Relaxed);
    }

    pub(super) fn counts(&self, queued: u64) -> Counts {
        Counts {
            accepted: self.accepted.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            dead: self.dead.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            expired: self.expired.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            queued,
            retries: self.retries.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
        }
    }
}

/// How many records of a batch ended where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    pub(super) delivered: u64,
    pub(super) dead: u64,
    pub(super) dropped: u64,
    pub(super) duplicates: u64,
    pub(super) expired: u64,
}

/// What became of the records of a destination, at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Appended to the queue, or found in it at the start.
    pub accepted: u64,
    /// The upstream has them.
    pub delivered: u64,
    /// Kept as dead letters.
    pub dead: u64,
    /// Given up: for a newer record, because the dead letters had no room, or as duplicates.
    pub dropped: u64,
    /// Of those, the records whose id another one of the same batch had.
    pub duplicates: u64,
    /// Given up for their age.
    pub expired: u64,
    /// In the queue.
    pub queued: u64,
    /// Sent again; a record counts each time.
    pub retries: u64,
    /// Never accepted.
    pub rejected: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.dropped += other.dropped;
        self.expired += other.expired;
        self.duplicates += other.duplicates;
        self.queued += other.queued;
        self.retries += other.retries;
        self.rejected += other.rejected;
    }
}
