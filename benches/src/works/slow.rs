//! A flood with one subscriber that cannot keep up and one that can.

use std::{io, time::Duration};

use super::{
    Costs, DUPLICATES, Effort, LATE, OTHERS_BUSY, PEAK, Sample, Work, megabytes, percent, run_load,
};
use crate::{
    brokers::{Broker, Keeps},
    load::{Amount, Outcome, Pace, Publishers, Received, Subscription, Traffic},
    table::Metric,
};

pub(super) const WORK: Work = Work::new(
    "slow",
    "QoS 1, 50 publishers (window 20) flood 200 000 messages of 256 B; \
     subscriber A takes 2000/s for 5 s, then all; B takes all (--quick: 50 000, 2 s)",
    run,
);

const PUBLISHERS: Publishers = Publishers {
    count: 50,
    qos: 1,
    payload: 256,
    window: 20,
    topic: "bench/slow",
    one_topic: false,
};

static RATE_OF_B: Metric = Metric::compared("B msg/s", 0);
static RATE_OF_B_ALONE: Metric = Metric::median("B msg/s without A", 0);
static SHARE_LEFT: Metric = Metric::median("with / without A", 2);
static ACKNOWLEDGED: Metric = Metric::median("acked msg/s", 0);
static MISSING_OF_B_ALONE: Metric = Metric::sum("missing B without A");
static MISSING_OF_A: Metric = Metric::sum("missing A");
static MISSING_OF_B: Metric = Metric::sum("missing B");
static SECONDS_OF_A: Metric = Metric::median("A done s", 1);
static PEAK_ALONE: Metric = Metric::max("peak MB without A", 1);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let (messages, until) = if effort.quick {
        (50_000, Duration::from_secs(2))
    } else {
        (200_000, Duration::from_secs(5))
    };
    let b = Subscription {
        filter: "bench/slow/#",
        qos: 1,
        pace: None,
        paired: false,
    };
    let a = Subscription {
        pace: Some(Pace {
            per_second: 2000,
            until,
        }),
        ..b
    };
    let (alone, costs_alone) = flood(broker, effort, &[b], messages)?;
    let (both, costs) = flood(broker, effort, &[b, a], messages)?;
    let ([without], [with, slow]) = (&alone.received[..], &both.received[..]) else {
        return Err(io::Error::other(
            "a load has other subscribers than it was given",
        ));
    };
    Ok(vec![
        (&RATE_OF_B, rate(with)),
        (&RATE_OF_B_ALONE, rate(without)),
        (&SHARE_LEFT, rate(with) / rate(without)),
        (
            &ACKNOWLEDGED,
            both.sent as f64 / both.acknowledged.as_secs_f64(),
        ),
        (&MISSING_OF_A, slow.missing as f64),
        (&MISSING_OF_B, with.missing as f64),
        (&MISSING_OF_B_ALONE, without.missing as f64),
        (&DUPLICATES, both.duplicates() as f64),
        (&LATE, both.late() as f64),
        (&SECONDS_OF_A, slow.elapsed.as_secs_f64()),
        (&PEAK_ALONE, megabytes(costs_alone.memory.peak)),
        (&PEAK, megabytes(costs.memory.peak)),
        (&OTHERS_BUSY, percent(costs.cpu.others, costs.elapsed)),
    ])
}

fn flood(
    broker: &Broker,
    effort: &Effort,
    subscriptions: &[Subscription],
    messages: u64,
) -> io::Result<(Outcome, Costs)> {
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let traffic = Traffic {
        amount: Amount::Messages(messages),
        lead: None,
        fresh_topics: false,
    };
    run_load(&mut running, PUBLISHERS, subscriptions, traffic)
}

fn rate(received: &Received) -> f64 {
    received.unique as f64 / received.elapsed.as_secs_f64()
}
