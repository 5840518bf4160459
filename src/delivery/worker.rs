//! The worker of one destination: read, batch, send, settle, report.
//!
//! - A record stays in the store until its outcome is final. What is in memory is at most
//!   the batches that were sent, one batch that forms and the block that was read last.
//! - With one request in flight records leave in the order of the queue, and those that
//!   are sent again leave before all that are behind them. With more, a batch can
//!   overtake one that failed.
//! - The head of a queue stops at the first record that is not settled. One that is sent in
//!   vain while many batches come through goes to the end of the queue, so that the head
//!   and the disk move on.
//! - A stop, a kill or a store that fails in between repeats records and never skips any.

use std::{collections::HashMap, sync::Arc, time::Duration};

use perennial_broker::store::{Block, Queue, Reader, Store, StoreError};
use perennial_connectors::{
    Batch, BatchLimits, FailureClass, Outcome, Record, Rejection, Report, SendError,
};
use tokio::{
    task::{self, JoinError, JoinSet},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    delivery::{
        Connector, StatusSink,
        backoff::{Admission, Circuit},
        batcher::{Batcher, Closed, Item, Mark},
        counters::Counters,
        dead_letters::DeadLetters,
        diary::Diary,
        settlement::Settlement,
    },
    record,
};

/// How long a stop waits for the requests in flight.
const GRACE: Duration = Duration::from_secs(10);

/// Batches that come through before a record that fails all the time lets them pass for good.
///
/// While the queue has room, this is also the bound on what is sent again after a restart
/// although it was delivered: what is settled behind an unsettled record is known in memory only.
const MAX_OVERTAKEN: u64 = 16;

/// What a worker works on.
pub(super) struct Job {
    pub(super) store: Store,
    pub(super) connector: Arc<Connector>,
    pub(super) destination: String,
    pub(super) queue: Queue,
    pub(super) counters: Arc<Counters>,
    pub(super) dead_letters: Arc<DeadLetters>,
    pub(super) sink: Arc<dyn StatusSink>,
}

/// Sends the records of one queue to one destination.
pub(super) struct Worker {
    job: Job,
    limits: BatchLimits,
    max_in_flight: usize,
    reader: Reader,
    batcher: Batcher,
    circuit: Circuit,
    requests: JoinSet<Answer>,
    flights: HashMap<task::Id, Flight>,
    /// Batches of which at least one record came through.
    came_through: u64,
    diary: Diary,
}

/// A batch that was sent and has no answer yet.
struct Flight {
    batch: Arc<Batch>,
    marks: Vec<Mark>,
    started: Instant,
}

type Answer = Result<Vec<Outcome>, SendError>;
type Finished = Result<(task::Id, Answer), JoinError>;

impl Worker {
    pub(super) fn new(job: Job) -> Self {
        let limits = job.connector.upstream.limits();
        let settings = &job.connector.settings;
        Worker {
            max_in_flight: settings.in_flight.min(limits.in_flight).max(1),
            reader: job.queue.reader(),
            batcher: Batcher::new(&limits, job.connector.contract.delivery().linger),
            circuit: Circuit::new(settings.retry),
            requests: JoinSet::new(),
            flights: HashMap::new(),
            came_through: 0,
            diary: Diary::default(),
            limits,
            job,
        }
    }

