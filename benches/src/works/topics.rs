//! Every message on a topic that was never used before: what a broker remembers of topics.

use std::io;

use super::{
    CPU, Effort, LATE, MISSING, OTHERS_BUSY, RATE, STALLS, Sample, Work, megabytes, per_message,
    percent, run_connected,
};
use crate::{
    brokers::{Broker, Keeps},
    load::{Amount, Load, Publishers, Subscription, Traffic},
    table::Metric,
};

pub(super) const WORK: Work = Work {
    rounds: 1,
    ..Work::new(
        "topics",
        "QoS 1, 10 publishers -> a rule (gateway) and a # subscriber, 64 B: 1 000 000 messages on 10 topics, \
         then as many on a new topic each (--quick: a tenth of both); the memory after each",
        run,
    )
};

const PUBLISHERS: Publishers = Publishers {
    count: 10,
    qos: 1,
    payload: 64,
    window: 50,
    topic: "bench/ingest",
    one_topic: false,
};

/// No backlog, so that what grows is not a queue.
const LEAD: Option<u64> = Some(50);

static WARM: Metric = Metric::median("RSS MB warm", 1);
static AFTER: Metric = Metric::median("RSS MB after", 1);
static GROWTH: Metric = Metric::median("growth MB", 1);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let part = if effort.quick { 10 } else { 1 };
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let subscription = Subscription {
        filter: "#",
        qos: 1,
        pace: None,
        paired: false,
    };
    let mut load = Load::connect(running.address(), PUBLISHERS, &[subscription])
        .map_err(|error| running.explain(error))?;
    let few = Traffic {
        amount: Amount::Messages(1_000_000 / part),
        lead: LEAD,
        fresh_topics: false,
    };
    let (warm_up, _) = run_connected(&mut running, &mut load, few)?;
    running.settle()?;
    let warm = running.memory()?.resident;

    let many = Traffic {
        amount: Amount::Messages(1_000_000 / part),
        lead: LEAD,
        fresh_topics: true,
    };
    let (outcome, costs) = run_connected(&mut running, &mut load, many)?;
    running.settle()?;
    let after = running.memory()?.resident;
    Ok(vec![
        (&GROWTH, megabytes(after) - megabytes(warm)),
        (&WARM, megabytes(warm)),
        (&AFTER, megabytes(after)),
        (&RATE, outcome.sent as f64 / outcome.elapsed.as_secs_f64()),
        (&CPU, per_message(costs.cpu.broker, outcome.sent)),
        (&OTHERS_BUSY, percent(costs.cpu.others, costs.elapsed)),
        (&MISSING, (warm_up.missing() + outcome.missing()) as f64),
        (&LATE, (warm_up.late() + outcome.late()) as f64),
        (&STALLS, (warm_up.stalls + outcome.stalls) as f64),
    ])
}
