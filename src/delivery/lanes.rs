//! The lanes of one connector: found by destination, opened on demand, bounded.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use perennial_broker::store::{
    self, Queue, QueueFull, QueueKind, QueueLimits, Store, StoreError, Transaction,
};
use perennial_connectors::{RecordRef, Rejection, WhenFull};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error_span, info};

use crate::{
    clock,
    delivery::{
        Connector, Counters, Counts, LaneCounts, LaneStatus, Workshop,
        overflow::Overflow,
        pulse::{self, Pulse},
        shared::Shared,
        worker::{Job, Worker},
    },
    record,
};

/// The longest name of a destination in bytes; each is held in memory and on disk.
const MAX_DESTINATION: usize = 1024;

/// The way to one destination.
#[derive(Debug)]
pub struct Lane {
    /// Where its records wait.
    pub queue: Queue,
    /// What became of them.
    pub counters: Arc<Counters>,
    overflow: Option<Arc<Overflow>>,
    pulse: Arc<Pulse>,
    stop: CancellationToken,
}

impl Lane {
    /// Adds `record` to the end of the queue; `tell` hears the ids of records that make room for it.
    ///
    /// # Errors
    /// The queue has no room and the record is rejected, as it now counts.
    pub fn append(
        &self,
        transaction: &mut Transaction,
        record: &RecordRef<'_>,
        tell: impl FnMut(&str),
    ) -> Result<(), QueueFull> {
        let appended = self
            .make_room(record::most_bytes(record), tell)
            .and_then(|()| transaction.append(&self.queue, |buffer| record::write(buffer, record)));
        match appended {
            Ok(()) => self.counters.accepted(1),
            Err(_) => self.counters.rejected(1),
        }
        appended
    }

    /// How many records wait before new ones are rejected or old ones dropped.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queue.records()
    }

    fn make_room(&self, bytes: u64, mut tell: impl FnMut(&str)) -> Result<(), QueueFull> {
        let Some(overflow) = &self.overflow else {
            return Ok(());
        };
        let chosen = overflow.choose(bytes)?;
        if !chosen.is_empty() {
            chosen.iter().for_each(|candidate| tell(&candidate.id));
            overflow.evict(&chosen).map_err(|_| QueueFull)?;
            self.counters.dropped(chosen.len() as u64);
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        self.counters.counts(self.queue.records())
    }

    fn status(&self, connector: &str, destination: &str) -> LaneStatus {
        let (counts, rate) = (self.counts(), self.pulse.rate());
        LaneStatus {
            connector: connector.to_owned(),
            destination: destination.to_owned(),
            counts,
            queued_bytes: self.queue.bytes(),
            oldest: self.pulse.oldest().filter(|_| counts.queued > 0),
            rate: rate.end,
            arrival_rate: rate.arrival,
            circuit: self.pulse.circuit(Instant::now()),
            time_to_drain: pulse::time_to_drain(counts.queued, rate),
        }
    }
}

/// The lanes of one connector.
pub(super) struct Lanes {
    shared: Arc<Shared>,
    max_destinations: usize,
    open: RwLock<Open>,
}

#[derive(Default)]
struct Open {
    lanes: HashMap<Box<str>, Arc<Lane>>,
    /// What was counted on lanes that were closed.
    closed: Counts,
}

impl Lanes {
    pub(super) fn new(shared: Shared) -> Self {
        let delivery = shared.connector.contract.delivery();
        let settings = &shared.connector.settings;
        Lanes {
            max_destinations: delivery
                .max_destinations
                .unwrap_or(settings.max_destinations),
            shared: Arc::new(shared),
            open: RwLock::default(),
        }
    }

    /// The lane of `destination`, which is opened if it is not known and there is place.
    pub(super) fn find_or_open(
        &self,
        workshop: &Workshop,
        destination: &str,
    ) -> Result<Arc<Lane>, Rejection> {
        if let Some(lane) = self.read(|open| open.lanes.get(destination).map(Arc::clone)) {
            return Ok(lane);
        }
        self.check(destination)
            .map_err(|message| rejection("InvalidArgumentException", message))?;
        self.write(|open| {
            if let Some(lane) = open.lanes.get(destination) {
                return Ok(Arc::clone(lane));
            }
            let max = self.max_destinations;
            if open.lanes.len() >= max
                && !open.close_an_idle_one(&self.shared.store).map_err(unavailable)?
            {
                let message = format!(
                    "records for {max} destinations are waiting already, which is as many as connector {} has",
                    self.connector().name
                );
                return Err(rejection("LimitExceededException", message));
            }
            self.open(open, workshop, destination).map_err(unavailable)
        })
    }

    /// Opens the lane of a queue from before, whatever the bound; or why nothing can be sent there.
    pub(super) fn adopt(
        &self,
        workshop: &Workshop,
        destination: &str,
    ) -> Result<Result<(), String>, StoreError> {
        if let Err(problem) = self.check(destination) {
            return Ok(Err(problem));
        }
        self.write(|open| self.open(open, workshop, destination))?;
        Ok(Ok(()))
    }

    /// What became of the records of each lane, and of those that were closed.
    pub(super) fn counts(&self) -> Vec<LaneCounts> {
        let of = |destination, counts| LaneCounts {
            connector: self.connector().name.clone(),
            destination,
            counts,
        };
        self.read(|open| {
            let lanes = open
                .lanes
                .iter()
                .map(|(destination, lane)| of(Some(destination.to_string()), lane.counts()));
            lanes.chain([of(None, open.closed)]).collect()
        })
    }

