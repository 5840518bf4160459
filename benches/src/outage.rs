//! The gateway through an outage of its upstream: looked at every second, told in a line, drawn.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    brokers::Broker,
    devices::{self, Devices},
    firehose::Firehose,
    process,
    uplink::{TOPIC, Uplink},
};

use record::{Record, Sample};

mod record;

const DEVICES: devices::Plan = devices::Plan {
    count: 50,
    topic: TOPIC,
    payload: 256,
    per_second: 2000,
};

/// How long a record waits for others at most.
const LINGER: Duration = Duration::from_secs(1);

/// How often is looked.
const STEP: Duration = Duration::from_secs(1);

/// After the devices have ended, what has not come for this long is lost.
const QUIET: Duration = Duration::from_secs(45);

/// How long each part lasts.
pub(crate) struct Plan {
    before: Duration,
    away: Duration,
    /// After what was queued has left.
    after: Duration,
}

impl Plan {
    /// An outage of so many minutes.
    pub(crate) fn of_minutes(minutes: u64) -> Self {
        Self {
            before: Duration::from_secs(60),
            away: Duration::from_secs(60 * minutes),
            after: Duration::from_secs(30),
        }
    }

    /// Shows that all runs.
    pub(crate) fn quick() -> Self {
        Self {
            before: Duration::from_secs(5),
            away: Duration::from_secs(10),
            after: Duration::from_secs(5),
        }
    }

    /// Whoever has not drained the queue by then never will.
    fn longest(&self) -> Duration {
        2 * (self.before + self.away) + Duration::from_secs(120)
    }
}

/// Runs `gateway` through the outage of `plan`, with its data below `directory`.
pub(crate) fn run(gateway: &Broker, directory: &Path, plan: &Plan) -> io::Result<Record> {
    let epoch = Instant::now();
    let mut firehose = Firehose::start(0, epoch)?;
    let mut uplink = Uplink::start(gateway, directory, &firehose, LINGER)?;
    let devices =
        Devices::start(uplink.address(), DEVICES, epoch).map_err(|error| uplink.explain(error))?;
    let mut watch = Watch {
        start: Instant::now(),
        samples: Vec::new(),
    };
    // Looks come on the second, and an end that falls just behind one does not wait for the next.
    let almost = |end| move |now, _| now + STEP / 2 >= end;
    watch.watch(&uplink, &devices, &firehose, almost(plan.before))?;
    let usual = watch.samples.iter().map(Sample::depth).max().unwrap_or(0);
    firehose.stop();
    let gone = watch.start.elapsed();
    watch.watch(&uplink, &devices, &firehose, almost(gone + plan.away))?;
    firehose.restart()?;
    let back = watch.start.elapsed();
    let mut drained = None;
    watch.watch(&uplink, &devices, &firehose, |now, depth| {
        if drained.is_none() && depth <= usual {
            drained = Some(now);
        }
        now >= plan.longest() || drained.is_some_and(|drained| now >= drained + plan.after)
    })?;
    let sent = devices.finish().map_err(|error| uplink.explain(error))?;
    let published = sent.iter().sum();
    firehose.wait(published, QUIET);
    let tally = firehose.tally(&sent)?;
    Ok(Record {
        samples: watch.samples,
        away: (gone, back),
        drained,
        published,
        lost: tally.lost,
        duplicates: tally.duplicates,
    })
}

struct Watch {
    start: Instant,
    samples: Vec<Sample>,
}

impl Watch {
    /// Looks at every step until `is_over`, which is told the time and the depth of the queue.
    fn watch(
        &mut self,
        uplink: &Uplink,
        devices: &Devices,
        firehose: &Firehose,
        mut is_over: impl FnMut(Duration, u64) -> bool,
    ) -> io::Result<()> {
        loop {
            process::wait_until(self.start + STEP * self.samples.len() as u32);
            // Before the acknowledged, so that what is delivered in between is not missed there.
            let delivered = firehose.unique();
            let sample = Sample {
                at: self.start.elapsed(),
                acknowledged: devices.acknowledged(),
                delivered,
                resident: uplink.memory()?.resident,
            };
            self.samples.push(sample);
            if is_over(sample.at, sample.depth()) {
                return Ok(());
            }
        }
    }
}
