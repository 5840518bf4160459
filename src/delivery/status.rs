//! What a person is shown of a destination.

use std::time::Duration;

use crate::delivery::Counts;

/// How the records of one destination fare.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneStatus {
    /// The connector's name.
    pub connector: String,
    /// Where the records go, in the words of the contract.
    pub destination: String,
    /// What became of the records since the lane was opened; `queued` is the depth of the queue.
    pub counts: Counts,
    /// Bytes that the queue holds on disk.
    pub queued_bytes: u64,
    /// When the record was taken that waits longest, in milliseconds since the Unix epoch.
    pub oldest: Option<u64>,
    /// Records per second that ended, be it upstream or otherwise, over about the last ten seconds.
    pub rate: f64,
    /// Records per second that came, over the same time.
    pub arrival_rate: f64,
    /// Whether the upstream takes records.
    pub circuit: CircuitState,
    /// How long the queue takes to become empty at these rates; `None` when it does not.
    pub time_to_drain: Option<Duration>,
}

/// Whether an upstream takes records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CircuitState {
    /// It does, or nothing is known against it.
    Closed,
    /// Requests fail; one at a time is tried.
    Open {
        /// For how long nothing came through.
        failing_for: Duration,
        /// The latest error: its code and message.
        error: String,
    },
}
