//! Where records go that will never be sent: kept with the reason, up to a bound.
//!
//! One queue per connector, `d/{connector}`. A dead letter is appended in the
//! transaction that settles its record, so a record is in one of the two and never in
//! both. When the queue is full the letters that are in it stay, since the first ones
//! tell most about what went wrong, and the record counts as dropped.

use perennial_broker::store::{
    Queue, QueueKind, QueueLimits, Store, StoreError, Transaction, WhenFull,
};

use crate::{
    delivery::Connector,
    record::{self, DeadLetterRef},
};

/// The dead letters of a connector.
#[derive(Debug)]
pub(super) struct DeadLetters(Queue);

/// Where a record ended that will not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Kept,
    Dropped,
}

impl DeadLetters {
    pub(super) fn open(store: &Store, connector: &Connector) -> Result<Self, StoreError> {
        let limits = QueueLimits {
            records: connector.settings.dead_letter_records,
            bytes: connector.settings.dead_letter_bytes,
            when_full: WhenFull::Refuse,
        };
        let name = queue_name(&connector.name);
        store
            .queue(&name, QueueKind::Durable, limits)
            .map(DeadLetters)
    }

    /// Adds `letter` to `transaction`, unless there is no room.
    pub(super) fn append(&self, transaction: &mut Transaction, letter: &DeadLetterRef<'_>) -> Fate {
        let write = |buf: &mut Vec<u8>| record::write_dead_letter(buf, letter);
        match transaction.append(&self.0, write) {
            Ok(()) => Fate::Kept,
            Err(_full) => Fate::Dropped,
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.0.records()
    }
}

/// The queue of a connector's dead letters.
pub(super) fn queue_name(connector: &str) -> String {
    format!("d/{connector}")
}
