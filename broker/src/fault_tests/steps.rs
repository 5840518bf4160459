//! What happens in a case.

use proptest::prelude::*;

pub(super) use crate::random_cases::{Sent, version};
use crate::store::failing::Writes;

pub(super) const CLIENTS: usize = 4;
pub(super) const TOPICS: [&str; 4] = ["a", "a/b", "b", "c"];
pub(super) const FILTERS: [&str; 5] = ["a/#", "a/b", "+", "#", "c"];

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) steps: Vec<Step>,
}

/// What happens next; nobody waits for an answer.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A client connects, in place of its connection before.
    Connect {
        client: usize,
        clean: bool,
        /// Whether the session outlives the connection; below MQTT 5 that is `!clean`.
        lasts: bool,
        will: Option<Will>,
    },
    Subscribe {
        client: usize,
        filter: usize,
        qos: u8,
    },
    Unsubscribe {
        client: usize,
        filter: usize,
    },
    /// Messages that are written at once.
    Publish {
        client: usize,
        messages: Vec<Sent>,
    },
    /// Answers nothing that it gets until it speaks again.
    Hush {
        client: usize,
    },
    Speak {
        client: usize,
    },
    /// Leaves with DISCONNECT, at MQTT 5 for good if it says so.
    Leave {
        client: usize,
        ends: bool,
    },
    /// Is gone without a word.
    Vanish {
        client: usize,
    },
    /// The wills that wait become due.
    Due,
    /// The broker's tasks have so many turns.
    Turns(usize),
    /// All that was said is on disk and answered, if writes succeed.
    Rest,
    Writes(Writes),
}

/// The will that comes with a CONNECT.
#[derive(Clone, Copy, Debug)]
pub(super) struct Will {
    pub(super) topic: usize,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// At MQTT 5.
    pub(super) is_delayed: bool,
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let begin: Vec<_> = (0..CLIENTS).map(begin).collect();
    let last = prop::sample::select(vec![Writes::Fail, Writes::FailLate]);
    let (before, behind) = (
        prop::collection::vec(step(), 1..40),
        prop::collection::vec(step(), 0..8),
    );
    (begin, before, last, behind).prop_map(|(begin, before, last, behind)| Case {
        steps: begin
            .into_iter()
            .flatten()
            .chain(before)
            .chain([Step::Writes(last)])
            .chain(behind)
            .collect(),
    })
}

/// Most clients are connected from the beginning, and have a subscription.
fn begin(client: usize) -> impl Strategy<Value = Vec<Step>> {
    (connection(client), 0..FILTERS.len(), 1..=2_u8).prop_map(move |(connect, filter, qos)| {
        let subscribe = Step::Subscribe {
            client,
            filter,
            qos,
        };
        vec![connect, subscribe]
    })
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        3 => client.clone().prop_flat_map(connection),
        2 => (client.clone(), 0..FILTERS.len(), 1..=2_u8)
            .prop_map(|(client, filter, qos)| Step::Subscribe { client, filter, qos }),
        1 => (client.clone(), 0..FILTERS.len())
            .prop_map(|(client, filter)| Step::Unsubscribe { client, filter }),
        10 => (client.clone(), prop::collection::vec(sent(), 1..4))
            .prop_map(|(client, messages)| Step::Publish { client, messages }),
        1 => client.clone().prop_map(|client| Step::Hush { client }),
        2 => client.clone().prop_map(|client| Step::Speak { client }),
        1 => (client.clone(), any::<bool>()).prop_map(|(client, ends)| Step::Leave { client, ends }),
        1 => client.prop_map(|client| Step::Vanish { client }),
        1 => Just(Step::Due),
        4 => (1..12_usize).prop_map(Step::Turns),
        3 => Just(Step::Rest),
        5 => writes().prop_map(Step::Writes),
    ]
}

fn writes() -> impl Strategy<Value = Writes> {
    prop_oneof![
        2 => Just(Writes::Succeed),
        3 => (0..4_usize).prop_map(Writes::Wait),
    ]
}

fn connection(client: usize) -> impl Strategy<Value = Step> {
    (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.8),
        prop::option::weighted(0.4, will()),
    )
        .prop_map(move |(clean, lasts, will)| Step::Connect {
            client,
            clean,
            lasts,
            will,
        })
}

prop_compose! {
    fn will()(
        topic in 0..TOPICS.len(),
        qos in 0..=2_u8,
        retain in prop::bool::weighted(0.2),
        is_delayed in any::<bool>(),
    ) -> Will {
        Will { topic, qos, retain, is_delayed }
    }
}

prop_compose! {
    fn sent()(
        topic in 0..TOPICS.len(),
        qos in 0..=2_u8,
        retain in prop::bool::weighted(0.3),
        is_empty in prop::bool::weighted(0.1),
    ) -> Sent {
        Sent { topic, qos, retain, is_empty }
    }
}
