//! Where records go that will never be sent: kept with the reason, up to a bound.
//!
//! - One queue per connector, `d/{connector}`. A dead letter is appended in the
//!   transaction that settles its record, so a record is in one of the two and never in
//!   both.
//! - When there are as many as the configuration allows, the letters that are there stay,
//!   since the first ones tell most about what went wrong, and the record counts as dropped.
//! - The bound is kept here and not by the queue: a letter that moves within its queue is
//!   in it twice until that is committed, and moving makes room.

use std::sync::{Mutex, PoisonError};

use perennial_broker::store::{
    Queue, QueueKind, QueueLimits, Store, StoreError, Transaction, WhenFull,
};

use crate::{
    delivery::Connector,
    record::{self, DeadLetterRef},
};

/// What a queue holds of a record beside its bytes.
const PREFIX: u64 = 4;

/// A buffer that has grown beyond it is not kept.
const LARGEST_BUFFER: usize = 64 * 1024;

/// The dead letters of a connector.
#[derive(Debug)]
pub(super) struct DeadLetters {
    queue: Queue,
    max_records: u64,
    max_bytes: u64,
    /// Where letters are written first; who holds it is the only one to look for room.
    buffer: Mutex<Vec<u8>>,
}

/// Where a record ended that will not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Kept,
    Dropped,
}

impl DeadLetters {
    pub(super) fn open(store: &Store, connector: &Connector) -> Result<Self, StoreError> {
        let unlimited = QueueLimits {
            records: u64::MAX,
            bytes: u64::MAX,
            when_full: WhenFull::Refuse,
        };
        let name = queue_name(&connector.name);
        Ok(DeadLetters {
            queue: store.queue(&name, QueueKind::Durable, unlimited)?,
            max_records: connector.settings.dead_letter_records,
            max_bytes: connector.settings.dead_letter_bytes,
            buffer: Mutex::default(),
        })
    }

    /// Adds `letter` to `transaction`, unless there is no room.
    pub(super) fn append(&self, transaction: &mut Transaction, letter: &DeadLetterRef<'_>) -> Fate {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.clear();
        record::write_dead_letter(&mut buffer, letter);
        let has_room = self.queue.records() < self.max_records
            && self.queue.bytes() + PREFIX + buffer.len() as u64 <= self.max_bytes;
        let kept = has_room
            && transaction
                .append(&self.queue, |record| record.extend_from_slice(&buffer))
                .is_ok();
        buffer.shrink_to(LARGEST_BUFFER);
        if kept { Fate::Kept } else { Fate::Dropped }
    }

    pub(super) fn records(&self) -> u64 {
        self.queue.records()
    }
}

/// The queue of a connector's dead letters.
pub(super) fn queue_name(connector: &str) -> String {
    format!("d/{connector}")
}

/// The connector of a queue, if it is one of dead letters.
pub(super) fn parse_queue_name(name: &str) -> Option<&str> {
    name.strip_prefix("d/")
}
