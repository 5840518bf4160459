//! The worker of one destination: read, batch, send, settle, report.
//!
//! - A record stays in the store until its outcome is final. What is in memory is at most
//!   the batches that were sent, those that form, the blocks that were read last, and less
//!   where the connector's memory is less.
//! - With one request in flight records leave in the order of the queue, and those that
//!   are sent again leave before all that are behind them, also as parts of a batch. With
//!   more, a batch can overtake one that failed.
//! - The head of a queue stops at the first record that is not settled. One that is sent in
//!   vain while many batches come through goes to the end of the queue, so that the head
//!   and the disk move on.
//! - A stop, a kill or a store that fails in between repeats records and statuses and never
//!   skips any.

mod answers;
mod endings;

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use perennial_broker::store::{Block, Queue, StoreError};
use perennial_connectors::{
    AfterFailure, Batch, BatchLimits, Outcome, Record, RecordRef, Rejection, SendError,
};
use tokio::{
    task::{self, JoinSet},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::{
    clock,
    delivery::{
        backoff::{Admission, Circuit},
        batcher::{BatchRules, Closed, Item, Mark},
        counters::Counters,
        diary::Diary,
        feeds::{Feeds, Origin},
        overflow::{Hold, Overflow},
        pulse::Pulse,
        reach::Reach,
        settlement::Settlement,
        shared::Shared,
    },
    record,
};

/// Requests at once where records need not keep their order and nobody says how many.
const PARALLEL: usize = 4;

/// The part of the batches that is fresh, likewise.
const FRESH_SHARE: f64 = 0.2;

/// What a worker works on.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) destination: String,
    pub(super) queue: Queue,
    pub(super) counters: Arc<Counters>,
    /// Where the oldest records make room for newer ones.
    pub(super) overflow: Option<Arc<Overflow>>,
    pub(super) pulse: Arc<Pulse>,
}

impl Job {
    /// Keeps records from being dropped for newer ones while they leave or end, and takes
    /// those out of `items` that were.
    fn hold<T>(&self, items: &mut Vec<T>, sequence: impl Fn(&T) -> u64) -> Hold {
        match &self.overflow {
            Some(overflow) => overflow.hold(items, sequence),
            None => Hold::default(),
        }
    }

    /// The records have ended, or wait again.
    fn let_go(&self, hold: &Hold) {
        if let Some(overflow) = &self.overflow {
            overflow.let_go(hold);
        }
    }
}

/// Sends the records of one queue to one destination.
pub(super) struct Worker {
    job: Job,
    limits: BatchLimits,
    /// Bytes in a batch, which may be fewer than the upstream takes.
    reach: Reach,
    max_in_flight: usize,
    after_failure: AfterFailure,
    feeds: Feeds,
    /// Halves of batches that the upstream refused, to be sent as they are.
    parts: VecDeque<Part>,
    circuit: Circuit,
    requests: JoinSet<Answer>,
    flights: HashMap<task::Id, Flight>,
    /// Batches of which at least one record came through.
    came_through: u64,
    /// Bytes of records in memory, and records that were dropped, when it was looked at last.
    held: usize,
    dropped: u64,
    diary: Diary,
}

/// A part of a batch.
struct Part {
    origin: Origin,
    items: Vec<Item>,
}

/// Where records came from and go back to when they are to be sent again.
#[derive(Clone, Copy)]
struct Source {
    origin: Origin,
    /// They were a part, and do not become more again.
    is_part: bool,
}

/// Records that leave together.
struct Load {
    source: Source,
    items: Vec<Item>,
    hold: Hold,
}

/// A batch that was sent and has no answer yet.
struct Flight {
    source: Source,
    hold: Hold,
    batch: Arc<Batch>,
    marks: Vec<Mark>,
    bytes: usize,
    started: Instant,
}

type Answer = Result<Vec<Outcome>, SendError>;

