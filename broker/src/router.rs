//! Who gets what: subscriptions, and which connection has a client identifier.
//!
//! All connections read the subscriptions at once and remember what they found
//! per topic, until the generation changes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytestring::ByteString;
use parking_lot::{Mutex, RwLock};
use perennial_rules::{FilterTrie, TopicFilter, TopicName};
use tokio::sync::oneshot;

use crate::{
    codec::{QoS, SubscriptionOptions},
    hooks::Hooks,
    mailbox::Mailbox,
};

/// The subscriptions and the connected clients.
#[derive(Default)]
pub(crate) struct Router {
    subscriptions: RwLock<FilterTrie<Subscription>>,
    generation: AtomicU64,
    clients: Mutex<HashMap<ByteString, Registration>>,
}

struct Subscription {
    mailbox: Arc<Mailbox>,
    options: SubscriptionOptions,
}

struct Registration {
    connection: u64,
    takeover: oneshot::Sender<()>,
}

/// A session that gets the messages of a topic.
pub(crate) struct Target {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) granted: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
}

impl Router {
    /// Changes whenever an answer of [`Router::targets`] may change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds a subscription, in place of the session's earlier one to the same filter.
    pub(crate) fn subscribe(
        &self,
        filter: &TopicFilter,
        mailbox: &Arc<Mailbox>,
        options: SubscriptionOptions,
    ) {
        let mut subscriptions = self.subscriptions.write();
        subscriptions.remove(filter, |subscription| subscription.mailbox.id == mailbox.id);
        subscriptions.insert(
            filter,
            Subscription {
                mailbox: Arc::clone(mailbox),
                options,
            },
        );
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn unsubscribe<'a>(
        &self,
        filters: impl Iterator<Item = &'a TopicFilter>,
        connection: u64,
    ) {
        let mut subscriptions = self.subscriptions.write();
        for filter in filters {
            subscriptions.remove(filter, |subscription| subscription.mailbox.id == connection);
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The sessions that get messages on `topic`, each once, with the highest QoS of its
    /// subscriptions that match ([MQTT-3.3.5-1] of 3.1.1).
    pub(crate) fn targets(&self, topic: &TopicName, hooks: &dyn Hooks) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        self.subscriptions
            .read()
            .visit(topic, |Subscription { mailbox, options }| {
                targets.push(Target {
                    mailbox: Arc::clone(mailbox),
                    granted: options.qos,
                    no_local: options.no_local,
                    retain_as_published: options.retain_as_published,
                });
            });
        targets.sort_unstable_by_key(|target| target.mailbox.id);
        targets.dedup_by(|other, kept| {
            let is_same = other.mailbox.id == kept.mailbox.id;
            if is_same {
                kept.granted = kept.granted.max(other.granted);
                kept.no_local &= other.no_local;
                kept.retain_as_published |= other.retain_as_published;
            }
            is_same
        });
        targets.retain(|target| hooks.deliver(&target.mailbox.client, topic));
        targets
    }

    /// Gives `client_id` to `connection`; an earlier connection that has it is told to go.
    pub(crate) fn register(
        &self,
        client_id: &ByteString,
        connection: u64,
    ) -> oneshot::Receiver<()> {
        let (takeover, taken_over) = oneshot::channel();
        let registration = Registration {
            connection,
            takeover,
        };
        if let Some(earlier) = self.clients.lock().insert(client_id.clone(), registration) {
            // The earlier connection may be on its way out already.
            earlier.takeover.send(()).ok();
        }
        taken_over
    }

    /// Takes `client_id` back, unless a later connection has it.
    pub(crate) fn deregister(&self, client_id: &ByteString, connection: u64) {
        let mut clients = self.clients.lock();
        if clients
            .get(client_id)
            .is_some_and(|registration| registration.connection == connection)
        {
            clients.remove(client_id);
        }
    }
}
