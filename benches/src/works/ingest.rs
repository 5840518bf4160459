//! Many publishers, nobody who reads: what it costs to take a message and acknowledge it.

use std::io;

use super::{Effort, MISSING, Sample, Work, figures, per_message, run_load};
use crate::{
    brokers::{Broker, Keeps, Setup},
    load::{Amount, Publishers, Traffic},
    table::Metric,
    upstream,
};

pub(super) const WORK: Work = Work::new(
    "ingest",
    "QoS 1, 50 publishers, 256 B, window 20, no subscriber; \
     at the gateway every message matches a rule and is synced before its acknowledgement",
    |broker, effort| run(broker, effort, false),
);

/// What it costs to decide by policies.
pub(super) const POLICIES: Work = Work {
    among: &["perennial"],
    setups: SETUPS,
    baselines: BASELINES,
    ..Work::new(
        "policies",
        "the same at the gateway, with a policy of four statements for each publisher and without",
        |broker, effort| run(broker, effort, false),
    )
};

/// The same where nothing can be remembered.
pub(super) const POLICIES_FRESH: Work = Work {
    among: &["perennial"],
    setups: SETUPS,
    baselines: BASELINES,
    ..Work::new(
        "policies-fresh",
        "the same with each message on a topic of its own, so that nothing is remembered",
        |broker, effort| run(broker, effort, true),
    )
};

const SETUPS: &[Setup] = &[Setup::Default, Setup::Policies];
const BASELINES: &[&str] = &["perennial"];

const PUBLISHERS: Publishers = Publishers {
    count: 50,
    qos: 1,
    payload: 256,
    window: 20,
    topic: "bench/ingest",
    one_topic: false,
};

/// With the work that goes on after the last acknowledgement: the delivery to the upstream.
static CPU_IN_ALL: Metric = Metric::median("cpu in all", 2);

fn run(broker: &Broker, effort: &Effort, fresh_topics: bool) -> io::Result<Sample> {
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let idle = running.cpu()?;
    let traffic = Traffic {
        amount: Amount::For(effort.time),
        lead: None,
        fresh_topics,
    };
    let (outcome, costs) = run_load(&mut running, PUBLISHERS, &[], traffic)?;
    running.settle()?;
    let in_all = running.cpu()? - idle;

    let mut sample = figures(outcome.sent, outcome.elapsed, &costs);
    sample.insert(2, (&CPU_IN_ALL, per_message(in_all, outcome.sent)));
    if let Broker::Gateway(..) = broker {
        let missing = upstream::missing(&running.data(), &outcome.sent_by)?;
        sample.push((&MISSING, missing as f64));
    }
    Ok(sample)
}
