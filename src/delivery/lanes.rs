//! The lanes of one connector: found by destination, opened on demand, bounded.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use perennial_broker::store::{Queue, QueueKind, QueueLimits, Store, StoreError, WhenFull};
use perennial_connectors::Rejection;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error_span};

use crate::delivery::{
    CircuitState, Connector, Counters, Counts, LaneCounts, LaneStatus, Workshop,
    dead_letters::DeadLetters,
    worker::{Job, Worker},
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
    stop: CancellationToken,
}

/// The lanes of one connector.
pub(super) struct Lanes {
    connector: Arc<Connector>,
    dead_letters: Arc<DeadLetters>,
    open: RwLock<Open>,
}

#[derive(Default)]
struct Open {
    lanes: HashMap<Box<str>, Arc<Lane>>,
    /// What was counted on lanes that were closed.
    closed: Counts,
}

impl Lanes {
    pub(super) fn new(connector: Arc<Connector>, dead_letters: DeadLetters) -> Self {
        Lanes {
            connector,
            dead_letters: Arc::new(dead_letters),
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
            let max = self.connector.settings.max_destinations;
            if open.lanes.len() >= max
                && !open.close_an_idle_one(&workshop.store).map_err(unavailable)?
            {
                let message = format!(
                    "records for {max} destinations are waiting already, which is as many as connector {} has",
                    self.connector.name
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
            connector: self.connector.name.clone(),
            destination,
            counts,
        };
        self.read(|open| {
            let lanes = open.lanes.iter().map(|(destination, lane)| {
                of(
                    Some(destination.to_string()),
                    lane.counters.counts(lane.queue.records()),
                )
            });
            lanes.chain([of(None, open.closed)]).collect()
        })
    }

    /// How the records of each lane fare.
    pub(super) fn status(&self) -> Vec<LaneStatus> {
        self.read(|open| {
            let lanes = open.lanes.iter().map(|(destination, lane)| LaneStatus {
                connector: self.connector.name.clone(),
                destination: destination.to_string(),
                counts: lane.counters.counts(lane.queue.records()),
                queued_bytes: lane.queue.bytes(),
                oldest: None,
                rate: 0.0,
                arrival_rate: 0.0,
                circuit: CircuitState::Closed,
                time_to_drain: None,
            });
            lanes.collect()
        })
    }

    pub(super) fn dead_letters(&self) -> u64 {
        self.dead_letters.records()
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        if destination.len() > MAX_DESTINATION {
            let length = destination.len();
            return Err(format!(
                "the destination has {length} bytes; it may have {MAX_DESTINATION}"
            ));
        }
        self.connector.upstream.check(destination)
    }

    fn open(
        &self,
        open: &mut Open,
        workshop: &Workshop,
        destination: &str,
    ) -> Result<Arc<Lane>, StoreError> {
        let limits = QueueLimits {
            records: self.connector.contract.delivery().queue_records,
            bytes: self.connector.settings.queue_bytes,
            when_full: WhenFull::Refuse,
        };
        let name = queue_name(&self.connector.name, destination);
        let queue = workshop.store.queue(&name, QueueKind::Durable, limits)?;
        let counters = Arc::new(Counters::starting_with(queue.records()));
        let worker = Worker::new(Job {
            store: workshop.store.clone(),
            connector: Arc::clone(&self.connector),
            destination: destination.to_owned(),
            queue: queue.clone(),
            counters: Arc::clone(&counters),
            dead_letters: Arc::clone(&self.dead_letters),
            sink: Arc::clone(&workshop.sink),
        });
        let stop = workshop.stop.child_token();
        let span = error_span!("delivery", connector = self.connector.name, destination);
        debug!(parent: &span, queued = queue.records(), "a lane was opened");
        workshop
            .tasks
            .spawn(worker.run(stop.clone()).instrument(span));
        let lane = Arc::new(Lane {
            queue,
            counters,
            stop,
        });
        open.lanes.insert(destination.into(), Arc::clone(&lane));
        Ok(lane)
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
        self.closed += lane.counters.counts(0);
        store.remove(&lane.queue)?;
        debug!(queue = lane.queue.name(), "an idle lane was closed");
        Ok(true)
    }
}

/// The queue of a destination.
fn queue_name(connector: &str, destination: &str) -> String {
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