impl Worker {
    pub(super) fn new(job: Job) -> Self {
        let connector = &job.shared.connector;
        let limits = connector.upstream.limits();
        let delivery = connector.contract.delivery();
        let settings = &connector.settings;
        let in_flight = settings
            .in_flight
            .unwrap_or(if delivery.ordered { 1 } else { PARALLEL });
        let share =
            settings
                .fresh_share
                .unwrap_or(if delivery.ordered { 0.0 } else { FRESH_SHARE });
        let contract_records = match limits.linger {
            None => delivery.batch_records,
            // Who gathers for longer gathers more, too.
            Some(_) => None,
        };
        let most = (
            limits.records.min(contract_records.unwrap_or(usize::MAX)),
            limits.bytes,
        );
        let (max_records, max_bytes) = job.shared.pace.batch(most);
        let rules = BatchRules {
            max_records,
            max_bytes,
            linger: limits.linger.unwrap_or(delivery.linger),
            duplicate_ids: delivery.duplicate_ids,
        };
        Worker {
            max_in_flight: in_flight.min(limits.in_flight).max(1),
            after_failure: delivery.after_failure,
            feeds: Feeds::new(&job.queue, rules, share),
            parts: VecDeque::new(),
            circuit: Circuit::new(settings.retry),
            requests: JoinSet::new(),
            flights: HashMap::new(),
            came_through: 0,
            held: 0,
            dropped: 0,
            diary: Diary::default(),
            reach: Reach::up_to(max_bytes),
            limits,
            job,
        }
    }

