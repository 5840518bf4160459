//! Brokers that have nothing to do: what they take for themselves and for those who are connected.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Effort, Sample, Work, megabytes};
use crate::{
    brokers::{Broker, Keeps},
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
    let count: u32 = if effort.quick { 400 } else { 4000 };
    process::allow_open_files(u64::from(count) + OTHER_FILES)?;
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    running.settle()?;
    let without = running.memory()?.resident;
    let connections = (0..count)
        .map(|index| {
            let filter = format!("bench/idle/{index}");
            connect(
                running.address(),
                &format!("idle-{index}"),
                Some((&filter, 1)),
            )
        })
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| running.explain(error))?;
    running.settle()?;
    let with = running.memory()?.resident;
    Ok(vec![
        (
            &PER_CONNECTION,
            (with as f64 - without as f64) / connections.len() as f64,
        ),
        (&WITHOUT, megabytes(without)),
        (&WITH, megabytes(with)),
        (&CONNECTED, connections.len() as f64),
    ])
}
