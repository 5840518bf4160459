//! From devices to Firehose: the gateway, and mosquitto with a script.
//!
//! All send to the same double, which knows each record and when it was published.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    DUPLICATES, Effort, MESSAGES, MISSING, OTHERS_BUSY, PEAK, Sample, Work, megabytes, per_message,
    percent,
};
use crate::{
    brokers::Broker,
    devices::{Devices, Plan},
    firehose::{Firehose, Tally},
    load::{Amount, Load, Publishers, Traffic},
    process,
    table::{Metric, percentile},
    uplink::{TOPIC, Uplink, Victim},
};

const fn work(
    name: &'static str,
    summary: &'static str,
    run: fn(&Broker, &Effort) -> io::Result<Sample>,
) -> Work {
    Work {
        rounds: 3,
        among: &["script", "script, late acks", "perennial"],
        baselines: &["script"],
        ..Work::new(name, summary, run)
    }
}

pub(super) const UPLINK: Work = work(
    "uplink",
    "200 000 QoS 1 messages of 256 B, 50 publishers, window 20: until all are in Firehose; script: \
     mosquitto, paho and boto3, with batches of 500 or 1 s as the gateway's (--quick: 10 000)",
    run_uplink,
);

pub(super) const LATENCY: Work = work(
    "latency",
    "QoS 1, 5000 msg/s over 50 connections, 256 B, batches of 500 or 100 ms: time from publish until \
     Firehose has the record; 10 s (--quick: 2 s)",
    run_latency,
);

pub(super) const PARTIAL: Work = work(
    "partial",
    "2000 msg/s for 10 s, 10 % of the records of each request fail (--quick: 2 s)",
    run_partial,
);

pub(super) const AWAY: Work = Work {
    rounds: 1,
    ..work(
        "away",
        "2000 msg/s, Firehose refuses connections for a minute (--quick: 5 s)",
        run_away,
    )
};

pub(super) const KILLED: Work = work(
    "killed",
    "2000 msg/s for 12 s, the process that sends to Firehose is killed (SIGKILL) and started again \
     three times (--quick: once in 4 s)",
    |broker, effort| run_killed(broker, effort, Victim::Sender),
);

pub(super) const ALL_KILLED: Work = work(
    "allkilled",
    "the same, every process is killed: mosquitto, too",
    |broker, effort| run_killed(broker, effort, Victim::All),
);

const PUBLISHERS: Publishers = Publishers {
    count: 50,
    qos: 1,
    payload: 256,
    window: 20,
    topic: TOPIC,
    one_topic: false,
};

const DEVICES: Plan = Plan {
    count: 50,
    topic: TOPIC,
    payload: 256,
    per_second: 2000,
};

/// How long a record waits for others at most.
const LINGER: Duration = Duration::from_secs(1);
const SHORT_LINGER: Duration = Duration::from_millis(100);

/// After this long without a record what is outstanding counts as missing; longer than the longest
/// pause before either tries again.
const QUIET: Duration = Duration::from_secs(45);

static RATE: Metric = Metric::compared("records/s", 0);
static PER_CPU: Metric = Metric::compared("records/cpu s", 0);
static CPU: Metric = Metric::median("cpu µs/record", 2);
static FIREHOSE_CPU: Metric = Metric::median("double µs/record", 2);
static P50: Metric = Metric::median("p50 ms", 0);
static P99: Metric = Metric::compared("p99 ms", 0);
static WORST: Metric = Metric::max("max ms", 0);
static DRAINED: Metric = Metric::median("all after s", 1);

fn run_uplink(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let firehose = Firehose::start(0, Instant::now())?;
    let mut uplink = Uplink::start(broker, &effort.directory, &firehose, LINGER)?;
    let mut load =
        Load::connect(uplink.address(), PUBLISHERS, &[]).map_err(|error| uplink.explain(error))?;
    let traffic = Traffic {
        amount: Amount::Messages(if effort.quick { 10_000 } else { 200_000 }),
        lead: None,
        fresh_topics: false,
    };
    let before = Costs::read(&uplink)?;
    let start = Instant::now();
    let outcome = load.run(traffic).map_err(|error| uplink.explain(error))?;
    firehose.wait(outcome.sent, QUIET);
    let costs = Costs::read(&uplink)?.since(before);
    let whole = start.elapsed();
    let elapsed = firehose.news().map_or(whole, |news| news - start);
    let tally = firehose.tally(&outcome.sent_by)?;
    let mut sample = costs.figures(outcome.sent, whole);
    sample.insert(0, (&RATE, outcome.sent as f64 / elapsed.as_secs_f64()));
    sample.push((&PEAK, megabytes(uplink.memory()?.peak)));
    sample.extend(losses(outcome.sent, &tally));
    Ok(sample)
}

