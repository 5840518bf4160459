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

use crate::{
    codec::QoS,
    core::Core,
    hooks::{Client, Hooks},
    mailbox::Mailbox,
    message::{Delivery, Terms},
    router::levels,
    store::Transaction,
};

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
    /// The queue of its session has no room.
    Full,
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

    /// Whether no member can be given a message of `bytes` at QoS 1 or 2, and says so.
    pub(crate) fn refuses(&self, bytes: usize) -> bool {
        let members = self.members.read();
        !members.is_empty()
            && members.iter().all(|member| {
                member.terms.granted > QoS::AtMostOnce && member.mailbox.refuses(bytes)
            })
    }

    /// Gives the next message on `topic` to a member by `give`: in turn to one that keeps up,
    /// else one that is connected, else one whose session keeps messages.
    ///
    /// No member leaves meanwhile, so one that has left is given nothing more.
    pub(crate) fn choose<T>(
        &self,
        topic: &TopicName,
        publisher: Option<&Client>,
        hooks: &dyn Hooks,
        give: impl FnOnce(&Arc<Mailbox>, &Terms) -> T,
    ) -> Option<T> {
        let members = self.members.read();
        let turn = self.turn.load(Ordering::Relaxed) % members.len().max(1);
        let mut best: Option<(Fitness, usize, &Member)> = None;
        for place in (turn..members.len()).chain(0..turn) {
            let member = &members[place];
            let Some(fitness) = member.fitness() else {
                continue;
            };
            if best.is_some_and(|(other, ..)| other >= fitness)
                || member.min_levels > levels(topic)
                || !hooks.deliver(&member.mailbox.client(), topic, publisher)
            {
                continue;
            }
            best = Some((fitness, place, member));
            if fitness == Fitness::Ready {
                break;
            }
        }
        let (_, place, member) = best?;
        // Those who are passed over cost the one behind them nothing.
        self.turn.store(place + 1, Ordering::Relaxed);
        Some(give(&member.mailbox, &member.terms))
    }
}

impl Member {
    fn fitness(&self) -> Option<Fitness> {
        if self.terms.granted > QoS::AtMostOnce && !self.mailbox.has_room() {
            Some(Fitness::Full)
        } else if self.mailbox.is_connected() {
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

/// Gives messages that a session of a group does not get to others of the group.
pub(crate) fn redistribute(
    messages: impl IntoIterator<Item = Delivery>,
    core: &Core,
    transaction: &mut Transaction,
) {
    for delivery in messages {
        let Some(share) = &delivery.terms.share else {
            continue;
        };
        let Some(group) = core.router.group(share) else {
            continue;
        };
        for index in delivery.range.clone() {
            give(&delivery, index, &group, core, transaction);
        }
    }
}

/// Gives one message of `delivery` to a member of `group`, if there is one.
fn give(
    delivery: &Delivery,
    index: u32,
    group: &Group,
    core: &Core,
    transaction: &mut Transaction,
) {
    let message = delivery.run.get(index);
    let single = |terms: &Terms| Delivery {
        run: Arc::clone(&delivery.run),
        range: index..index + 1,
        sequence: None,
        terms: terms.clone(),
    };
    loop {
        let given = group.choose(
            message.topic,
            None,
            core.hooks.as_ref(),
            |mailbox, terms| {
                if mailbox.is_durable() && terms.qos(&message) > QoS::AtMostOnce {
                    mailbox.keep(&message, terms, transaction);
                    return true;
                }
                mailbox.push_shared(single(terms), transaction).is_ok()
            },
        );
        // A member that has gone meanwhile is not chosen again.
        if given != Some(false) {
            return;
        }
    }
}
