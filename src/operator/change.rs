//! Dropping dead letters, and sending their records again.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    mem,
};

use perennial_broker::store::{Queue, QueueFull, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::{
    delivery::operator::dead_letters,
    operator::{
        Filter, LetterId, NoWay, Operator, Target,
        letter::{Letter, Sendable},
        tidy::{MAX_GAPS, Waste},
        walk::{Place, Walk},
    },
};

/// Letters and bytes that one transaction has at most, beside its last letter.
const LETTERS: usize = MAX_GAPS;
const BYTES: usize = 1 << 20;

/// Which letters.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Their names; none means all.
    pub ids: Vec<LetterId>,
    /// What each has to have.
    pub filter: Filter,
    /// Letters at most.
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether no letter is left out, but for the limit.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.ids.is_empty() && self.filter.is_empty()
    }
}

/// What becomes of letters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change<'a> {
    /// They are gone.
    Drop,
    /// Their records go to the end of the queue of a destination: `to`, or each its own.
    Replay {
        /// The destination.
        to: Option<&'a str>,
    },
}

/// What was done.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Letters that were dropped or sent again.
    pub done: u64,
    /// Letters that can never be sent again, and stay.
    pub skipped: u64,
    /// Why, of the first of them.
    pub skipped_because: Option<String>,
    /// Why it ended before all letters were done.
    pub stopped: Option<String>,
    /// Letters that were asked for by name and are not there.
    pub missing: Vec<LetterId>,
}

impl Operator {
    /// Does `change` to the letters of `selection`. What was done is on disk when this returns
    /// and also when it is cancelled; the rest is as it was.
    ///
    /// # Errors
    /// The letters cannot be read, or the store takes nothing.
    pub async fn change(
        &self,
        selection: &Selection,
        change: Change<'_>,
    ) -> Result<Report, StoreError> {
        let _only = self.changing.lock().await;
        let mut changing = Changing {
            operator: self,
            change,
            filter: &selection.filter,
            left: selection.limit.unwrap_or(u64::MAX),
            wanted: (!selection.ids.is_empty()).then(|| selection.ids.iter().cloned().collect()),
            report: Report::default(),
        };
        for (connector, queue) in dead_letters(&self.store) {
            if changing.goes_on() && changing.concerns(&connector) {
                changing.go_through(&connector, &queue).await?;
            }
        }
        let mut report = changing.report;
        if report.stopped.is_none() {
            report.missing = changing.wanted.into_iter().flatten().collect();
            report.missing.sort();
        }
        Ok(report)
    }
}

/// A change that is being made.
struct Changing<'a> {
    operator: &'a Operator,
    change: Change<'a>,
    filter: &'a Filter,
    /// Letters that may still be done.
    left: u64,
    /// Names that were not met yet, where letters are meant by name.
    wanted: Option<HashSet<LetterId>>,
    report: Report,
}

/// What becomes of one letter.
enum Verdict {
    Done,
    Skipped(String),
    Stopped(String),
}