fn run_latency(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let plan = Plan {
        per_second: 5000,
        ..DEVICES
    };
    let course = Course::begin(broker, effort, plan, 0, SHORT_LINGER)?;
    let before = Costs::read(&course.uplink)?;
    course.go_on(if effort.quick { 2 } else { 10 });
    let costs = Costs::read(&course.uplink)?.since(before);
    let elapsed = course.begun.elapsed();
    let End { sent, tally, .. } = course.end()?;
    let at = |percent| {
        let latency = percentile(&tally.latencies, percent);
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    };
    let mut sample = vec![(&P99, at(99.0)), (&P50, at(50.0)), (&WORST, at(100.0))];
    sample.extend(costs.figures(sent, elapsed));
    sample.extend(losses(sent, &tally));
    Ok(sample)
}

fn run_partial(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let course = Course::begin(broker, effort, DEVICES, 10, LINGER)?;
    course.go_on(if effort.quick { 2 } else { 10 });
    Ok(course.end()?.figures())
}

fn run_away(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut course = Course::begin(broker, effort, DEVICES, 0, LINGER)?;
    course.go_on(2);
    course.firehose.stop();
    course.go_on(if effort.quick { 5 } else { 60 });
    course.firehose.restart()?;
    course.go_on(2);
    Ok(course.end()?.figures())
}

fn run_killed(broker: &Broker, effort: &Effort, victim: Victim) -> io::Result<Sample> {
    let mut course = Course::begin(broker, effort, DEVICES, 0, LINGER)?;
    for _ in 0..if effort.quick { 1 } else { 3 } {
        course.go_on(3);
        let killed = course.uplink.kill(victim);
        killed.map_err(|error| course.uplink.explain(error))?;
    }
    course.go_on(if effort.quick { 1 } else { 3 });
    Ok(course.end()?.figures())
}

/// Devices that publish at an even pace, an uplink, and Firehose.
struct Course {
    devices: Devices,
    uplink: Uplink,
    firehose: Firehose,
    begun: Instant,
}

impl Course {
    fn begin(
        broker: &Broker,
        effort: &Effort,
        plan: Plan,
        failing: u64,
        linger: Duration,
    ) -> io::Result<Self> {
        let epoch = Instant::now();
        let firehose = Firehose::start(failing, epoch)?;
        let mut uplink = Uplink::start(broker, &effort.directory, &firehose, linger)?;
        let devices =
            Devices::start(uplink.address(), plan, epoch).map_err(|error| uplink.explain(error))?;
        Ok(Self {
            devices,
            uplink,
            firehose,
            begun: Instant::now(),
        })
    }

    /// Lets the devices publish for that long.
    fn go_on(&self, seconds: u64) {
        process::wait_until(Instant::now() + Duration::from_secs(seconds));
    }

    /// Ends the devices, and waits until all that they have published is in Firehose or nothing
    /// more comes.
    fn end(mut self) -> io::Result<End> {
        let sent = self
            .devices
            .finish()
            .map_err(|error| self.uplink.explain(error))?;
        let ended = Instant::now();
        let all = sent.iter().sum();
        self.firehose.wait(all, QUIET);
        let news = self.firehose.news().unwrap_or(ended);
        Ok(End {
            sent: all,
            tally: self.firehose.tally(&sent)?,
            late: news.saturating_duration_since(ended),
            peak: self.uplink.memory()?.peak,
        })
    }
}

/// What became of the messages of a course.
struct End {
    sent: u64,
    tally: Tally,
    /// How long after the last acknowledgement the last record came.
    late: Duration,
    /// The most memory of the uplink, in bytes.
    peak: u64,
}

impl End {
    fn figures(&self) -> Sample {
        let mut sample = losses(self.sent, &self.tally);
        sample.push((&DRAINED, self.late.as_secs_f64()));
        sample.push((&PEAK, megabytes(self.peak)));
        sample
    }
}

fn losses(sent: u64, tally: &Tally) -> Sample {
    vec![
        (&MESSAGES, sent as f64),
        (&MISSING, tally.lost as f64),
        (&DUPLICATES, tally.duplicates as f64),
    ]
}

/// CPU time of the uplink, of the double, and of the rest of the machine but this process.
#[derive(Clone, Copy)]
struct Costs {
    uplink: Duration,
    firehose: Duration,
    others: Duration,
}

impl Costs {
    fn read(uplink: &Uplink) -> io::Result<Self> {
        let (uplink, own) = (uplink.cpu()?, process::cpu("self")?);
        Ok(Self {
            uplink,
            firehose: Firehose::cpu()?,
            others: process::machine_cpu()?.saturating_sub(uplink + own),
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            uplink: self.uplink - before.uplink,
            firehose: self.firehose.saturating_sub(before.firehose),
            others: self.others.saturating_sub(before.others),
        }
    }

    fn figures(self, records: u64, elapsed: Duration) -> Sample {
        vec![
            (&PER_CPU, records as f64 / self.uplink.as_secs_f64()),
            (&CPU, per_message(self.uplink, records)),
            (&FIREHOSE_CPU, per_message(self.firehose, records)),
            (&OTHERS_BUSY, percent(self.others, elapsed)),
        ]
    }
}
