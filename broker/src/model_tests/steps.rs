//! What clients do in a case.

use proptest::prelude::*;

pub(super) use crate::random_cases::{Sent, version};

pub(super) const CLIENTS: usize = 5;

pub(super) const TOPICS: [&str; 7] = ["a", "a/b", "a/c", "b", "b/c", "b/c/d", "$x/b"];
pub(super) const FILTERS: [&str; 10] = [
    "#", "+", "a/#", "a/b", "+/b", "+/+", "b/+/d", "b", "$x/#", "+/c/#",
];
/// Seconds that a session of MQTT 5 outlives its connection if it does.
pub(super) const EXPIRY: u32 = 100;

#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Whether a subscriber's memory holds few messages.
    pub(super) small_mailboxes: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Takes over if the client is connected.
    Connect {
        client: usize,
        /// Clean session below MQTT 5, clean start there.
        clean: bool,
        /// Whether the session is to outlive the connection; below MQTT 5 `clean` says it.
        lasts: bool,
        /// For MQTT 5; zero is none.
        receive_maximum: u16,
    },
    Subscribe {
        client: usize,
        filters: Vec<Asked>,
    },
    Unsubscribe {
        client: usize,
        filter: usize,
    },
    /// All at once; it is over when all are acknowledged.
    Publish {
        client: usize,
        messages: Vec<Sent>,
    },
    /// Publishes, loses the connection on the way, comes back and goes on.
    Interrupted {
        client: usize,
        topic: usize,
        qos: u8,
        at: Point,
        restart: Option<Restart>,
    },
    /// Reads what is there, whoever publishes it.
    Listen {
        client: usize,
    },
    /// Acknowledges nothing until the next release.
    Hold {
        client: usize,
    },
    /// Acknowledges so many of what is held, from the end or from the beginning.
    Release {
        client: usize,
        most: usize,
        backwards: bool,
    },
    /// Leaves with DISCONNECT; MQTT 5 may change how long the session lasts.
    Leave {
        client: usize,
        lasts: Option<bool>,
    },
    /// Is gone without a word.
    Vanish {
        client: usize,
    },
    Restart(Restart),
    /// Seconds pass.
    Pass(u64),
    Check,
}

/// A subscription that a client asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) filter: usize,
    pub(super) qos: u8,
    /// For MQTT 5, as the three that follow.
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) retain_handling: u8,
}

/// Where a publisher loses its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Point {
    /// PUBLISH is written.
    Written,
    /// The broker may have read it.
    Read,
    /// PUBREC has come; at QoS 1 PUBACK has not.
    Received,
    /// PUBREL is written.
    Released,
}

/// How the broker ends before it begins again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Restart {
    /// It says goodbye to everybody.
    Stop,
    /// Its tasks are dropped where they are; the store writes what it was given.
    Drop,
    /// What the store had written is there and nothing else.
    Kill,
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let begin: Vec<_> = (0..CLIENTS).map(connect).collect();
    let steps = prop::collection::vec(step(), 1..40);
    (any::<bool>(), begin, steps).prop_map(|(small_mailboxes, begin, steps)| Case {
        small_mailboxes,
        steps: begin.into_iter().flatten().chain(steps).collect(),
    })
}

/// Most cases begin with clients that are connected and have a subscription.
fn connect(client: usize) -> impl Strategy<Value = Vec<Step>> {
    (connection(client), asked()).prop_map(move |(connect, asked)| {
        vec![
            connect,
            Step::Subscribe {
                client,
                filters: vec![asked],
            },
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        3 => client.clone().prop_flat_map(connection),
        3 => (client.clone(), prop::collection::vec(asked(), 1..4))
            .prop_map(|(client, mut filters)| {
                // How often one that is named twice brings what is retained is not said.
                filters.sort_by_key(|asked| asked.filter);
                filters.dedup_by_key(|asked| asked.filter);
                Step::Subscribe { client, filters }
            }),
        1 => (client.clone(), 0..FILTERS.len())
            .prop_map(|(client, filter)| Step::Unsubscribe { client, filter }),
        10 => (client.clone(), prop::collection::vec(sent(), 1..6))
            .prop_map(|(client, messages)| Step::Publish { client, messages }),
        2 => (client.clone(), 0..TOPICS.len(), 1..=2_u8, point(), prop::option::weighted(0.3, restart()))
            .prop_map(|(client, topic, qos, at, restart)| {
                Step::Interrupted { client, topic, qos, at, restart }
            }),
        3 => client.clone().prop_map(|client| Step::Listen { client }),
        2 => client.clone().prop_map(|client| Step::Hold { client }),
        3 => (client.clone(), 1..6_usize, any::<bool>())
            .prop_map(|(client, most, backwards)| Step::Release { client, most, backwards }),
        1 => (client.clone(), prop::option::of(any::<bool>()))
            .prop_map(|(client, lasts)| Step::Leave { client, lasts }),
        2 => client.prop_map(|client| Step::Vanish { client }),
        1 => restart().prop_map(Step::Restart),
        1 => prop::sample::select(vec![7, 150]).prop_map(Step::Pass),
        1 => Just(Step::Check),
    ]
}

fn connection(client: usize) -> impl Strategy<Value = Step> {
    let maximum = prop::sample::select(vec![0, 1, 2, 5]);
    (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.7),
        maximum,
    )
        .prop_map(move |(clean, lasts, receive_maximum)| Step::Connect {
            client,
            clean,
            lasts,
            receive_maximum,
        })
}

prop_compose! {
    fn asked()(
        filter in 0..FILTERS.len(),
        qos in 0..=2_u8,
        no_local in prop::bool::weighted(0.2),
        retain_as_published in prop::bool::weighted(0.2),
        retain_handling in 0..=2_u8,
    ) -> Asked {
        Asked { filter, qos, no_local, retain_as_published, retain_handling }
    }
}

prop_compose! {
    fn sent()(
        topic in 0..TOPICS.len(),
        qos in 0..=2_u8,
        retain in prop::bool::weighted(0.2),
        is_empty in prop::bool::weighted(0.05),
    ) -> Sent {
        Sent { topic, qos, retain, is_empty }
    }
}

fn point() -> impl Strategy<Value = Point> {
    prop::sample::select(vec![
        Point::Written,
        Point::Read,
        Point::Received,
        Point::Released,
    ])
}

fn restart() -> impl Strategy<Value = Restart> {
    prop::sample::select(vec![Restart::Stop, Restart::Drop, Restart::Kill])
}
