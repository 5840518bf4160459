//! A subscriber that is away: what it costs to keep its messages, and to hand them over.

use std::io;

use super::{Cpu, DUPLICATES, Effort, LATE, MISSING, Sample, Work, figures, per_message, run_load};
use crate::{
    brokers::{Broker, Keeps},
    client::{leave_session, resume_session},
    load::{Amount, Publishers, Traffic},
    session::drain,
    table::Metric,
};

pub(super) const WORK: Work = Work::new(
    "offline",
    "QoS 1, 4 publishers (window 100), 64 B, into the session of a subscriber that is away; then \
     it comes back for all of it. The gateway syncs every message before its acknowledgement, \
     mosquitto writes its queues when it ends and every 30 min and never syncs, rumqttd has \
     its log in memory",
    run,
);

const PUBLISHERS: Publishers = Publishers {
    count: 4,
    qos: 1,
    payload: 64,
    window: 100,
    topic: "bench/offline",
    one_topic: false,
};

const SUBSCRIBER: &str = "away";

static DRAIN_RATE: Metric = Metric::compared("drained msg/s", 0);
static DRAIN_CPU: Metric = Metric::median("drain µs/msg", 2);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut running = broker.start(&effort.directory, Keeps::Everything)?;
    leave_session(running.address(), SUBSCRIBER, "bench/offline/+", 1)
        .map_err(|error| running.explain(error))?;
    let traffic = Traffic {
        amount: Amount::For(effort.time),
        lead: None,
        fresh_topics: false,
    };
    let (outcome, costs) = run_load(&mut running, PUBLISHERS, &[], traffic)?;

    let before = Cpu::read(&running)?;
    let drained = resume_session(running.address(), SUBSCRIBER)
        .and_then(|stream| drain(stream, &outcome.sent_by))
        .map_err(|error| running.explain(error))?;
    let cpu = Cpu::read(&running)?.since(before);

    let mut sample = figures(outcome.sent, outcome.elapsed, &costs);
    sample.extend([
        (
            &DRAIN_RATE,
            drained.received as f64 / drained.elapsed.as_secs_f64(),
        ),
        (&DRAIN_CPU, per_message(cpu.broker, drained.received)),
        (&MISSING, drained.missing as f64),
        (&DUPLICATES, drained.duplicates as f64),
        (&LATE, drained.late as f64),
    ]);
    Ok(sample)
}
