//! How full the queues are, and how their records fare.

use perennial_broker::store::{Queue, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    delivery::{
        CircuitState, LaneStatus,
        operator::{dead_letters, queues},
    },
    operator::{Operator, walk::Walk},
    record,
};

/// The queues of a gateway.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Queues {
    /// Whether a gateway runs; if none does, nothing is known but what the store holds.
    pub running: bool,
    /// When this was so, in milliseconds since the Unix epoch.
    #[serde(with = "super::time")]
    pub time: Option<u64>,
    /// By connector and destination.
    pub queues: Vec<QueueRow>,
    /// By connector.
    pub dead_letters: Vec<DeadLetterRow>,
}

/// The queue of a destination.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct QueueRow {
    /// The connector's name.
    pub connector: String,
    /// Where the records go.
    pub destination: String,
    /// Records that wait.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// When the record was taken that waits longest, in milliseconds since the Unix epoch.
    #[serde(with = "super::time")]
    pub oldest: Option<u64>,
    /// Records per second that come; `None` where nothing is sent.
    pub arrival_rate: Option<f64>,
    /// Records per second that end; `None` where nothing is sent.
    pub rate: Option<f64>,
    /// Whether the upstream takes records; `None` where nothing is sent.
    pub circuit: Option<CircuitRow>,
    /// Seconds until the queue is empty at these rates; `None` when it does not get empty.
    pub time_to_drain: Option<f64>,
}

/// Whether an upstream takes records.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CircuitRow {
    /// It does, or nothing is known against it.
    Closed,
    /// Requests fail.
    Open {
        /// Seconds since something came through.
        failing_for: f64,
        /// The latest error.
        error: String,
    },
}

/// The dead letters of a connector.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeadLetterRow {
    /// The connector's name.
    pub connector: String,
    /// Letters that are kept.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Operator {
    /// How the queues are: `lanes` are those of a gateway that runs; the others, and all
    /// when none does, are known from the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn queues(&self, lanes: Option<Vec<LaneStatus>>) -> Result<Queues, StoreError> {
        let running = lanes.is_some();
        let mut rows: Vec<QueueRow> = lanes
            .into_iter()
            .flatten()
            .map(|lane| QueueRow {
                connector: lane.connector,
                destination: lane.destination,
                records: lane.counts.queued,
                bytes: lane.queued_bytes,
                oldest: lane.oldest,
                arrival_rate: Some(lane.arrival_rate),
                rate: Some(lane.rate),
                circuit: Some(lane.circuit.into()),
                time_to_drain: lane.time_to_drain.map(|time| time.as_secs_f64()),
            })
            .collect();
        for (connector, destination, queue) in queues(&self.store) {
            let is_known = rows
                .iter()
                .any(|row| row.connector == connector && row.destination == destination);
            if !is_known {
                rows.push(of_store(connector, destination, &queue).await?);
            }
        }
        rows.sort_by(|a, b| (&a.connector, &a.destination).cmp(&(&b.connector, &b.destination)));
        Ok(Queues {
            running,
            time: Some(clock::unix_millis()),
            queues: rows,
            dead_letters: self.dead_letters(),
        })
    }

    /// How many dead letters are kept.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetterRow> {
        let queues = dead_letters(&self.store).into_iter();
        let rows = queues.map(|(connector, queue)| DeadLetterRow {
            connector,
            records: queue.records(),
            bytes: queue.bytes(),
        });
        rows.collect()
    }
}

async fn of_store(
    connector: String,
    destination: String,
    queue: &Queue,
) -> Result<QueueRow, StoreError> {
    Ok(QueueRow {
        connector,
        destination,
        records: queue.records(),
        bytes: queue.bytes(),
        oldest: oldest(queue).await?,
        arrival_rate: None,
        rate: None,
        circuit: None,
        time_to_drain: None,
    })
}

/// When the first record was taken that is not settled and can be read.
async fn oldest(queue: &Queue) -> Result<Option<u64>, StoreError> {
    let mut walk = Walk::of(queue);
    while let Some(places) = walk.next().await? {
        let mut waiting = places.into_iter().filter(|place| !place.is_settled);
        let time = waiting.find_map(|place| record::read(place.bytes).ok());
        if let Some(record) = time {
            return Ok(Some(record.time));
        }
    }
    Ok(None)
}

impl From<CircuitState> for CircuitRow {
    fn from(circuit: CircuitState) -> Self {
        match circuit {
            CircuitState::Closed => Self::Closed,
            CircuitState::Open { failing_for, error } => Self::Open {
                failing_for: failing_for.as_secs_f64(),
                error,
            },
        }
    }
}
