//! Brokers that have nothing to do: what they take for themselves and for those who are connected.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Effort, Sample, Work, megabytes};
use crate::{
    brokers::{Broker, Keeps, Running},
    client::connect,
    process,
    table::Metric,
};

pub(super) const WORK: Work = Work {
    rounds: 3,
    ..Work::new("idle", "memory 2 s after the start", run)
};

pub(super) const IDLE4K: Work = Work {
    rounds: 3,
    ..Work::new(
        "idle4k",
        "4000 connections that are silent, each subscribed to a topic of its own: resident memory per \
         connection, without what the system keeps for the socket (--quick: 400)",
        run_connected,
    )
};

/// Open files beside those of the connections.
const OTHER_FILES: u64 = 200;

static IDLE: Metric = Metric::compared("RSS MB", 1);
static STARTED_CPU: Metric = Metric::median("cpu ms", 0);
static PER_CONNECTION: Metric = Metric::compared("B/connection", 0);
static WITHOUT: Metric = Metric::median("RSS MB without", 1);
static WITH: Metric = Metric::median("RSS MB with", 1);
static CONNECTED: Metric = Metric::median("connections", 0);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let running = broker.start(&effort.directory, Keeps::Default)?;
    process::wait_until(Instant::now() + Duration::from_secs(2));
    let memory = running.memory()?;
    Ok(vec![
        (&IDLE, megabytes(memory.resident)),
        (&STARTED_CPU, running.cpu()?.as_secs_f64() * 1e3),
    ])
}

fn run_connected(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let occupancy = Occupancy::begin(&running, effort)?;
    let connections = occupancy
        .connect(|client_id, subscription| connect(running.address(), client_id, subscription))
        .map_err(|error| running.explain(error))?;
    occupancy.measure(&running, &connections)
}

/// Memory before there were connections, and how many there are to be.
pub(super) struct Occupancy {
    without: u64,
    count: u32,
}

impl Occupancy {
    /// Begins with a broker that nobody has connected to.
    pub(super) fn begin(running: &Running, effort: &Effort) -> io::Result<Self> {
        let count: u32 = if effort.quick { 400 } else { 4000 };
        process::allow_open_files(u64::from(count) + OTHER_FILES)?;
        running.settle()?;
        let without = running.memory()?.resident;
        Ok(Self { without, count })
    }

    /// All connections, made one after the other.
    pub(super) fn connect<C>(
        &self,
        mut connect: impl FnMut(&str, Option<(&str, u8)>) -> io::Result<C>,
    ) -> io::Result<Vec<C>> {
        let all = (0..self.count).map(|index| {
            let filter = format!("bench/idle/{index}");
            connect(&format!("idle-{index}"), Some((&filter, 1)))
        });
        all.collect()
    }

    pub(super) fn measure<C>(&self, running: &Running, connections: &[C]) -> io::Result<Sample> {
        running.settle()?;
        let with = running.memory()?.resident;
        let more = with as f64 - self.without as f64;
        Ok(vec![
            (&PER_CONNECTION, more / connections.len() as f64),
            (&WITHOUT, megabytes(self.without)),
            (&WITH, megabytes(with)),
            (&CONNECTED, connections.len() as f64),
        ])
    }
}
