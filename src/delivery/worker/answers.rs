//! What the worker makes of an answer: records end, are sent again, or are sent in parts.
//!
//! A status is published before its record is settled. The store keeps the order, so where
//! the end of a record survives a kill, its status does, too.

use perennial_connectors::{FailureClass, Report};
use tokio::task::JoinError;
use tracing::warn;

use super::*;

/// How long a stop waits for the requests in flight.
const GRACE: Duration = Duration::from_secs(10);

/// Batches that come through before a record that fails all the time lets them pass for good.
const MAX_OVERTAKEN: u64 = 16;

type Finished = Result<(task::Id, Answer), JoinError>;

impl Worker {
    pub(super) fn take_answer(&mut self, finished: Finished) -> Result<(), StoreError> {
        let (id, answer) = match finished {
            Ok(finished) => finished,
            Err(error) => (error.id(), Err(broken(error.to_string()))),
        };
        let Some(flight) = self.flights.remove(&id) else {
            return Ok(());
        };
        let Flight {
            source,
            hold,
            batch,
            marks,
            bytes,
            started,
        } = flight;
        let records = Arc::unwrap_or_clone(batch).records;
        let error = match answer {
            Ok(outcomes) if outcomes.len() == records.len() => {
                self.reach.answered(bytes, started.elapsed());
                self.sort(source, &records, &marks, &outcomes, started)?;
                self.answered(source, &hold);
                return Ok(());
            }
            Ok(outcomes) => {
                let (found, sent) = (outcomes.len(), records.len());
                broken(format!("{found} outcomes for {sent} records"))
            }
            Err(error) => error,
        };
        let items = marks.into_iter().zip(records);
        let items: Vec<_> = items.map(|(mark, record)| Item { mark, record }).collect();
        if error.class == FailureClass::Refused {
            self.divide(source, items, &error)?;
        } else {
            if error.class == FailureClass::Late {
                self.reach.late(bytes, started.elapsed());
            }
            self.note_failure(&error, items.len(), started);
            self.send_again(source, items)?;
        }
        self.answered(source, &hold);
        Ok(())
    }

    fn answered(&mut self, source: Source, hold: &Hold) {
        self.job.let_go(hold);
        self.feeds.answered(source.origin);
    }

    /// Ends the records whose outcome is final; the others are sent again.
    fn sort(
        &mut self,
        source: Source,
        records: &[Record],
        marks: &[Mark],
        outcomes: &[Outcome],
        started: Instant,
    ) -> Result<(), StoreError> {
        self.finish(records, marks, outcomes)?;
        let (mut again, mut delay, mut newest) = (Vec::new(), None, 0);
        for ((record, mark), outcome) in records.iter().zip(marks).zip(outcomes) {
            newest = newest.max(record.time);
            if let Outcome::Retry { code, message } = outcome {
                let (mark, record) = (*mark, record::detached(record));
                again.push(Item { mark, record });
                delay.get_or_insert((code, message));
            }
        }
        match delay {
            Some((code, message)) if again.len() == records.len() => {
                let class = FailureClass::Unavailable;
                let error = SendError::new(class, code.clone(), message.clone());
                self.note_failure(&error, again.len(), started);
                self.send_again(source, again)
            }
            _ => {
                self.came_through += 1;
                self.note_success(again.len());
                let now = clock::unix_millis();
                self.feeds.came_through(source.origin, newest, now);
                self.send_alone_again(source, again)
            }
        }
    }

    /// Records have ended, all but those to be sent again: their statuses, the dead letters of
    /// those that were rejected, and the end of all of them in the store.
    pub(super) fn finish(
        &mut self,
        records: &[Record],
        marks: &[Mark],
        outcomes: &[Outcome],
    ) -> Result<(), StoreError> {
        let reports = records.iter().zip(outcomes);
        let reports = reports.filter(|(_, outcome)| !matches!(outcome, Outcome::Retry { .. }));
        let reports = reports.map(|(record, outcome)| Report {
            id: &record.id,
            outcome,
        });
        self.job.shared.report(&reports.collect::<Vec<_>>());
        let mut settlement = Settlement::new(&self.job);
        let mut refusal = None;
        for ((record, mark), outcome) in records.iter().zip(marks).zip(outcomes) {
            match outcome {
                Outcome::Delivered { .. } => settlement.delivered(mark.sequence),
                Outcome::Rejected { code, message } => {
                    refusal.get_or_insert(outcome);
                    settlement.rejected(*mark, record, code, message);
                }
                Outcome::Retry { .. } => {}
            }
        }
        let settled = settlement.submit()?;
        self.diary.gave_up(settled, refusal);
        Ok(())
    }

