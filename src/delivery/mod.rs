//! From the queues to the upstreams: one lane per destination, the same for all connectors.
//!
//! - A lane is a queue and its worker. Lanes open with the first record for a destination,
//!   up to a bound per connector; at the bound a lane that is empty and unused makes place.
//! - Queues that lie in the store from before get their workers at the start. One whose
//!   connector is not in the configuration is kept, reported and not sent.
//! - Stopping finishes the requests in flight or keeps their records; it loses none.

mod backoff;
mod batcher;
mod counters;
mod dead_letters;
mod diary;
mod lanes;
mod settlement;
mod status;
#[cfg(test)]
mod tests;
mod worker;

use std::{collections::HashMap, sync::Arc};

use perennial_broker::store::{QueueKind, QueueLimits, Store, StoreError, WhenFull};
use perennial_connectors::{Contract, Rejection, Status, Upstream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

pub use self::{
    backoff::Retry,
    counters::{Counters, Counts},
    lanes::Lane,
    status::{CircuitState, LaneStatus},
};
use self::{dead_letters::DeadLetters, lanes::Lanes};

/// A contract in front of an upstream, under a name.
pub struct Connector {
    /// The name in the configuration; it has no slash.
    pub name: String,
    /// What devices speak.
    pub contract: Box<dyn Contract>,
    /// Where batches go.
    pub upstream: Box<dyn Upstream>,
    /// How records are queued and sent.
    pub settings: ConnectorSettings,
}

/// How the records of a connector are queued and sent, beside what its contract and upstream say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectorSettings {
    /// Requests at once to one destination, if the upstream gains from them; with more than
    /// one a batch can overtake another.
    pub in_flight: usize,
    /// Destinations that can have records at the same time; records for more are rejected.
    pub max_destinations: usize,
    /// Bytes in the queue of one destination; records beyond it are rejected.
    pub queue_bytes: u64,
    /// Dead letters that are kept; records beyond it are dropped and counted.
    pub dead_letter_records: u64,
    /// Bytes of dead letters that are kept; records beyond it are dropped and counted.
    pub dead_letter_bytes: u64,
    /// How long a destination that failed is left alone.
    pub retry: Retry,
}

impl Default for ConnectorSettings {
    fn default() -> Self {
        ConnectorSettings {
            in_flight: 1,
            max_destinations: 100,
            queue_bytes: 1 << 30,
            dead_letter_records: 100_000,
            dead_letter_bytes: 256 << 20,
            retry: Retry::default(),
        }
    }
}

/// Where statuses go.
pub trait StatusSink: Send + Sync {
    /// Publishes `status` without waiting for anything; what finds no room is lost.
    fn publish(&self, status: Status);
}

/// The lanes of all connectors.
pub struct Delivery {
    workshop: Workshop,
    connectors: HashMap<String, Lanes>,
}

/// What every worker needs.
struct Workshop {
    store: Store,
    sink: Arc<dyn StatusSink>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What became of the records of one destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaneCounts {
    /// The connector's name.
    pub connector: String,
    /// The destination; `None` for all whose lanes were closed.
    pub destination: Option<String>,
    /// The counts since the lane was opened.
    pub counts: Counts,
}

impl Delivery {
    /// Starts a worker for every queue that the store holds; call it inside a tokio runtime.
    ///
    /// # Errors
    /// The store takes nothing.
    pub fn start(
        store: Store,
        connectors: Vec<Arc<Connector>>,
        sink: Arc<dyn StatusSink>,
    ) -> Result<Delivery, StoreError> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut delivery = Delivery {
            connectors: HashMap::with_capacity(connectors.len()),
            workshop: Workshop {
                store,
                sink,
                stop,
                tasks,
            },
        };
        for connector in connectors {
            let dead_letters = DeadLetters::open(&delivery.workshop.store, &connector)?;
            let name = connector.name.clone();
            delivery
                .connectors
                .insert(name, Lanes::new(connector, dead_letters));
        }
        for name in delivery.workshop.store.queue_names() {
            delivery.adopt(&name)?;
        }
        Ok(delivery)
    }

    /// The lane of `destination`, which is opened if it is not known; call it inside a tokio runtime.
    ///
    /// Whoever appends holds the lane until the record is in a transaction and not longer:
    /// a lane that somebody holds is never closed to make place for another.
    ///
    /// # Errors
    /// The upstream cannot send there, or there are too many destinations; the id is left empty.
    pub fn lane(&self, connector: &Connector, destination: &str) -> Result<Arc<Lane>, Rejection> {
        match self.connectors.get(&connector.name) {
            Some(lanes) => lanes.find_or_open(&self.workshop, destination),
            None => Err(Rejection {
                id: String::new(),
                code: "ServiceUnavailableException".to_owned(),
                message: format!("the connector {} is not running", connector.name),
            }),
        }
    }

    /// What became of all records of all connectors.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.lane_counts()
            .into_iter()
            .for_each(|lane| sum += lane.counts);
        sum
    }

    /// What became of the records of each destination.
    #[must_use]
    pub fn lane_counts(&self) -> Vec<LaneCounts> {
        self.connectors.values().flat_map(Lanes::counts).collect()
    }

    /// How the records of each destination fare, by connector and destination.
    #[must_use]
    pub fn status(&self) -> Vec<LaneStatus> {
        let mut lanes: Vec<_> = self.connectors.values().flat_map(Lanes::status).collect();
        lanes.sort_by(|a, b| (&a.connector, &a.destination).cmp(&(&b.connector, &b.destination)));
        lanes
    }

    /// The dead letters that are kept for `connector`.
    #[must_use]
    pub fn dead_letters(&self, connector: &Connector) -> u64 {
        self.connectors
            .get(&connector.name)
            .map_or(0, Lanes::dead_letters)
    }

    /// Takes no new batches, waits up to ten seconds for the requests in flight, settles what
    /// is known and leaves the rest in the queues; the store is to be closed after it.
    pub async fn stop(&self) {
        self.workshop.stop.cancel();
        self.workshop.tasks.close();
        self.workshop.tasks.wait().await;
    }

    /// Starts the worker of a queue from before; queues that are not delivery's are left alone.
    fn adopt(&self, queue: &str) -> Result<(), StoreError> {
        let Some((connector, destination)) = lanes::parse_queue_name(queue) else {
            return Ok(());
        };
        let problem = match self.connectors.get(connector) {
            None => "no connector of that name is configured".to_owned(),
            Some(lanes) => match lanes.adopt(&self.workshop, destination)? {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
        };
        let limits = QueueLimits {
            records: u64::MAX,
            bytes: u64::MAX,
            when_full: WhenFull::Refuse,
        };
        let records = self
            .workshop
            .store
            .queue(queue, QueueKind::Durable, limits)?
            .records();
        if records > 0 {
            error!(
                connector,
                destination, records, problem, "queued records are kept and not sent"
            );
        }
        Ok(())
    }
}