impl Changing<'_> {
    fn goes_on(&self) -> bool {
        self.left > 0 && self.report.stopped.is_none()
    }

    /// Whether letters of `connector` can be meant.
    fn concerns(&self, connector: &str) -> bool {
        let is_wanted = self
            .wanted
            .as_ref()
            .is_none_or(|wanted| wanted.iter().any(|id| id.connector == connector));
        is_wanted && self.filter.takes_connector(connector)
    }

    /// Walks through all of a queue, also when all is done: who has seen it all knows whether
    /// moving letters is worth it.
    async fn go_through(&mut self, connector: &str, queue: &Queue) -> Result<(), StoreError> {
        let store = &self.operator.store;
        // What a crash has left undone: the store remembers the ranges of one transaction more.
        self.operator
            .tidy(queue, &mut Waste::unknown(queue))
            .await?;
        let (mut walk, mut waste) = (Walk::of(queue), Waste::default());
        let mut chunk = Chunk::new(store);
        while let Some(places) = walk.next().await? {
            for place in places {
                if place.is_settled || self.take(connector, queue, &place, &mut chunk) {
                    waste.settle(&place);
                } else {
                    waste.keep(&place);
                }
                if chunk.is_full() {
                    chunk.submit(store).await?;
                    if queue.gaps() > MAX_GAPS {
                        self.operator.tidy(queue, &mut waste).await?;
                    }
                }
            }
        }
        chunk.submit(store).await?;
        self.operator.tidy(queue, &mut waste).await
    }

    /// Adds what becomes of the letter at `place` to `chunk`; whether it is settled then.
    fn take(&mut self, connector: &str, queue: &Queue, place: &Place, chunk: &mut Chunk) -> bool {
        if !self.goes_on() {
            return false;
        }
        let letter = Letter::read(place.sequence, place.bytes.clone());
        if !self.is_meant(connector, &letter) {
            return false;
        }
        let verdict = match self.change {
            Change::Drop => Verdict::Done,
            Change::Replay { to } => self.replay(connector, &letter, to, chunk),
        };
        match verdict {
            Verdict::Done => {
                chunk.settle(queue, place.sequence);
                self.report.done += 1;
                self.left -= 1;
                return true;
            }
            Verdict::Skipped(reason) => {
                self.report.skipped += 1;
                let id = letter.sequence;
                self.report
                    .skipped_because
                    .get_or_insert_with(|| format!("{connector}/{id}: {reason}"));
            }
            Verdict::Stopped(reason) => {
                let id = letter.sequence;
                self.report.stopped = Some(format!("{connector}/{id}: {reason}"));
            }
        }
        false
    }

    fn is_meant(&mut self, connector: &str, letter: &Letter) -> bool {
        if !self.filter.takes(letter) {
            return false;
        }
        let Some(wanted) = &mut self.wanted else {
            return true;
        };
        wanted.remove(&LetterId {
            connector: connector.to_owned(),
            sequence: letter.sequence,
        })
    }

    /// Appends the letter's record to the queue that it goes to.
    fn replay(
        &self,
        connector: &str,
        letter: &Letter,
        to: Option<&str>,
        chunk: &mut Chunk,
    ) -> Verdict {
        let record = match letter.record() {
            Ok(found) => found,
            Err(error) => return Verdict::Skipped(format!("it cannot be read: {error}")),
        };
        let destination = to.unwrap_or(record.destination);
        let find = || self.operator.destinations.find(connector, destination);
        match chunk.replay(destination, &record, find) {
            Ok(()) => Verdict::Done,
            Err(NoWay::Never(problem)) => Verdict::Skipped(problem),
            Err(NoWay::NotNow(problem)) => Verdict::Stopped(problem),
        }
    }
}

/// What one transaction does.
pub(super) struct Chunk {
    transaction: Transaction,
    letters: usize,
    bytes: usize,
    /// Where records of it go, and how many; a lane is held until they are submitted.
    targets: HashMap<String, (Target, u64)>,
}

impl Chunk {
    pub(super) fn new(store: &Store) -> Self {
        Self {
            transaction: store.transaction(),
            letters: 0,
            bytes: 0,
            targets: HashMap::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.letters >= LETTERS || self.bytes >= BYTES
    }

    /// Adds a record to the end of `queue`.
    pub(super) fn append(
        &mut self,
        queue: &Queue,
        bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), QueueFull> {
        self.transaction.append(queue, write)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes the letter at `sequence` out of `queue`.
    pub(super) fn settle(&mut self, queue: &Queue, sequence: u64) {
        self.transaction.settle(queue, sequence..sequence + 1);
        self.letters += 1;
    }

    /// Commits it, and is then another that does nothing yet.
    pub(super) async fn submit(&mut self, store: &Store) -> Result<(), StoreError> {
        let chunk = mem::replace(self, Self::new(store));
        let ticket = store.submit(chunk.transaction)?;
        for (target, records) in chunk.targets.into_values() {
            target.accepted(records);
        }
        store.durable().reached(ticket).await
    }

    /// Adds a record to the end of the queue of `destination`, which `find` finds the first time.
    fn replay(
        &mut self,
        destination: &str,
        record: &Sendable<'_>,
        find: impl FnOnce() -> Result<Target, NoWay>,
    ) -> Result<(), NoWay> {
        let (target, records) = match self.targets.entry(destination.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert((find()?, 0)),
        };
        if target.is_too_old(record.time) {
            let problem = "it is older than the `max_age` of its connector";
            return Err(NoWay::Never(problem.to_owned()));
        }
        let full = || NoWay::NotNow(format!("the queue of {destination} is full"));
        if !target.fits(record.bytes.len() as u64) {
            return Err(full());
        }
        let write = |buffer: &mut Vec<u8>| buffer.extend_from_slice(record.bytes);
        let appended = self.transaction.append(&target.queue, write);
        appended.map_err(|QueueFull| full())?;
        *records += 1;
        self.bytes += record.bytes.len();
        Ok(())
    }
}
