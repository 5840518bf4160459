//! Shared subscriptions (MQTT 5, 4.8.2): one of a group's sessions gets each message.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;
use perennial_rules::{TopicFilter, TopicName};

use crate::{hooks::Hooks, mailbox::Mailbox, message::Terms, router::levels};

/// Groups by the whole text of their filter.
pub(crate) type Groups = HashMap<Box<str>, Arc<Group>>;

/// The sessions that share a subscription.
pub(crate) struct Group {
    /// The whole filter, `$share/GROUP/` with it.
    filter: Arc<str>,
    members: RwLock<Vec<Member>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

struct Member {
    mailbox: Arc<Mailbox>,
    terms: Terms,
    min_levels: usize,
}

/// How willing a member is to get the next message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fitness {
    /// Nobody is connected, but the session keeps messages.
    Away,
    /// It has much to read already.
    Behind,
    Ready,
}

impl Group {
    pub(crate) fn new(filter: &TopicFilter) -> Group {
        Group {
            filter: filter.as_str().into(),
            members: RwLock::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub(crate) fn join(&self, mailbox: &Arc<Mailbox>, terms: Terms, min_levels: usize) {
        let share = Some(Arc::clone(&self.filter));
        self.members.write().push(Member {
            mailbox: Arc::clone(mailbox),
            terms: Terms { share, ..terms },
            min_levels,
        });
    }

    /// Takes a session out; how many members it was.
    pub(crate) fn leave(&self, session: u64) -> usize {
        let mut members = self.members.write();
        let before = members.len();
        members.retain(|member| member.mailbox.id != session);
        before - members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.read().is_empty()
    }

    /// Who gets the next message on `topic`: in turn one that keeps up, else one that is
    /// connected, else one whose session keeps messages.
    pub(crate) fn choose(
        &self,
        topic: &TopicName,
        hooks: &dyn Hooks,
    ) -> Option<(Arc<Mailbox>, Terms)> {
        let members = self.members.read();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        let (before, from) = members.split_at_checked(turn)?;
        let mut best: Option<(Fitness, &Member)> = None;
        for member in from.iter().chain(before) {
            let Some(fitness) = member.fitness() else {
                continue;
            };
            if best.is_some_and(|(other, _)| other >= fitness)
                || member.min_levels > levels(topic)
                || !hooks.deliver(&member.mailbox.client(), topic)
            {
                continue;
            }
            best = Some((fitness, member));
            if fitness == Fitness::Ready {
                break;
            }
        }
        best.map(|(_, member)| (Arc::clone(&member.mailbox), member.terms.clone()))
    }
}

impl Member {
    fn fitness(&self) -> Option<Fitness> {
        if self.mailbox.is_connected() {
            let is_ready = self.mailbox.keeps_up();
            Some(if is_ready {
                Fitness::Ready
            } else {
                Fitness::Behind
            })
        } else {
            self.mailbox.is_durable().then_some(Fitness::Away)
        }
    }
}
