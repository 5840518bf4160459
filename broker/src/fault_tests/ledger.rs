//! What clients did and were told, from which follows what has to be on disk.
//!
//! A session has an age, which ends with every step that may end the session: what was confirmed
//! of it binds nobody from then on.

use std::collections::{BTreeMap, BTreeSet};

use perennial_rules::{TopicFilter, TopicName};

use super::{client::Attempt, promises::Promise, steps::CLIENTS};
use crate::fuzzing::wire::{PUBCOMP, PUBREC};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) parties: [Party; CLIENTS],
    pub(super) promises: Vec<Promise>,
    pub(super) retained: Vec<Retained>,
    /// What awaits PUBACK or PUBREC, by client and packet identifier.
    published: BTreeMap<(usize, u16), Message>,
    /// What a client was told that cannot be.
    pub(super) wrong: Vec<String>,
    now: usize,
}

/// What is known of a client.
#[derive(Debug, Default)]
pub(super) struct Party {
    pub(super) age: usize,
    /// How many times it has sent CONNECT.
    pub(super) attempts: usize,
    lasts: bool,
    /// The first attempt by which it was told that it has a session of this age.
    pub(super) session: Option<usize>,
    /// What it has asked for in a session of this age that outlives the connection, by filter.
    pub(super) filters: BTreeMap<&'static str, Asked>,
    /// Messages that it has acknowledged, be it in vain.
    pub(super) took: BTreeSet<String>,
    /// Its own publishes at QoS 2 that it has released.
    pub(super) released: BTreeSet<u16>,
    /// Messages at QoS 2 that it has completed.
    pub(super) completed: BTreeSet<(usize, u16)>,
    /// The attempts that it has ended with DISCONNECT.
    pub(super) left: BTreeSet<usize>,
}

/// When a filter was asked for last, and up to where that was confirmed.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) subscribed: usize,
    pub(super) unsubscribed: usize,
    pub(super) suback: usize,
    pub(super) unsuback: usize,
    /// Since when there is a subscription without a doubt.
    pub(super) since: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    /// When it was sent first, which tells it from all others.
    pub(super) sent: usize,
    pub(super) topic: &'static str,
    /// Empty where it removes what is retained.
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// A message that may be retained.
#[derive(Debug)]
pub(super) struct Retained {
    pub(super) message: Message,
    /// When it was confirmed first.
    pub(super) confirmed: Option<usize>,
    /// Whether it was sent again, and may have come again after that.
    pub(super) is_repeated: bool,
}

impl Ledger {
    fn tick(&mut self) -> usize {
        self.now += 1;
        self.now
    }

    /// A message that nobody has sent yet.
    pub(super) fn message(&mut self, topic: &'static str, qos: u8, retain: bool) -> Message {
        let sent = self.tick();
        Message {
            sent,
            topic,
            payload: format!("message {sent}"),
            qos,
            retain,
        }
    }

    /// A client sends CONNECT; the number of the attempt and the age of the session.
    pub(super) fn connects(&mut self, client: usize, clean: bool, lasts: bool) -> (usize, usize) {
        let party = &mut self.parties[client];
        if clean || !lasts || !party.lasts {
            party.begin_anew();
        }
        party.lasts = lasts;
        party.attempts += 1;
        (party.attempts, party.age)
    }

    pub(super) fn connack(&mut self, attempt: &Attempt, session_present: bool) {
        let Attempt { client, number, .. } = *attempt;
        if let Some(will) = attempt.will.clone() {
            self.promises.push(Promise::Will {
                client,
                attempt: number,
                will,
                is_delayed: attempt.is_delayed,
            });
        }
        if attempt.clean && !attempt.lasts {
            let attempt = number;
            self.promises.push(Promise::NoSession { client, attempt });
        }
        if let Some(party) = self.of_its_age(attempt) {
            // What comes over two connections may be heard in any order.
            let first = *party.session.get_or_insert(number);
            party.session = Some(first.min(number));
            if first < number && !session_present {
                self.wrong.push(format!("client {client} has no session"));
            }
        }
    }

    /// A client sends DISCONNECT, and ends its session if it `ends`.
    pub(super) fn leaves(&mut self, attempt: &Attempt, ends: bool) {
        let party = &mut self.parties[attempt.client];
        party.left.insert(attempt.number);
        if ends {
            party.begin_anew();
            party.lasts = false;
        }
    }

    /// A client sends SUBSCRIBE; when that was.
    pub(super) fn subscribes(&mut self, attempt: &Attempt, filter: &'static str) -> usize {
        let now = self.tick();
        if let Some(party) = self.of_its_age(attempt) {
            party.filters.entry(filter).or_default().subscribed = now;
        }
        now
    }

    pub(super) fn unsubscribes(&mut self, attempt: &Attempt, filter: &'static str) -> usize {
        let now = self.tick();
        if let Some(party) = self.of_its_age(attempt) {
            let asked = party.filters.entry(filter).or_default();
            asked.unsubscribed = now;
            asked.since = None;
        }
        now
    }

