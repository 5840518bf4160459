//! What an operator does with queues and dead letters, on a running gateway and on the store
//! of a stopped one.
//!
//! - A letter's name is its connector and the sequence that it had first. It keeps that
//!   wherever it lies, until it is dropped or sent again.
//! - What is done is done in transactions of some hundred letters: a record is in its queue
//!   or in the dead letters, never in neither.
//! - Nothing is read into memory but some blocks at a time.

mod change;
mod filter;
mod id;
mod letter;
mod list;
mod queues;
mod stopped;
#[cfg(test)]
mod tests;
mod tidy;
mod time;
mod walk;

use std::{sync::Arc, time::Duration};

use perennial_broker::store::{Queue, Store};
use perennial_connectors::Contract;
use tokio::sync::Mutex;

use crate::{
    clock,
    delivery::{ConnectorSettings, Lane},
};

pub use self::{
    change::{Change, Report, Selection},
    filter::{Filter, InvalidMoment, moment},
    id::{InvalidLetterId, LetterId},
    letter::{LetterRow, LetterText},
    list::{ListRequest, Page},
    queues::{CircuitRow, DeadLetterRow, QueueRow, Queues},
    stopped::{OpenError, open_stopped},
    time::rfc_3339,
};

/// What a queue holds of a record beside its bytes.
const PREFIX: u64 = 4;

/// Does what an operator asks for.
pub struct Operator {
    store: Store,
    destinations: Arc<dyn Destinations>,
    /// Two that move the same letter would send it twice.
    changing: Mutex<()>,
}

impl Operator {
    /// An operator of the queues in `store`; records that are sent again go to `destinations`.
    #[must_use]
    pub fn new(store: Store, destinations: Arc<dyn Destinations>) -> Self {
        Self {
            store,
            destinations,
            changing: Mutex::default(),
        }
    }

    /// Whether the store takes nothing until a restart.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.store.is_poisoned()
    }
}

/// Where records can be sent again.
pub trait Destinations: Send + Sync {
    /// The queue of a destination; call it inside a tokio runtime.
    ///
    /// # Errors
    /// No record can be put there, for whatever reason.
    fn find(&self, connector: &str, destination: &str) -> Result<Target, NoWay>;
}

/// The queue of a destination.
pub struct Target {
    /// Where records are put.
    pub queue: Queue,
    /// Its lane, where it has one; that stays open while it is held.
    pub lane: Option<Arc<Lane>>,
    /// What may be put there.
    pub terms: Terms,
}

/// What may be put into a queue: no record is to make another one go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Records that wait at most.
    pub records: u64,
    /// Their bytes at most.
    pub bytes: u64,
    /// How long after it was taken a record is given up; `None` is never.
    pub max_age: Option<Duration>,
}

impl Terms {
    /// None.
    pub const NONE: Self = Self {
        records: u64::MAX,
        bytes: u64::MAX,
        max_age: None,
    };

    /// Those of a connector.
    #[must_use]
    pub fn of(contract: &dyn Contract, settings: &ConnectorSettings) -> Self {
        Self {
            records: contract.delivery().queue_records,
            bytes: settings.queue_bytes,
            max_age: settings.max_age,
        }
    }
}

impl Target {
    /// Whether a record of `bytes` has room.
    fn fits(&self, bytes: u64) -> bool {
        self.queue.records() < self.terms.records
            && self.queue.bytes().saturating_add(PREFIX + bytes) <= self.terms.bytes
    }

    /// Whether a record that was taken at `time` would be given up at once.
    fn is_too_old(&self, time: u64) -> bool {
        let age = Duration::from_millis(clock::unix_millis().saturating_sub(time));
        self.terms.max_age.is_some_and(|max_age| age >= max_age)
    }

    /// Records were appended.
    fn accepted(&self, records: u64) {
        if let Some(lane) = &self.lane {
            lane.counters.accepted(records);
        }
    }
}

/// Why no record can be put into a queue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoWay {
    /// Nothing can be sent there.
    Never(String),
    /// It may be possible later.
    NotNow(String),
}