    /// How the records of each lane fare.
    pub(super) fn status(&self) -> Vec<LaneStatus> {
        self.read(|open| {
            let lanes = open.lanes.iter();
            lanes
                .map(|(destination, lane)| lane.status(&self.connector().name, destination))
                .collect()
        })
    }

    /// Measures the rates of each lane, and tells the log of backlogs.
    pub(super) fn tick(&self, now: Instant) {
        let unix_millis = clock::unix_millis();
        self.read(|open| {
            for (destination, lane) in &open.lanes {
                let counts = lane.counts();
                let Some(draining) = lane.pulse.tick(counts, now, unix_millis) else {
                    continue;
                };
                info!(
                    connector = self.connector().name,
                    %destination,
                    queued = counts.queued,
                    sent_per_second = draining.rate.end.round(),
                    arriving_per_second = draining.rate.arrival.round(),
                    time_to_drain = ?draining.time_to_drain,
                    "a backlog is being sent"
                );
            }
        });
    }

    #[cfg(test)]
    pub(super) fn memory_held(&self) -> usize {
        self.shared.memory.held()
    }

    pub(super) fn dead_letters(&self) -> u64 {
        self.shared.dead_letters.records()
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        if destination.len() > MAX_DESTINATION {
            let length = destination.len();
            return Err(format!(
                "the destination has {length} bytes; it may have {MAX_DESTINATION}"
            ));
        }
        self.connector().upstream.check(destination)
    }

    fn open(
        &self,
        open: &mut Open,
        workshop: &Workshop,
        destination: &str,
    ) -> Result<Arc<Lane>, StoreError> {
        let delivery = self.connector().contract.delivery();
        let (records, bytes) = (
            delivery.queue_records,
            self.connector().settings.queue_bytes,
        );
        let drops_oldest = delivery.when_full == WhenFull::DropOldest;
        let limits = match drops_oldest {
            true => Overflow::limits(records, bytes),
            false => QueueLimits {
                records,
                bytes,
                when_full: store::WhenFull::Refuse,
            },
        };
        let name = queue_name(&self.connector().name, destination);
        let store = &self.shared.store;
        let mut queue = store.queue(&name, QueueKind::Durable, limits)?;
        if drops_oldest {
            // What is there already is not in the way of what makes it less.
            let (found, held) = (queue.records(), queue.bytes());
            let limits = Overflow::limits(records.max(found), bytes.max(held));
            queue = store.queue(&name, QueueKind::Durable, limits)?;
        }
        let overflow = drops_oldest
            .then(|| Arc::new(Overflow::new(store.clone(), queue.clone(), records, bytes)));
        let counters = Arc::new(Counters::starting_with(queue.records()));
        let pulse = Arc::new(Pulse::default());
        let worker = Worker::new(Job {
            shared: Arc::clone(&self.shared),
            destination: destination.to_owned(),
            queue: queue.clone(),
            counters: Arc::clone(&counters),
            overflow: overflow.clone(),
            pulse: Arc::clone(&pulse),
        });
        let stop = workshop.stop.child_token();
        let span = error_span!("delivery", connector = self.connector().name, destination);
        debug!(parent: &span, queued = queue.records(), "a lane was opened");
        workshop
            .tasks
            .spawn(worker.run(stop.clone()).instrument(span));
        let lane = Arc::new(Lane {
            queue,
            counters,
            overflow,
            pulse,
            stop,
        });
        open.lanes.insert(destination.into(), Arc::clone(&lane));
        Ok(lane)
    }

    /// The connector that the lanes are of.
    pub(super) fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    fn read<T>(&self, look: impl FnOnce(&Open) -> T) -> T {
        look(&self.open.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Open) -> T) -> T {
        change(&mut self.open.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    /// Closes a lane that holds no record and that nobody holds; whether there was one.
    ///
    /// Nobody can take hold of it meanwhile: that takes the lock. A record in a transaction
    /// that was not submitted yet counts as one that the queue holds.
    fn close_an_idle_one(&mut self, store: &Store) -> Result<bool, StoreError> {
        let is_idle =
            |lane: &mut Arc<Lane>| Arc::get_mut(lane).is_some_and(|lane| lane.queue.records() == 0);
        let idle = self
            .lanes
            .iter_mut()
            .find_map(|(destination, lane)| is_idle(lane).then(|| destination.clone()));
        let Some(lane) = idle.and_then(|destination| self.lanes.remove(&destination)) else {
            return Ok(false);
        };
        // The worker goes by the token; the queue that vanishes under it is not a failure then.
        lane.stop.cancel();
        self.closed += lane.counts();
        store.remove(&lane.queue)?;
        debug!(queue = lane.queue.name(), "an idle lane was closed");
        Ok(true)
    }
}

/// The queue of a destination.
pub(super) fn queue_name(connector: &str, destination: &str) -> String {
    format!("c/{connector}/{destination}")
}

/// The connector and the destination of a queue, if it is one of a destination.
pub(super) fn parse_queue_name(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("c/")?.split_once('/')
}

fn unavailable(error: StoreError) -> Rejection {
    rejection("ServiceUnavailableException", error.to_string())
}

fn rejection(code: &str, message: String) -> Rejection {
    Rejection {
        id: String::new(),
        code: code.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_tells_connector_and_destination() {
        let name = queue_name("archive", "a/b/ä");
        assert_eq!(parse_queue_name(&name), Some(("archive", "a/b/ä")));
        assert_eq!(parse_queue_name("d/archive"), None);
        assert_eq!(parse_queue_name("s/archive/x"), None);
    }
}