    /// Works until `stop`, then waits a while for the answers that are on their way.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.job.shared.memory.enter();
        let worked = self.work(&stop).await;
        let answered = self.wait_for_answers().await;
        self.job.shared.memory.leave(self.held);
        match worked.and(answered) {
            // A lane that is closed loses its queue while the worker still waits for records.
            Err(error) if !stop.is_cancelled() => {
                let error: &dyn std::error::Error = &error;
                error!(
                    error,
                    "the queue failed; its records are kept and not sent until a restart"
                );
            }
            _ => debug!("the worker has stopped"),
        }
    }

    /// Works until `stop`; what has no answer then is still in flight.
    pub(super) async fn work(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        loop {
            self.forget_dropped();
            let expires = self.expire()?;
            let wake = self.send_what_may_leave()?;
            let wake = [wake, expires].into_iter().flatten().min();
            let room = self.has_room();
            self.job.pulse.set_oldest(self.oldest());
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(finished) = self.requests.join_next_with_id() => self.take_answer(finished)?,
                next = self.feeds.next(room) => {
                    let (origin, block) = next?;
                    self.take_block(origin, &block)?;
                }
                () = time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// The records in memory that are not in flight.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.feeds.len()
    }

    /// Starts requests for all that may leave; when to look again, where only time is missing.
    fn send_what_may_leave(&mut self) -> Result<Option<Instant>, StoreError> {
        self.fit_batches();
        while self.requests.len() < self.max_in_flight {
            let now = Instant::now();
            match self.circuit.admits(now, self.requests.len()) {
                Admission::Go => {}
                Admission::At(resume) => return Ok(Some(resume)),
                Admission::AfterAnswer => return Ok(None),
            }
            if let Some(paid) = self.job.shared.pace.admits(now) {
                return Ok(Some(paid));
            }
            let Some(load) = self.next_load(now)? else {
                return Ok(self.feeds.poll_timeout());
            };
            self.send(load, now);
        }
        Ok(None)
    }

    /// The records that leave next, without those that have ended meanwhile.
    fn next_load(&mut self, now: Instant) -> Result<Option<Load>, StoreError> {
        loop {
            let (source, mut items, duplicates) = match self.parts.pop_front() {
                Some(Part { origin, items }) => {
                    let is_part = true;
                    (Source { origin, is_part }, items, Vec::new())
                }
                None => {
                    let Some((origin, closed)) = self.feeds.take(now) else {
                        return Ok(None);
                    };
                    let Closed { items, duplicates } = closed;
                    let is_part = false;
                    (Source { origin, is_part }, items, duplicates)
                }
            };
            let closed = items.len();
            let hold = self.job.hold(&mut items, |item| item.mark.sequence);
            if items.len() == closed {
                self.drop_duplicates(duplicates)?;
            } else {
                // The record with the same id may be one that was dropped.
                self.feeds.give_back(source.origin, duplicates);
            }
            if !items.is_empty() {
                return Ok(Some(Load {
                    source,
                    items,
                    hold,
                }));
            }
            self.feeds.answered(source.origin);
        }
    }

    fn send(&mut self, load: Load, started: Instant) {
        let Load {
            source,
            items,
            hold,
        } = load;
        let bytes = bytes(&items);
        self.job.shared.pace.sent(items.len(), bytes, started);
        let (records, mut marks) = split(items);
        for mark in &mut marks {
            mark.sent_after.get_or_insert(self.came_through);
            mark.attempts += 1;
        }
        let batch = Arc::new(Batch {
            destination: self.job.destination.clone(),
            records,
        });
        let request = {
            let (shared, batch) = (Arc::clone(&self.job.shared), Arc::clone(&batch));
            async move { shared.connector.upstream.send(&batch).await }
        };
        let id = self.requests.spawn(request).id();
        self.flights.insert(
            id,
            Flight {
                source,
                hold,
                batch,
                marks,
                bytes,
                started,
            },
        );
    }

    /// Takes over the records of a block; those that can never be sent end here.
    fn take_block(&mut self, origin: Origin, block: &Block) -> Result<(), StoreError> {
        let since = Instant::now();
        let max_bytes = self.limits.record_bytes.min(self.limits.bytes);
        let (mut corrupt, mut refused) = (Vec::new(), Vec::new());
        // A reader leaves out what is below the head, so that hardly ever each record is looked up.
        let has_gaps = self.job.queue.gaps() > 0;
        for (sequence, bytes) in block.records() {
            if has_gaps && self.job.queue.is_settled(sequence) {
                // An earlier run was done with it, though not with one before it.
                continue;
            }
            let mut mark = Mark {
                sequence,
                size: 0,
                since,
                attempts: 0,
                sent_after: None,
            };
            match record::read(bytes.clone()) {
                Ok(record) => {
                    mark.size = self.size(RecordRef::from(&record));
                    let item = Item { mark, record };
                    if mark.size <= max_bytes {
                        self.feeds.push(origin, item);
                    } else {
                        refused.push(item);
                    }
                }
                Err(error) => corrupt.push((mark, bytes, error)),
            }
        }
        self.bury(corrupt)?;
        self.refuse(refused, max_bytes)
    }

    /// What `record` takes of the bytes of a batch.
    fn size(&self, record: RecordRef<'_>) -> usize {
        let upstream = &self.job.shared.connector.upstream;
        upstream.size(&self.job.destination, record)
    }

    /// Cuts batches to what comes through in time, and to what the memory allows: those on
    /// their way, and one that forms.
    fn fit_batches(&mut self) {
        let share = self.job.shared.memory.share() / (self.max_in_flight + 1);
        self.feeds
            .set_max_bytes(self.reach.bytes().min(share).max(1));
    }

    /// Whether another block may be read.
    fn has_room(&mut self) -> bool {
        let held = self.feeds.bytes()
            + self
                .parts
                .iter()
                .map(|part| bytes(&part.items))
                .sum::<usize>()
            + self
                .flights
                .values()
                .map(|flight| flight.bytes)
                .sum::<usize>();
        let before = mem::replace(&mut self.held, held);
        self.job.shared.memory.has_room(before, held)
    }

    /// The time of the oldest record that is known of.
    fn oldest(&self) -> Option<u64> {
        let flights = self
            .flights
            .values()
            .flat_map(|flight| flight.batch.records.first());
        let parts = self.parts.iter().flat_map(|part| part.items.first());
        let first = self.feeds.first();
        let waiting = first.into_iter().chain(parts).map(|item| &item.record);
        waiting.chain(flights).map(|record| record.time).min()
    }
}

/// The records as an upstream takes them, and what is known of each beside.
fn split(items: Vec<Item>) -> (Vec<Record>, Vec<Mark>) {
    let items = items.into_iter();
    items.map(|Item { mark, record }| (record, mark)).unzip()
}

fn bytes(items: &[Item]) -> usize {
    items.iter().map(|item| item.mark.size).sum()
}
