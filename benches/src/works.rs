//! The works that brokers and uplinks are given, and what is measured of each.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    brokers::{Broker, Running, Setup},
    endpoint::Endpoint,
    load::{Load, Outcome, Publishers, Subscription, Traffic},
    process::{self, Memory},
    table::{Metric, Sample},
};

mod burst;
mod contention;
mod fan;
mod idle;
mod ingest;
mod offline;
mod paced;
mod restart;
mod secure;
mod slow;
mod topics;
mod uplink;

/// One kind of work.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// What is done, in one line.
    pub(crate) summary: &'static str,
    /// The most rounds that are worth their time.
    pub(crate) rounds: usize,
    /// Those who are given it.
    pub(crate) among: &'static [&'static str],
    /// The gateway does it with each of these setups; if there are none, as it is.
    pub(crate) setups: &'static [Setup],
    /// The rows to which the others are compared.
    pub(crate) baselines: &'static [&'static str],
    /// One round with a broker of its own.
    pub(crate) run: fn(&Broker, &Effort) -> io::Result<Sample>,
    /// One round without any broker, measured beside the others.
    pub(crate) reference: Option<Reference>,
}

/// What the machine does without a broker.
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Effort) -> io::Result<Sample>,
}

impl Work {
    const fn new(
        name: &'static str,
        summary: &'static str,
        run: fn(&Broker, &Effort) -> io::Result<Sample>,
    ) -> Self {
        Self {
            name,
            summary,
            rounds: usize::MAX,
            among: BROKERS,
            setups: &[],
            baselines: PEERS,
            run,
            reference: None,
        }
    }
}

const PEERS: &[&str] = &["mosquitto", "rumqttd"];
const BROKERS: &[&str] = &["mosquitto", "rumqttd", "perennial"];

/// All works, in the order in which they are run.
pub(crate) const WORKS: &[Work] = &[
    ingest::WORK,
    ingest::POLICIES,
    ingest::POLICIES_FRESH,
    fan::FANIN,
    fan::FANOUT,
    fan::FANIN0,
    contention::PAIRS,
    contention::CROWD,
    slow::WORK,
    offline::WORK,
    paced::WORK,
    idle::WORK,
    idle::IDLE4K,
    burst::WORK,
    restart::WORK,
    topics::WORK,
    secure::CONNECTS,
    secure::CONNECTS12,
    secure::RESUMES,
    secure::RESUMES12,
    secure::IDLE,
    secure::QOS1,
    uplink::UPLINK,
    uplink::LATENCY,
    uplink::PARTIAL,
    uplink::AWAY,
    uplink::KILLED,
    uplink::ALL_KILLED,
];

/// How much is done in one round.
pub(crate) struct Effort {
    /// For works that last for a time.
    pub(crate) time: Duration,
    /// True if works that last for a number of messages do a small part of it.
    pub(crate) quick: bool,
    /// Where the brokers' data directories are made.
    pub(crate) directory: PathBuf,
}

static RATE: Metric = Metric::compared("rate msg/s", 0);
static CPU: Metric = Metric::compared("cpu µs/msg", 2);
static BUSY: Metric = Metric::median("broker %", 0);
static LOAD_CPU: Metric = Metric::median("load µs/msg", 2);
static LOAD_BUSY: Metric = Metric::median("load %", 0);
/// Rates are not to be trusted where this is more than a little.
static OTHERS_BUSY: Metric = Metric::median("others %", 0);
static MESSAGES: Metric = Metric::sum("messages");
static MISSING: Metric = Metric::sum("missing");
static DUPLICATES: Metric = Metric::sum("twice");
static LATE: Metric = Metric::sum("misordered");
/// How often nothing came for a while, so that publishers went on without their subscriber.
static STALLS: Metric = Metric::sum("stalls");
static RESIDENT: Metric = Metric::median("RSS MB", 1);
static PEAK: Metric = Metric::max("peak MB", 1);

/// CPU time of the broker, of this process and of the rest of the machine.
#[derive(Clone, Copy)]
struct Cpu {
    broker: Duration,
    load: Duration,
    others: Duration,
}

impl Cpu {
    fn read(running: &Running) -> io::Result<Self> {
        let (broker, load) = (running.cpu()?, process::cpu("self")?);
        Ok(Self {
            broker,
            load,
            others: process::machine_cpu()?.saturating_sub(broker + load),
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            broker: self.broker - before.broker,
            load: self.load - before.load,
            others: self.others.saturating_sub(before.others),
        }
    }
}

/// What one run of a load took.
struct Costs {
    /// With the wait for what never came.
    elapsed: Duration,
    cpu: Cpu,
    memory: Memory,
}

/// Runs `traffic` once over new connections to `running`.
fn run_load(
    running: &mut Running,
    publishers: Publishers,
    subscriptions: &[Subscription],
    traffic: Traffic,
) -> io::Result<(Outcome, Costs)> {
    let endpoint = Endpoint::plain(running.address());
    run_load_over(running, &endpoint, publishers, subscriptions, traffic)
}

/// As [`run_load`], in the way that `endpoint` is reached.
fn run_load_over(
    running: &mut Running,
    endpoint: &Endpoint,
    publishers: Publishers,
    subscriptions: &[Subscription],
    traffic: Traffic,
) -> io::Result<(Outcome, Costs)> {
    let mut load = Load::connect_to(endpoint, publishers, subscriptions)
        .map_err(|error| running.explain(error))?;
    run_connected(running, &mut load, traffic)
}

/// Runs `traffic` once more over the connections of `load`.
fn run_connected(
    running: &mut Running,
    load: &mut Load,
    traffic: Traffic,
) -> io::Result<(Outcome, Costs)> {
    let before = Cpu::read(running)?;
    let start = Instant::now();
    let outcome = load.run(traffic).map_err(|error| running.explain(error))?;
    let cpu = Cpu::read(running)?.since(before);
    Ok((
        outcome,
        Costs {
            elapsed: start.elapsed(),
            cpu,
            memory: running.memory()?,
        },
    ))
}

/// The figures that most works have, for `messages` in `elapsed`.
fn figures(messages: u64, elapsed: Duration, costs: &Costs) -> Sample {
    vec![
        (&RATE, messages as f64 / elapsed.as_secs_f64()),
        (&CPU, per_message(costs.cpu.broker, messages)),
        (&BUSY, percent(costs.cpu.broker, elapsed)),
        (&LOAD_CPU, per_message(costs.cpu.load, messages)),
        (&LOAD_BUSY, percent(costs.cpu.load, elapsed)),
        (&OTHERS_BUSY, percent(costs.cpu.others, costs.elapsed)),
        (&RESIDENT, megabytes(costs.memory.resident)),
        (&PEAK, megabytes(costs.memory.peak)),
        (&MESSAGES, messages as f64),
    ]
}

/// Microseconds.
fn per_message(time: Duration, messages: u64) -> f64 {
    time.as_secs_f64() * 1e6 / messages as f64
}

fn percent(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64() * 100.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