    /// Finds the records for which a batch is refused: its halves are sent by themselves, and a
    /// record that is refused alone ends.
    fn divide(
        &mut self,
        source: Source,
        mut items: Vec<Item>,
        error: &SendError,
    ) -> Result<(), StoreError> {
        // The upstream is there, whatever it thinks of this batch.
        self.note_success(0);
        if items.len() == 1 {
            let outcome = Outcome::Rejected {
                code: error.code.clone(),
                message: error.message.clone(),
            };
            let (records, marks) = split(items);
            return self.finish(&records, &marks, &[outcome]);
        }
        Diary::divided(error, items.len());
        self.job.counters.retried(items.len() as u64);
        for item in &mut items {
            // What comes through of one half has not overtaken the other.
            item.mark.sent_after = None;
        }
        let rest = items.split_off(items.len() / 2);
        for items in [rest, items] {
            self.put_part(source.origin, items);
        }
        Ok(())
    }

    /// Puts records before all others as they are.
    fn put_part(&mut self, origin: Origin, items: Vec<Item>) {
        self.feeds.parted(origin);
        self.parts.push_front(Part { origin, items });
    }

    /// Puts the records of a batch of which nothing came through before all others, or at the
    /// end of the queue when too many overtook them.
    fn send_again(&mut self, source: Source, mut items: Vec<Item>) -> Result<(), StoreError> {
        self.job.counters.retried(items.len() as u64);
        let is_late = |mark: Mark| {
            let sent_after = mark.sent_after.unwrap_or(self.came_through);
            self.came_through - sent_after >= MAX_OVERTAKEN
        };
        self.requeue(&mut items, is_late)?;
        self.give_back(source, items);
        Ok(())
    }

    /// Sends records again that failed while others of their batch came through.
    fn send_alone_again(&mut self, source: Source, mut items: Vec<Item>) -> Result<(), StoreError> {
        if items.is_empty() || self.after_failure == AfterFailure::SendFirst {
            return self.send_again(source, items);
        }
        self.job.counters.retried(items.len() as u64);
        self.requeue(&mut items, |_| true)?;
        self.give_back(source, items);
        Ok(())
    }

    /// Puts records before all others: a part as it was, so that it is not divided again.
    fn give_back(&mut self, source: Source, items: Vec<Item>) {
        if !source.is_part {
            self.feeds.give_back(source.origin, items);
        } else if !items.is_empty() {
            self.put_part(source.origin, items);
        }
    }

    /// Moves the records that `is_late` to the end of the queue; those for which it has no room stay.
    fn requeue(
        &self,
        items: &mut Vec<Item>,
        is_late: impl Fn(Mark) -> bool,
    ) -> Result<(), StoreError> {
        let mut settlement = Settlement::new(&self.job);
        items.retain(|item| !is_late(item.mark) || !settlement.requeue(item.mark, &item.record));
        settlement.submit().map(|_| ())
    }

    /// Nothing of a batch came through.
    fn note_failure(&mut self, error: &SendError, records: usize, started: Instant) {
        let now = Instant::now();
        let change = self.circuit.failed(started, now, fastrand::f64());
        let queued = self.job.queue.records();
        self.job.pulse.fails(error.to_string(), now);
        if error.class == FailureClass::NoAccess
            && let Some(batches) = self.job.shared.count_shut_out(now)
        {
            Diary::shut_out(error, batches, queued);
        }
        self.diary.failed(error, records, queued, change);
    }

    /// The upstream is there, and took all but `again` of the records of a batch.
    fn note_success(&mut self, again: usize) {
        let now = Instant::now();
        let change = match again {
            0 => self.circuit.succeeded(now),
            _ => self.circuit.stumbled(now, fastrand::f64()),
        };
        let queued = self.job.queue.records();
        self.job.pulse.recovers();
        self.diary.came_through(again, queued, change);
    }

    pub(super) async fn wait_for_answers(&mut self) -> Result<(), StoreError> {
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
