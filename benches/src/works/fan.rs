//! From few to one and from one to many, in memory.

use std::io;

use super::{DUPLICATES, Effort, LATE, MISSING, STALLS, Sample, Work, figures, run_load_over};
use crate::{
    brokers::{Broker, Keeps, Running},
    endpoint::Endpoint,
    load::{Amount, Publishers, Subscription, Traffic},
};

pub(super) const FANIN: Work = Work::new(
    "fanin",
    "QoS 1, 2 publishers (window 100) -> 1 subscriber, 64 B; rate of messages received",
    |broker, effort| {
        run(
            broker,
            effort,
            &Fan {
                publishers: 2,
                qos: 1,
                subscribers: 1,
                lead: None,
            },
        )
    },
);

pub(super) const FANOUT: Work = Work::new(
    "fanout",
    "QoS 0, 1 publisher -> 50 subscribers, 64 B, at most 1000 messages ahead of the slowest; \
     rate of deliveries",
    |broker, effort| {
        run(
            broker,
            effort,
            &Fan {
                publishers: 1,
                qos: 0,
                subscribers: 50,
                lead: LEAD,
            },
        )
    },
);

pub(super) const FANIN0: Work = Work::new(
    "fanin0",
    "QoS 0, 2 publishers -> 1 subscriber, 64 B, each at most 1000 messages ahead; \
     rate of messages received",
    |broker, effort| {
        run(
            broker,
            effort,
            &Fan {
                publishers: 2,
                qos: 0,
                subscribers: 1,
                lead: LEAD,
            },
        )
    },
);

/// Enough to keep a broker busy, few enough for one that bounds its queues to lose nothing.
const LEAD: Option<u64> = Some(1000);

pub(super) struct Fan {
    pub(super) publishers: u16,
    pub(super) qos: u8,
    pub(super) subscribers: usize,
    pub(super) lead: Option<u64>,
}

fn run(broker: &Broker, effort: &Effort, fan: &Fan) -> io::Result<Sample> {
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let endpoint = Endpoint::plain(running.address());
    run_over(&mut running, &endpoint, effort, fan)
}

pub(super) fn run_over(
    running: &mut Running,
    endpoint: &Endpoint,
    effort: &Effort,
    fan: &Fan,
) -> io::Result<Sample> {
    let publishers = Publishers {
        count: fan.publishers,
        qos: fan.qos,
        payload: 64,
        window: 100,
        topic: "bench/fan",
        one_topic: false,
    };
    let subscription = Subscription {
        filter: "bench/fan/+",
        qos: fan.qos,
        pace: None,
        paired: false,
    };
    let subscriptions = vec![subscription; fan.subscribers];
    let traffic = Traffic {
        amount: Amount::For(effort.time),
        lead: fan.lead,
        fresh_topics: false,
    };
    let (outcome, costs) = run_load_over(running, endpoint, publishers, &subscriptions, traffic)?;

    let mut sample = figures(outcome.deliveries(), outcome.elapsed, &costs);
    sample.push((&MISSING, outcome.missing() as f64));
    sample.push((&DUPLICATES, outcome.duplicates() as f64));
    sample.push((&LATE, outcome.late() as f64));
    if fan.lead.is_some() {
        sample.push((&STALLS, outcome.stalls as f64));
    }
    Ok(sample)
}
