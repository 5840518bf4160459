//! What was promised to clients, and whether a folder keeps it.

use super::{
    client::name,
    contents::Contents,
    ledger::{Ledger, Message, Party, Retained},
    steps::TOPICS,
};
use crate::window::identifier;

/// What somebody was told, unless it was taken back since.
#[derive(Debug)]
pub(super) enum Promise {
    /// CONNACK: the will is published, or will be.
    Will {
        client: usize,
        attempt: usize,
        will: Message,
        is_delayed: bool,
    },
    /// CONNACK without a session: none is left.
    NoSession { client: usize, attempt: usize },
    /// PUBACK or PUBREC: a subscriber will get the message.
    Queued {
        client: usize,
        age: usize,
        payload: String,
    },
    /// PUBACK or PUBREC: so will the upstream.
    Taken { payload: String },
    /// PUBREC: the message is not taken once more.
    Received { client: usize, age: usize, id: u16 },
    /// PUBCOMP: the packet identifier is free.
    Forgotten { client: usize, age: usize, id: u16 },
    /// PUBREL: the subscriber is not sent the message once more.
    Released { client: usize, age: usize, id: u16 },
}

impl Ledger {
    /// What `contents` lacks, or has too much.
    pub(super) fn broken(&self, contents: &Contents) -> Vec<String> {
        let mut broken = self.wrong.clone();
        let promises = self.promises.iter();
        let promises = promises.filter(|promise| !self.is_kept(promise, contents));
        broken.extend(promises.map(|promise| format!("{promise:?}")));
        for (client, party) in self.parties.iter().enumerate() {
            check_session(client, party, contents, &mut broken);
        }
        for topic in TOPICS {
            let found = contents.retained.get(topic).map_or("", String::as_str);
            if !self.may_be_retained(topic, found) {
                broken.push(format!("{found:?} is retained on {topic}"));
            }
        }
        broken
    }

    fn is_kept(&self, promise: &Promise, contents: &Contents) -> bool {
        match promise {
            Promise::Will {
                client,
                attempt,
                will,
                is_delayed,
            } => {
                let party = &self.parties[*client];
                let is_discarded =
                    party.left.contains(attempt) || *is_delayed && party.attempts > *attempt;
                let is_published = || {
                    let mut owed = self.owed(will).filter(|_| will.qos > 0);
                    contents.taken.contains(&will.payload)
                        && owed.all(|(client, _)| self.has(client, &will.payload, contents))
                };
                let waits = contents.wills.get(&name(*client)) == Some(&will.payload);
                is_discarded || waits || is_published()
            }
            Promise::NoSession { client, attempt } => {
                let has = |other: &String| *other == name(*client);
                self.parties[*client].attempts > *attempt
                    || !(contents.sessions.iter().any(has)
                        || contents.subscriptions.iter().any(|(client, _)| has(client))
                        || contents.received.iter().any(|(client, _)| has(client))
                        || contents.released.iter().any(|(client, _)| has(client)))
            }
            Promise::Queued {
                client,
                age,
                payload,
            } => self.is_over(*client, *age) || self.has(*client, payload, contents),
            Promise::Taken { payload } => contents.taken.contains(payload),
            Promise::Received { client, age, id } => {
                self.is_over(*client, *age)
                    || self.parties[*client].released.contains(id)
                    || contents.received.contains(&(name(*client), *id))
            }
            Promise::Forgotten { client, age, id } => {
                self.is_over(*client, *age) || !contents.received.contains(&(name(*client), *id))
            }
            Promise::Released { client, age, id } => {
                let mut released = contents.released.iter();
                self.is_over(*client, *age)
                    || self.parties[*client].completed.contains(&(*age, *id))
                    || released.any(|(other, at)| *other == name(*client) && identifier(*at) == *id)
            }
        }
    }

    fn is_over(&self, client: usize, age: usize) -> bool {
        self.parties[client].age > age
    }

    /// Whether a client has a message or will get it.
    fn has(&self, client: usize, payload: &String, contents: &Contents) -> bool {
        self.parties[client].took.contains(payload)
            || contents.queued[&name(client)].contains(payload)
    }

    /// Whether the message with the payload `found`, or none where that is empty, may be the last
    /// one that was to be retained on `topic`.
    fn may_be_retained(&self, topic: &str, found: &str) -> bool {
        let retained = self.retained.iter();
        let retained: Vec<_> = retained.filter(|it| it.message.topic == topic).collect();
        let is_replaced = |earlier: &Retained| {
            let confirmed = earlier.confirmed.filter(|_| !earlier.is_repeated);
            confirmed.is_some_and(|then| {
                let mut later = retained.iter().filter(|it| it.message.sent > then);
                later.any(|later| later.confirmed.is_some())
            })
        };
        let nothing_was_confirmed = retained.iter().all(|it| it.confirmed.is_none());
        found.is_empty() && nothing_was_confirmed
            || retained
                .iter()
                .any(|it| it.message.payload == found && !is_replaced(it))
    }
}

fn check_session(client: usize, party: &Party, contents: &Contents, broken: &mut Vec<String>) {
    let name = name(client);
    if party.session.is_some() && !contents.sessions.contains(&name) {
        broken.push(format!("{name} has no session"));
    }
    for (filter, asked) in &party.filters {
        let is_there = contents
            .subscriptions
            .contains(&(name.clone(), (*filter).to_owned()));
        if asked.suback > asked.unsubscribed && !is_there {
            broken.push(format!("{name} is not subscribed to {filter}"));
        }
        if asked.unsuback > asked.subscribed && is_there {
            broken.push(format!("{name} is still subscribed to {filter}"));
        }
    }
}