    /// The answer to what was asked at `then`.
    pub(super) fn suback(&mut self, attempt: &Attempt, filter: &'static str, then: usize) {
        let now = self.tick();
        if let Some(party) = self.of_its_age(attempt) {
            let asked = party.filters.entry(filter).or_default();
            asked.suback = asked.suback.max(then);
            if asked.suback > asked.unsubscribed {
                asked.since.get_or_insert(now);
            }
        }
    }

    pub(super) fn unsuback(&mut self, attempt: &Attempt, filter: &'static str, then: usize) {
        if let Some(party) = self.of_its_age(attempt) {
            let asked = party.filters.entry(filter).or_default();
            asked.unsuback = asked.unsuback.max(then);
        }
    }

    /// A client sends PUBLISH, under `id` where it awaits an answer.
    pub(super) fn publishes(&mut self, client: usize, id: u16, message: &Message) {
        self.may_retain(message);
        if message.qos > 0 {
            self.published.insert((client, id), message.clone());
        }
    }

    /// The same, or a will that will be published at some time.
    pub(super) fn may_retain(&mut self, message: &Message) {
        if message.retain {
            self.retained.push(Retained {
                message: message.clone(),
                confirmed: None,
                is_repeated: false,
            });
        }
    }

    /// A client sends a PUBLISH again.
    pub(super) fn repeats(&mut self, message: &Message) {
        let same = |retained: &&mut Retained| retained.message.sent == message.sent;
        let retained = self.retained.iter_mut().find(same);
        if let Some(retained) = retained {
            retained.is_repeated = true;
        }
    }

    /// A publisher hears PUBACK, PUBREC or PUBCOMP.
    pub(super) fn confirmed(&mut self, attempt: &Attempt, kind: u8, id: u16) {
        let now = self.tick();
        let (client, age) = (attempt.client, attempt.age);
        let is_lasting = self.of_its_age(attempt).is_some();
        if is_lasting && kind == PUBREC {
            self.promises.push(Promise::Received { client, age, id });
        }
        if is_lasting && kind == PUBCOMP {
            self.promises.push(Promise::Forgotten { client, age, id });
        }
        if kind == PUBCOMP {
            return;
        }
        let Some(message) = self.published.remove(&(client, id)) else {
            return;
        };
        let same = |retained: &&mut Retained| retained.message.sent == message.sent;
        if let Some(retained) = self.retained.iter_mut().find(same) {
            retained.confirmed = Some(now);
        }
        if message.payload.is_empty() {
            return;
        }
        let owed = self.owed(&message).collect::<Vec<_>>();
        self.promises.extend(owed.into_iter().map(|(client, age)| {
            let payload = message.payload.clone();
            Promise::Queued {
                client,
                age,
                payload,
            }
        }));
        let payload = message.payload;
        self.promises.push(Promise::Taken { payload });
    }

    /// Whose sessions have subscribed to a message without a doubt, and how old these are.
    pub(super) fn owed(&self, message: &Message) -> impl Iterator<Item = (usize, usize)> {
        let parties = self.parties.iter().enumerate();
        let owed = parties.filter(|(_, party)| {
            party.filters.iter().any(|(filter, asked)| {
                let matches = filter.parse::<TopicFilter>().unwrap();
                asked.since.is_some_and(|since| since < message.sent)
                    && matches.matches(&topic(message.topic))
            })
        });
        owed.map(|(client, party)| (client, party.age))
    }

    /// A publisher sends PUBREL.
    pub(super) fn releases(&mut self, client: usize, id: u16) {
        self.parties[client].released.insert(id);
    }

    /// A subscriber sends PUBACK or PUBREC.
    pub(super) fn takes(&mut self, client: usize, payload: String) {
        self.parties[client].took.insert(payload);
    }

    /// A subscriber hears PUBREL.
    pub(super) fn released(&mut self, attempt: &Attempt, id: u16) {
        let (client, age) = (attempt.client, attempt.age);
        if self.of_its_age(attempt).is_some() {
            self.promises.push(Promise::Released { client, age, id });
        }
    }

    /// A subscriber sends PUBCOMP.
    pub(super) fn completes(&mut self, attempt: &Attempt, id: u16) {
        let party = &mut self.parties[attempt.client];
        party.completed.insert((attempt.age, id));
    }

    /// The client of an attempt, if its session is the one that it asked for, and outlives the
    /// connection.
    fn of_its_age(&mut self, attempt: &Attempt) -> Option<&mut Party> {
        let party = &mut self.parties[attempt.client];
        (attempt.lasts && attempt.age == party.age).then_some(party)
    }
}

impl Party {
    fn begin_anew(&mut self) {
        self.age += 1;
        self.session = None;
        self.filters.clear();
    }
}

fn topic(topic: &'static str) -> TopicName {
    TopicName::parse(topic.to_owned()).unwrap()
}