    /// Works until `stop`, then waits a while for the answers that are on their way.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let worked = self.work(&stop).await;
        let answered = self.wait_for_answers().await;
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
            let wake = self.send_what_may_leave();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(finished) = self.requests.join_next_with_id() => self.take_answer(finished)?,
                block = self.reader.next(), if !self.batcher.is_full() => self.take_block(&block?)?,
                () = time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// The records in memory that are not in flight.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.batcher.len()
    }

    /// Starts requests for all that may leave; when to look again, where only time is missing.
    fn send_what_may_leave(&mut self) -> Option<Instant> {
        while self.requests.len() < self.max_in_flight {
            let now = Instant::now();
            match self.circuit.admits(now, self.requests.len()) {
                Admission::Go => {}
                Admission::At(resume) => return Some(resume),
                Admission::AfterAnswer => return None,
            }
            let Some(closed) = self.batcher.take(now) else {
                return self.batcher.poll_timeout();
            };
            self.send(closed, now);
        }
        None
    }

    fn send(&mut self, closed: Closed, started: Instant) {
        let Closed { records, mut marks } = closed;
        for mark in &mut marks {
            if mark.attempts == 0 {
                mark.sent_after = self.came_through;
            }
            mark.attempts += 1;
        }
        let batch = Arc::new(Batch {
            destination: self.job.destination.clone(),
            records,
        });
        let request = {
            let (connector, batch) = (Arc::clone(&self.job.connector), Arc::clone(&batch));
            async move { connector.upstream.send(&batch).await }
        };
        let id = self.requests.spawn(request).id();
        self.flights.insert(
            id,
            Flight {
                batch,
                marks,
                started,
            },
        );
    }

    /// Takes over the records of a block; those that can never be sent end here.
    fn take_block(&mut self, block: &Block) -> Result<(), StoreError> {
        let since = Instant::now();
        let max_bytes = self.limits.record_bytes.min(self.limits.bytes);
        let mut settlement = Settlement::new(&self.job);
        let (mut refused, mut outcomes) = (Vec::new(), Vec::new());
        for (sequence, bytes) in block.records() {
            if self.job.queue.is_settled(sequence) {
                // An earlier run was done with it, though not with one before it.
                continue;
            }
            let mark = Mark {
                sequence,
                attempts: 0,
                since,
                sent_after: 0,
            };
            match record::read(bytes.clone()) {
                Ok(record) if record.payload.len() <= max_bytes => {
                    self.batcher.push(Item { mark, record });
                }
                Ok(record) => {
                    let Rejection { code, message, .. } =
                        Rejection::too_large("", record.payload.len(), max_bytes);
                    settlement.rejected(mark, &record, &code, &message);
                    outcomes.push(Outcome::Rejected { code, message });
                    refused.push(record);
                }
                Err(error) => settlement.corrupt(mark, &bytes, error),
            }
        }
        let settled = settlement.submit()?;
        self.diary.gave_up(settled, outcomes.first());
        self.report(&refused, &outcomes);
        Ok(())
    }

    fn take_answer(&mut self, finished: Finished) -> Result<(), StoreError> {
        let (id, answer) = match finished {
            Ok(finished) => finished,
            Err(error) => (error.id(), Err(broken(error.to_string()))),
        };
        let Some(Flight {
            batch,
            marks,
            started,
        }) = self.flights.remove(&id)
        else {
            return Ok(());
        };
        let records = Arc::unwrap_or_clone(batch).records;
        let error = match answer {
            Ok(outcomes) if outcomes.len() == records.len() => {
                return self.settle(records, marks, &outcomes, started);
            }
            Ok(outcomes) => broken(format!(
                "{} outcomes for {} records",
                outcomes.len(),
                records.len()
            )),
            Err(error) => error,
        };
        self.note_failure(&error, records.len(), started);
        let items = records.into_iter().zip(marks);
        self.send_again(items.map(|(record, mark)| Item { mark, record }).collect())
    }

    /// Settles the records whose outcome is final; the others are sent again.
    fn settle(
        &mut self,
        records: Vec<Record>,
        marks: Vec<Mark>,
        outcomes: &[Outcome],
        started: Instant,
    ) -> Result<(), StoreError> {
        let mut settlement = Settlement::new(&self.job);
        let mut again = Vec::new();
        let (mut refusal, mut delay) = (None, None);
        for ((record, mark), outcome) in records.iter().zip(marks).zip(outcomes) {
            match outcome {
                Outcome::Delivered { .. } => settlement.delivered(mark.sequence),
                Outcome::Rejected { code, message } => {
                    refusal.get_or_insert(outcome);
                    settlement.rejected(mark, record, code, message);
                }
                Outcome::Retry { code, message } => {
                    delay.get_or_insert((code, message));
                    let record = record::detached(record);
                    again.push(Item { mark, record });
                }
            }
        }
        let settled = settlement.submit()?;
        self.diary.gave_up(settled, refusal);
        self.report(&records, outcomes);
        match delay {
            Some((code, message)) if again.len() == records.len() => {
                let error =
                    SendError::new(FailureClass::Unavailable, code.clone(), message.clone());
                self.note_failure(&error, again.len(), started);
            }
            _ => self.note_success(again.len()),
        }
        self.send_again(again)
    }

    /// Puts records before all others, or at the end of the queue when too many overtook them.
    fn send_again(&mut self, mut items: Vec<Item>) -> Result<(), StoreError> {
        self.job.counters.retried(items.len() as u64);
        let mut settlement = Settlement::new(&self.job);
        let is_late = |mark: Mark| self.came_through - mark.sent_after >= MAX_OVERTAKEN;
        // Where the queue has no room for it, the record stays in front.
        items.retain(|item| !is_late(item.mark) || !settlement.requeue(item.mark, &item.record));
        settlement.submit()?;
        self.batcher.give_back(items.into_iter());
        Ok(())
    }

    /// Publishes the statuses of the records whose outcome is final.
    fn report(&self, records: &[Record], outcomes: &[Outcome]) {
        let reports: Vec<_> = (records.iter().zip(outcomes))
            .filter(|(_, outcome)| !matches!(outcome, Outcome::Retry { .. }))
            .map(|(record, outcome)| Report {
                id: &record.id,
                outcome,
            })
            .collect();
        if !reports.is_empty() {
            let statuses = self.job.connector.contract.settled(&reports);
            statuses
                .into_iter()
                .for_each(|status| self.job.sink.publish(status));
        }
    }

    /// Nothing of a batch came through.
    fn note_failure(&mut self, error: &SendError, records: usize, started: Instant) {
        let now = Instant::now();
        let change = self.circuit.failed(started, now, fastrand::f64());
        let queued = self.job.queue.records();
        self.diary.failed(error, records, queued, change);
    }

    /// A batch came through, all but `again` of its records.
    fn note_success(&mut self, again: usize) {
        self.came_through += 1;
        let now = Instant::now();
        let change = match again {
            0 => self.circuit.succeeded(now),
            _ => self.circuit.stumbled(now, fastrand::f64()),
        };
        let queued = self.job.queue.records();
        self.diary.came_through(again, queued, change);
    }

    async fn wait_for_answers(&mut self) -> Result<(), StoreError> {
        let deadline = Instant::now() + GRACE;
        while let Ok(Some(finished)) =
            time::timeout_at(deadline, self.requests.join_next_with_id()).await
        {
            self.take_answer(finished)?;
        }
        if !self.requests.is_empty() {
            let requests = self.requests.len();
            warn!(
                requests,
                "stopped without an answer; the records are sent again after a restart"
            );
            self.requests.shutdown().await;
        }
        Ok(())
    }
}

/// An upstream that does not keep its promises; the records cannot know, so they are sent again.
fn broken(message: String) -> SendError {
    SendError::new(FailureClass::Unavailable, "BrokenUpstream", message)
}
