//! Many who publish and hear at once: what a second thread costs.

use std::io;

use super::{DUPLICATES, Effort, LATE, MISSING, STALLS, Sample, Work, figures, run_load};
use crate::{
    brokers::{Broker, Keeps, Setup},
    load::{Amount, Publishers, Subscription, Traffic},
};

/// All on topics of their own.
pub(super) const PAIRS: Work = Work {
    setups: SETUPS,
    baselines: BASELINES,
    ..Work::new(
        "pairs",
        "contention: QoS 1, 8 publishers (window 100), each with a topic and a subscriber of its own, 64 B, \
         at most 100 messages ahead; rate of deliveries",
        |broker, effort| run(broker, effort, Meeting::InPairs),
    )
};

/// All on one topic.
pub(super) const CROWD: Work = Work {
    setups: SETUPS,
    baselines: BASELINES,
    ..Work::new(
        "crowd",
        "contention: QoS 1, 8 publishers (window 100) -> one topic -> 8 subscribers, 64 B, \
         each at most 100 messages ahead of the slowest; rate of deliveries",
        |broker, effort| run(broker, effort, Meeting::OnOneTopic),
    )
};

const SETUPS: &[Setup] = &[Setup::OneThread, Setup::TwoThreads];
const BASELINES: &[&str] = &["mosquitto", "rumqttd", "perennial 1 thread"];

const COUNT: u16 = 8;

/// So few that the gateway keeps them in memory.
const LEAD: Option<u64> = Some(100);

enum Meeting {
    InPairs,
    OnOneTopic,
}

fn run(broker: &Broker, effort: &Effort, meeting: Meeting) -> io::Result<Sample> {
    // mosquitto would drop some of the crowd's, and its publishers would wait for them.
    let mut running = broker.start(&effort.directory, Keeps::Everything)?;
    let in_pairs = matches!(meeting, Meeting::InPairs);
    let publishers = Publishers {
        count: COUNT,
        qos: 1,
        payload: 64,
        window: 100,
        topic: "bench/contention",
        one_topic: !in_pairs,
    };
    let subscription = Subscription {
        filter: "bench/contention",
        qos: 1,
        pace: None,
        paired: in_pairs,
    };
    let subscriptions = [subscription; COUNT as usize];
    let traffic = Traffic {
        amount: Amount::For(effort.time),
        lead: LEAD,
        fresh_topics: false,
    };
    let (outcome, costs) = run_load(&mut running, publishers, &subscriptions, traffic)?;

    let mut sample = figures(outcome.deliveries(), outcome.elapsed, &costs);
    sample.extend([
        (&MISSING, outcome.missing() as f64),
        (&DUPLICATES, outcome.duplicates() as f64),
        (&LATE, outcome.late() as f64),
        (&STALLS, outcome.stalls as f64),
    ]);
    Ok(sample)
}
