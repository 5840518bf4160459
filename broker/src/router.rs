//! Who gets what: the subscriptions of all sessions.
//!
//! All connections read them at once and remember what they found per topic, until
//! the generation changes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;
use perennial_rules::{FilterTrie, TopicFilter, TopicName};

use crate::{
    group::{Group, Groups},
    hooks::{Client, Hooks},
    mailbox::Mailbox,
    message::Terms,
    stored::SubscriptionRecord,
};

/// The subscriptions.
#[derive(Default)]
pub(crate) struct Router {
    subscriptions: RwLock<Subscriptions>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Subscriptions {
    trie: FilterTrie<Subscriber>,
    groups: Groups,
    /// How many there are, those of a group each.
    count: usize,
}

/// Who has subscribed to a filter.
enum Subscriber {
    Session(Subscription),
    Group(Arc<Group>),
}

struct Subscription {
    mailbox: Arc<Mailbox>,
    terms: Terms,
    no_local: bool,
    /// Topics of fewer levels are left out.
    min_levels: usize,
}

/// Who gets the messages of a topic.
#[derive(Default)]
pub(crate) struct Targets {
    /// Each of these.
    pub(crate) sessions: Vec<Target>,
    /// One session of each of these.
    pub(crate) groups: Vec<Arc<Group>>,
}

/// A session that gets the messages of a topic.
pub(crate) struct Target {
    pub(crate) mailbox: Arc<Mailbox>,
    terms: Terms,
    /// Of the subscriptions that the messages of others come by, those without "no local".
    own: Own,
}

/// How a session gets what it has published itself.
enum Own {
    Like,
    Not,
    By(Terms),
}

impl Router {
    /// Changes whenever an answer of [`Router::targets`] may change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many subscriptions there are.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.read().count
    }

    /// Adds a subscription, in place of the session's earlier one to the same filter.
    pub(crate) fn subscribe(
        &self,
        filter: &TopicFilter,
        mailbox: &Arc<Mailbox>,
        record: &SubscriptionRecord,
    ) {
        let mut subscriptions = self.subscriptions.write();
        subscriptions.remove(filter, mailbox.id);
        subscriptions.insert(filter, mailbox, record);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Makes every answer stale.
    pub(crate) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn unsubscribe<'a>(
        &self,
        filters: impl Iterator<Item = &'a TopicFilter>,
        session: u64,
    ) {
        let mut subscriptions = self.subscriptions.write();
        for filter in filters {
            subscriptions.remove(filter, session);
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Who gets messages on `topic`: each session once, with the highest QoS of its
    /// subscriptions that match ([MQTT-3.3.5-1] of 3.1.1) and the identifiers of all of them.
    pub(crate) fn targets(
        &self,
        topic: &TopicName,
        publisher: &Client,
        hooks: &dyn Hooks,
    ) -> Targets {
        let mut targets = Targets::default();
        let levels = levels(topic);
        self.subscriptions
            .read()
            .trie
            .visit(topic, |subscriber| match subscriber {
                Subscriber::Session(subscription) if subscription.min_levels <= levels => {
                    targets.sessions.push(Target {
                        mailbox: Arc::clone(&subscription.mailbox),
                        terms: subscription.terms.clone(),
                        own: if subscription.no_local {
                            Own::Not
                        } else {
                            Own::Like
                        },
                    });
                }
                Subscriber::Session(_) => {}
                Subscriber::Group(group) => targets.groups.push(Arc::clone(group)),
            });
        let sessions = &mut targets.sessions;
        sessions.sort_unstable_by_key(|target| target.mailbox.id);
        sessions.dedup_by(|other, kept| {
            let is_same = other.mailbox.id == kept.mailbox.id;
            if is_same {
                kept.merge(other);
            }
            is_same
        });
        sessions.retain(|target| hooks.deliver(&target.mailbox.client(), topic, Some(publisher)));
        targets
    }

    /// The group that shares a subscription to `filter`, which is its whole text.
    pub(crate) fn group(&self, filter: &str) -> Option<Arc<Group>> {
        self.subscriptions.read().groups.get(filter).cloned()
    }
}

impl Subscriptions {
    fn insert(
        &mut self,
        filter: &TopicFilter,
        mailbox: &Arc<Mailbox>,
        record: &SubscriptionRecord,
    ) {
        self.count += 1;
        let terms = Terms {
            granted: record.options.qos,
            retain_as_published: record.options.retain_as_published,
            ids: (record.id > 0).then(|| [record.id].into()),
            share: None,
        };
        let min_levels = if record.excludes_parent {
            levels(filter.pattern())
        } else {
            0
        };
        if filter.share_group().is_none() {
            let subscription = Subscription {
                mailbox: Arc::clone(mailbox),
                terms,
                no_local: record.options.no_local,
                min_levels,
            };
            self.trie.insert(filter, Subscriber::Session(subscription));
            return;
        }
        let group = self
            .groups
            .entry(filter.as_str().into())
            .or_insert_with(|| {
                let group = Arc::new(Group::new(filter));
                self.trie
                    .insert(filter, Subscriber::Group(Arc::clone(&group)));
                group
            });
        group.join(mailbox, terms, min_levels);
    }

    fn remove(&mut self, filter: &TopicFilter, session: u64) {
        if filter.share_group().is_none() {
            self.count -= self.trie.remove(filter, |subscriber| {
                matches!(subscriber, Subscriber::Session(subscription) if subscription.mailbox.id == session)
            });
            return;
        }
        let Some(group) = self.groups.get(filter.as_str()) else {
            return;
        };
        let group = Arc::clone(group);
        self.count -= group.leave(session);
        if group.is_empty() {
            self.groups.remove(filter.as_str());
            self.trie.remove(filter, |subscriber| {
                matches!(subscriber, Subscriber::Group(other) if Arc::ptr_eq(other, &group))
            });
        }
    }
}

impl Targets {
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.groups.is_empty()
    }
}

impl Target {
    /// How it gets what the session `publisher` has published; `None` when it does not.
    pub(crate) fn terms(&self, publisher: u64) -> Option<&Terms> {
        match &self.own {
            _ if self.mailbox.id != publisher => Some(&self.terms),
            Own::Like => Some(&self.terms),
            Own::Not => None,
            Own::By(terms) => Some(terms),
        }
    }

    /// Takes in another subscription of the same session.
    fn merge(&mut self, other: &Target) {
        let own = match (self.terms(self.mailbox.id), other.terms(self.mailbox.id)) {
            (Some(_), Some(_)) if self.is_uniform() && other.is_uniform() => Own::Like,
            (None, None) => Own::Not,
            (Some(terms), None) | (None, Some(terms)) => Own::By(terms.clone()),
            (Some(terms), Some(more)) => Own::By(terms.with(more)),
        };
        self.terms = self.terms.with(&other.terms);
        self.own = own;
    }

    fn is_uniform(&self) -> bool {
        matches!(self.own, Own::Like)
    }
}

/// How many levels a topic name or filter has.
pub(crate) fn levels(topic: &str) -> usize {
    topic.bytes().filter(|byte| *byte == b'/').count() + 1
}
