//! When memtables are written out: before each commit the committer asks here.
//!
//! The database would do this itself, but its worker needs the lock of the journal for it,
//! which a busy committer holds nearly always and takes again before the worker wakes.
//! Memtables would then grow without bound; at 4 sealed ones a commit sleeps 100 ms. So the
//! committer counts and seals, and lets the worker at the lock.

use std::{thread, time::Duration};

use super::disk::Disk;

/// How long the worker needs to take a lock that is free.
const ROOM: Duration = Duration::from_micros(200);
/// Sealed memtables at which the committer waits for the worker; the database sleeps at 4.
const MOST_SEALED: usize = 2;
/// Unmerged tables at which the committer waits for the worker; the database stalls at 20.
const MOST_UNMERGED: usize = 16;
/// How many times it waits for these: merging is asked for by the next table, so that waiting
/// for it to come to an end could be waiting for ever.
const MERGE_WAITS: u32 = 500;

/// Keeps memtables within a budget.
#[derive(Debug)]
pub(super) struct Rotation {
    budget: u64,
    written: u64,
    waiting: usize,
}

impl Rotation {
    /// `unflushed` is what the memtables hold already.
    pub(super) fn new(budget: u64, unflushed: u64) -> Rotation {
        Rotation {
            budget,
            written: unflushed,
            waiting: 0,
        }
    }

    /// Counts what a commit writes.
    pub(super) fn count(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Seals the memtables when they are full, and lets the worker keep up.
    pub(super) fn keep_up(&mut self, disk: &Disk) -> fjall::Result<()> {
        if self.written >= self.budget {
            wait_for_worker(disk)?;
            disk.seal()?;
            self.written = 0;
            self.waiting = disk.waiting().max(1);
        }
        self.let_worker_begin(disk);
        Ok(())
    }

    /// A memtable that is not waiting any more has a worker that needs the lock just then.
    fn let_worker_begin(&mut self, disk: &Disk) {
        if self.waiting == 0 {
            return;
        }
        let waiting = disk.waiting();
        if waiting < self.waiting {
            thread::park_timeout(ROOM);
        }
        self.waiting = waiting;
    }
}

fn wait_for_worker(disk: &Disk) -> fjall::Result<()> {
    // This ends: the worker gets on, or it fails and the check says so.
    while disk.sealed() >= MOST_SEALED {
        disk.check()?;
        thread::park_timeout(ROOM);
    }
    for _ in 0..MERGE_WAITS {
        if disk.unmerged() < MOST_UNMERGED {
            break;
        }
        thread::park_timeout(ROOM);
    }
    Ok(())
}
