//! The end of records: one transaction for all that a batch's answer decided.
//!
//! Neighbours in the queue are settled as one range. The counters move when the
//! transaction is submitted, never for one that the store refused.

use std::ops::Range;

use perennial_broker::store::{StoreError, Transaction};
use perennial_connectors::Record;

use crate::{
    clock,
    delivery::{batcher::Mark, counters::Settled, dead_letters::Fate, worker::Job},
    record::{self, CorruptRecord, DeadLetterRef, DeadRecord},
};

/// Records of one queue whose outcome is final.
pub(super) struct Settlement<'a> {
    job: &'a Job,
    transaction: Transaction,
    /// Neighbours that are not in the transaction yet.
    run: Range<u64>,
    settled: Settled,
}

impl<'a> Settlement<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        let transaction = job.shared.store.transaction();
        Settlement {
            job,
            transaction,
            run: 0..0,
            settled: Settled::default(),
        }
    }

    pub(super) fn delivered(&mut self, sequence: u64) {
        self.settled.delivered += 1;
        self.settle(sequence);
    }

    /// The record is older than it may be.
    pub(super) fn expired(&mut self, sequence: u64) {
        self.settled.expired += 1;
        self.settle(sequence);
    }

    /// Another record of the batch has the record's id.
    pub(super) fn duplicate(&mut self, sequence: u64) {
        self.settled.duplicates += 1;
        self.settle(sequence);
    }

    /// The record will not be sent (again).
    pub(super) fn rejected(&mut self, mark: Mark, record: &Record, code: &str, message: &str) {
        self.dead(mark, code, message, DeadRecord::Whole(record.into()));
    }

    /// The bytes in the queue are no record.
    pub(super) fn corrupt(&mut self, mark: Mark, bytes: &[u8], error: CorruptRecord) {
        self.dead(
            mark,
            "CorruptRecord",
            &error.to_string(),
            DeadRecord::Raw(bytes),
        );
    }

    /// Moves a record to the end of its queue; `false` when that has no room.
    pub(super) fn requeue(&mut self, mark: Mark, record: &Record) -> bool {
        let write = |buf: &mut Vec<u8>| record::write(buf, &record.into());
        let requeued = self.transaction.append(&self.job.queue, write).is_ok();
        if requeued {
            self.settle(mark.sequence);
        }
        requeued
    }

    /// Hands all of it to the store and counts it.
    pub(super) fn submit(mut self) -> Result<Settled, StoreError> {
        self.settle_run();
        self.job.shared.store.submit(self.transaction)?;
        self.job.counters.settled(self.settled);
        Ok(self.settled)
    }

    fn dead(&mut self, mark: Mark, code: &str, message: &str, record: DeadRecord<'_>) {
        let letter = DeadLetterRef {
            destination: &self.job.destination,
            code,
            message,
            when: clock::unix_millis(),
            attempts: mark.attempts,
            record,
        };
        match self
            .job
            .shared
            .dead_letters
            .append(&mut self.transaction, &letter)
        {
            Fate::Kept => self.settled.dead += 1,
            Fate::Dropped => self.settled.dropped += 1,
        }
        self.settle(mark.sequence);
    }

    fn settle(&mut self, sequence: u64) {
        if sequence != self.run.end {
            self.settle_run();
            self.run.start = sequence;
        }
        self.run.end = sequence + 1;
    }

    fn settle_run(&mut self) {
        if !self.run.is_empty() {
            self.transaction.settle(&self.job.queue, self.run.clone());
        }
    }
}
