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
mod feeds;
mod lanes;
pub(crate) mod operator;
mod overflow;
mod pace;
mod pulse;
mod reach;
mod settlement;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Duration};

use perennial_broker::store::{QueueKind, QueueLimits, Store, StoreError, Ticket, WhenFull};
use perennial_connectors::{Contract, Rejection, Status, Upstream};
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

pub use self::{
    backoff::Retry,
    counters::{Counters, Counts},
    lanes::Lane,
    pace::MaxRate,
    status::{CircuitState, LaneStatus},
};
use self::{dead_letters::DeadLetters, lanes::Lanes, shared::Shared};

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
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorSettings {
    /// Requests at once to one destination, if the upstream gains from them; with more than
    /// one a batch can overtake another. `None` leaves it to the contract: one where it keeps
    /// the order, else four.
    pub in_flight: Option<usize>,
    /// The part of the batches that is fresh while there is a backlog, from 0 to 1. `None`
    /// leaves it to the contract: none where it keeps the order, else a fifth.
    pub fresh_share: Option<f64>,
    /// The fastest that records are sent to all destinations together.
    pub max_rate: MaxRate,
    /// How old a record may grow before it is given up; `None` is any age.
    pub max_age: Option<Duration>,
    /// Destinations that can have records at the same time; records for more are rejected.
    pub max_destinations: usize,
    /// Bytes in the queue of one destination; beyond it the contract says what becomes of records.
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
            in_flight: None,
            fresh_share: None,
            max_rate: MaxRate::default(),
            max_age: None,
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
    /// Publishes `status` without waiting for anything; what finds no room is lost. When the
    /// ticket is durable, it is on disk for whoever is to get it whenever they are back.
    ///
    /// # Errors
    /// The status is to be stored and the store takes nothing.
    fn publish(&self, status: Status) -> Result<Ticket, StoreError>;
}

/// The lanes of all connectors.
pub struct Delivery {
    workshop: Workshop,
    connectors: Arc<HashMap<String, Lanes>>,
}

/// What lanes are opened with.
struct Workshop {
    store: Store,
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
        let mut lanes = HashMap::with_capacity(connectors.len());
        for connector in connectors {
            let dead_letters = DeadLetters::open(&store, &connector)?;
            let name = connector.name.clone();
            let shared = Shared::new(connector, dead_letters, store.clone(), Arc::clone(&sink));
            lanes.insert(name, Lanes::new(shared));
        }
        let delivery = Delivery {
            connectors: Arc::new(lanes),
            workshop: Workshop { store, stop, tasks },
        };
        for name in delivery.workshop.store.queue_names() {
            delivery.adopt(&name)?;
        }
        delivery.watch();
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

    /// Bytes of records that `connector` holds in memory.
    #[cfg(test)]
    fn memory_held(&self, connector: &str) -> usize {
        self.connectors[connector].memory_held()
    }

    /// Takes no new batches, waits up to ten seconds for the requests in flight, settles what
    /// is known and leaves the rest in the queues; the store is to be closed after it.
    pub async fn stop(&self) {
        self.workshop.stop.cancel();
        self.workshop.tasks.close();
        self.workshop.tasks.wait().await;
    }

    /// Measures once a second how the lanes fare.
    fn watch(&self) {
        let (connectors, stop) = (Arc::clone(&self.connectors), self.workshop.stop.clone());
        self.workshop.tasks.spawn(async move {
            let mut seconds = time::interval(Duration::from_secs(1));
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(seconds.tick()).await.is_some() {
                connectors
                    .values()
                    .for_each(|lanes| lanes.tick(Instant::now()));
            }
        });
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
