//! TLS with certificates on both sides: what it takes to come in, to stay and to publish.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use super::{
    BUSY, Cpu, Effort, LOAD_BUSY, OTHERS_BUSY, Sample, Work,
    fan::{self, Fan},
    idle::Occupancy,
    per_message, percent,
};
use crate::{
    brokers::Broker,
    client::{connect_to, visit},
    endpoint::Endpoint,
    table::Metric,
};

const AMONG: &[&str] = &["mosquitto", "perennial"];

pub(super) const CONNECTS: Work = connects(
    "tls-connects",
    "32 clients that connect with TLS 1.3 and a certificate, get their CONNACK and leave, again and \
     again; no sessions are resumed",
    |broker, effort| run_connects(broker, effort, &TLS13, false),
);

pub(super) const CONNECTS12: Work = connects(
    "tls-connects12",
    "the same with TLS 1.2",
    |broker, effort| run_connects(broker, effort, &TLS12, false),
);

pub(super) const RESUMES: Work = connects(
    "tls-resumes",
    "32 clients that connect with TLS 1.3, get their CONNACK and leave, and resume their sessions",
    |broker, effort| run_connects(broker, effort, &TLS13, true),
);

pub(super) const RESUMES12: Work = connects(
    "tls-resumes12",
    "the same with TLS 1.2",
    |broker, effort| run_connects(broker, effort, &TLS12, true),
);

pub(super) const IDLE: Work = Work {
    rounds: 3,
    among: AMONG,
    baselines: &["mosquitto"],
    ..Work::new(
        "tls-idle",
        "4000 connections with TLS 1.3 and a certificate that are silent, each subscribed to a topic \
         of its own: resident memory per connection, without what the system keeps for the socket \
         (--quick: 400)",
        run_idle,
    )
};

pub(super) const QOS1: Work = Work {
    among: AMONG,
    baselines: &["mosquitto"],
    ..Work::new(
        "tls-qos1",
        "QoS 1, 2 publishers (window 100) -> 1 subscriber, 64 B, TLS 1.3 with certificates; rate of \
         messages received",
        run_qos1,
    )
};

/// Enough that a broker never waits for a client.
const VISITORS: usize = 32;

static CONNECTS_RATE: Metric = Metric::compared("connects/s", 0);
static CONNECT_CPU: Metric = Metric::compared("cpu µs/connect", 0);
static RESUMED: Metric = Metric::median("resumed %", 0);

const fn connects(
    name: &'static str,
    summary: &'static str,
    run: fn(&Broker, &Effort) -> io::Result<Sample>,
) -> Work {
    Work {
        among: AMONG,
        baselines: &["mosquitto"],
        ..Work::new(name, summary, run)
    }
}

fn run_connects(
    broker: &Broker,
    effort: &Effort,
    version: &'static SupportedProtocolVersion,
    resumes: bool,
) -> io::Result<Sample> {
    let mut secured = broker.start_secured(&effort.directory)?;
    let endpoints = (0..VISITORS)
        .map(|_| secured.endpoint(version, resumes))
        .collect::<io::Result<Vec<_>>>()?;
    let before = Cpu::read(&secured.running)?;
    let start = Instant::now();
    let resumed = AtomicU64::new(0);
    let visits = thread::scope(|scope| {
        let visitors: Vec<_> = endpoints
            .iter()
            .enumerate()
            .map(|(index, endpoint)| {
                let resumed = &resumed;
                scope.spawn(move || come_and_go(endpoint, index, start, effort, resumed))
            })
            .collect();
        visitors
            .into_iter()
            .map(|visitor| {
                let panicked = |_| Err(io::Error::other("a visitor panicked"));
                visitor.join().unwrap_or_else(panicked)
            })
            .sum::<io::Result<u64>>()
    });
    let visits = visits.map_err(|error| secured.running.explain(error))?;
    let elapsed = start.elapsed();
    let cpu = Cpu::read(&secured.running)?.since(before);
    let resumed = resumed.load(Ordering::Relaxed) as f64;
    Ok(vec![
        (&CONNECTS_RATE, visits as f64 / elapsed.as_secs_f64()),
        (&CONNECT_CPU, per_message(cpu.broker, visits)),
        (&BUSY, percent(cpu.broker, elapsed)),
        (&LOAD_BUSY, percent(cpu.load, elapsed)),
        (&OTHERS_BUSY, percent(cpu.others, elapsed)),
        (&RESUMED, resumed / visits as f64 * 100.0),
    ])
}

/// Connects and leaves until the time is over; how often.
fn come_and_go(
    endpoint: &Endpoint,
    index: usize,
    start: Instant,
    effort: &Effort,
    resumed: &AtomicU64,
) -> io::Result<u64> {
    let mut visits = 0;
    while start.elapsed() < effort.time {
        let stream = visit(endpoint, &format!("visitor-{index}-{visits}"))?;
        visits += 1;
        resumed.fetch_add(u64::from(stream.is_resumed()), Ordering::Relaxed);
    }
    Ok(visits)
}

fn run_idle(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut secured = broker.start_secured(&effort.directory)?;
    let endpoint = secured.endpoint(&TLS13, false)?;
    let occupancy = Occupancy::begin(&secured.running, effort)?;
    let connections = occupancy
        .connect(|client_id, subscription| connect_to(&endpoint, client_id, subscription))
        .map_err(|error| secured.running.explain(error))?;
    occupancy.measure(&secured.running, &connections)
}

fn run_qos1(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut secured = broker.start_secured(&effort.directory)?;
    let endpoint = secured.endpoint(&TLS13, false)?;
    let fan = Fan {
        publishers: 2,
        qos: 1,
        subscribers: 1,
        lead: None,
    };
    fan::run_over(&mut secured.running, &endpoint, effort, &fan)
}
