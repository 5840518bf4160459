//! A broker that nobody has connected to.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Effort, Sample, Work, megabytes};
use crate::{brokers::Broker, process, table::Metric};

pub(super) const WORK: Work = Work {
    rounds: 3,
    ..Work::new("idle", "memory 2 s after the start", run)
};

static IDLE: Metric = Metric::compared("RSS MB", 1);
static STARTED_CPU: Metric = Metric::median("cpu ms", 0);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let running = broker.start(&effort.directory)?;
    process::wait_until(Instant::now() + Duration::from_secs(2));
    let memory = running.memory()?;
    Ok(vec![
        (&IDLE, megabytes(memory.resident)),
        (&STARTED_CPU, running.cpu()?.as_secs_f64() * 1e3),
    ])
}
