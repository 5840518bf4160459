//! A connection's hold on its session.

use std::sync::Arc;

use bytestring::ByteString;
use perennial_rules::TopicFilter;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use tracing::trace;

use super::{Registration, Request, kept::Kept};
use crate::{
    codec::{QoS, Reason, RetainHandling, Subscribe, SubscriptionOptions, Unsubscribe},
    compat::Compat,
    core::Core,
    mailbox::Mailbox,
    message::{Delivery, Terms},
    retained::Cursor,
    session::{Handshakes, PROMISED},
    store::{Queue, StoreError, Ticket, Transaction},
    stored::{SubscriptionRecord, WillRecord, key},
    will::Will,
};

/// A connection's client identifier and session.
///
/// However the connection ends, dropping this gives the identifier back. A session that
/// outlives its connection should be [left](Place::leave) before.
pub(crate) struct Place {
    // The session is let go of first.
    session: OwnedMutexGuard<Option<Kept>>,
    registration: Registration,
    is_left: bool,
}

/// What a connection leaves behind.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) handshakes: Handshakes,
    /// Messages that other sessions of their groups get if this one ends.
    pub(crate) shared: Vec<Delivery>,
    /// A will that waits for its time.
    pub(crate) will: Option<Will>,
    /// Seconds that the session outlives the connection, if the client has changed its mind.
    pub(crate) expiry: Option<u32>,
}

impl Place {
    pub(super) fn new(registration: Registration, session: OwnedMutexGuard<Option<Kept>>) -> Place {
        Place {
            session,
            registration,
            is_left: false,
        }
    }

    /// Whether the session that is there is the one that `request` asks for; any other ends.
    pub(super) async fn resumes(&mut self, request: &Request) -> bool {
        let core = Arc::clone(self.core());
        let Some(kept) = self.session.as_mut() else {
            return false;
        };
        kept.unwatch(&core);
        kept.publish_due_will(&core, core.clock.now());
        if request.clean_start || kept.has_expired(core.clock.now()) {
            if let Some(kept) = self.session.take() {
                kept.end(Vec::new(), &core).await;
            }
            return false;
        }
        true
    }

    pub(super) fn fill(&mut self, kept: Kept) {
        let client_id = &self.registration.client_id;
        let sessions = &self.registration.core.sessions;
        sessions.note_queue(client_id, kept.mailbox.queue());
        *self.session = Some(kept);
    }

    /// Takes the session for the connection that asked for it.
    pub(super) fn begin(&mut self, request: Request, transaction: &mut Transaction) {
        let core = Arc::clone(self.core());
        let client = request.client;
        let kept = self.kept_mut();
        kept.mailbox.connect(Arc::clone(&client));
        if !kept.subscriptions.is_empty() {
            // What it may see may differ from what it might when it was here before.
            kept.admit_subscriptions(&core);
        }
        let mut had_will = false;
        if let Some(lasting) = &mut kept.lasting {
            lasting.expiry = request.expiry;
            lasting.left_at = None;
            let head = kept.mailbox.queue().map_or(0, Queue::head);
            lasting.promised = lasting.handshakes.sent.max(head) + PROMISED;
            had_will = lasting.will.take().is_some();
        }
        kept.write(transaction);
        match request.will {
            Some(will) => core.keep_will(&client, &WillRecord { will, due_at: None }, transaction),
            None if had_will => transaction.delete(&key::will(&client.id)),
            None => {}
        }
        core.counters.connections.add(1);
    }

    fn core(&self) -> &Arc<Core> {
        &self.registration.core
    }

    fn kept(&self) -> &Kept {
        self.session.as_ref().expect("a place has a session")
    }

    fn kept_mut(&mut self) -> &mut Kept {
        self.session.as_mut().expect("a place has a session")
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.kept().mailbox
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.kept().lasting.is_some()
    }

    /// Seconds that the session outlives the connection.
    pub(crate) fn expiry(&self) -> u32 {
        self.kept()
            .lasting
            .as_ref()
            .map_or(0, |lasting| lasting.expiry)
    }

    /// What is known of the handshakes of the connection before.
    pub(crate) fn handshakes(&self) -> Handshakes {
        let lasting = self.kept().lasting.as_ref();
        lasting
            .map(|lasting| lasting.handshakes.clone())
            .unwrap_or_default()
    }

    /// Messages of the session's queue before this may be sent.
    pub(crate) fn promised(&self) -> u64 {
        let lasting = self.kept().lasting.as_ref();
        lasting.map_or(u64::MAX, |lasting| lasting.promised)
    }

    /// Lets the store know that the messages before `until` may be sent, which they may when
    /// the ticket is durable.
    pub(crate) fn promise(&mut self, until: u64) -> Result<Ticket, StoreError> {
        let core = Arc::clone(self.core());
        let mut transaction = core.store.transaction();
        let kept = self.kept_mut();
        if let Some(lasting) = &mut kept.lasting {
            lasting.promised = until;
        }
        kept.write_lazily(&mut transaction);
        core.store.submit(transaction)
    }

    /// Subscriptions of which retained messages are still to be sent.
    pub(crate) fn cursors(&self) -> Vec<Cursor> {
        let subscriptions = self.kept().subscriptions.iter();
        subscriptions
            .filter_map(|(filter, record)| cursor(filter, record, u64::MAX))
            .collect()
    }

    /// Whether there is a subscription to `filter`.
    pub(crate) fn has(&self, filter: &TopicFilter) -> bool {
        self.kept().subscriptions.get(filter).is_some()
    }

    /// Cancelled when another connection takes the client identifier, the client may not stay,
    /// or the broker stops.
    pub(crate) fn dismissed(&self) -> CancellationToken {
        self.registration.dismissed.clone()
    }

    /// Whether the connection was dismissed because its client may not stay.
    pub(crate) fn is_expelled(&self) -> bool {
        self.registration.is_expelled()
    }

    /// Subscribes to each filter; one reason for each, and whose retained messages are due.
    pub(crate) fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        compat: Compat,
        transaction: &mut Transaction,
    ) -> (Vec<Reason>, Vec<Cursor>) {
        let mut cursors = Vec::new();
        let filters = subscribe.filters.iter();
        let reasons = filters
            .map(|(text, options)| {
                let id = subscribe.identifier.unwrap_or(0);
                match self.subscribe_to(text, *options, id, compat, transaction) {
                    Ok(due) => {
                        cursors.extend(due);
                        match options.qos {
                            QoS::AtMostOnce => Reason::Success,
                            QoS::AtLeastOnce => Reason::GrantedQos1,
                            QoS::ExactlyOnce => Reason::GrantedQos2,
                        }
                    }
                    Err(reason) => reason,
                }
            })
            .collect();
        (reasons, cursors)
    }

    fn subscribe_to(
        &mut self,
        text: &str,
        options: SubscriptionOptions,
        id: u32,
        compat: Compat,
        transaction: &mut Transaction,
    ) -> Result<Option<Cursor>, Reason> {
        let core = Arc::clone(self.core());
        let filter: TopicFilter = text.parse().map_err(|_| Reason::TopicFilterInvalid)?;
        if !core.limits.take_topic(text) || !compat.takes_topic(filter.pattern()) {
            return Err(Reason::TopicFilterInvalid);
        }
        let kept = self.kept_mut();
        let earlier = kept.subscriptions.get(&filter);
        let is_new = earlier.is_none();
        let maximum = compat.max_subscriptions(core.limits.max_subscriptions);
        if is_new && kept.subscriptions.len() >= maximum {
            return Err(Reason::QuotaExceeded);
        }
        let client = kept.mailbox.client();
        let key = key::subscription(&client.id, filter.as_str());
        if kept.lasting.is_some() && key.len() > key::MAX {
            return Err(Reason::TopicFilterInvalid);
        }
        core.hooks.subscribe(&client, &filter)?;
        let sends_retained = filter.share_group().is_none()
            && compat.sends_retained(&filter)
            && match options.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => is_new,
                RetainHandling::DoNotSend => false,
            };
        let unfinished = earlier.and_then(|record| record.retained_after.clone());
        let record = SubscriptionRecord {
            options,
            id,
            retained_after: if sends_retained {
                Some(ByteString::new())
            } else {
                unfinished
            },
            excludes_parent: compat.excludes_parent(),
        };
        core.router.subscribe(&filter, &kept.mailbox, &record);
        trace!(client = &*client.id, filter = filter.as_str(), "subscribed");
        if kept.lasting.is_some() {
            transaction.put(&key, &record.encode());
        }
        // Behind the subscription, so that no message is missed that comes meanwhile.
        let until = core.retained.last_change();
        let due = sends_retained
            .then(|| cursor(&filter, &record, until))
            .flatten();
        kept.subscriptions.insert(filter, record);
        Ok(due)
    }

    /// Retained messages for a subscription were sent or stored up to `cursor`, or all of them.
    pub(crate) fn retained_sent(
        &mut self,
        cursor: &Cursor,
        is_complete: bool,
        transaction: &mut Transaction,
    ) {
        let kept = self.kept_mut();
        let Some(record) = kept.subscriptions.get_mut(&cursor.filter) else {
            return;
        };
        record.retained_after = (!is_complete).then(|| cursor.after.clone());
        if kept.lasting.is_some() {
            let client = kept.mailbox.client();
            let key = key::subscription(&client.id, cursor.filter.as_str());
            transaction.put(&key, &record.encode());
        }
    }

    /// Ends the subscription to each filter; one reason for each.
    pub(crate) fn unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
        transaction: &mut Transaction,
    ) -> Vec<Reason> {
        let filters = unsubscribe.filters.iter();
        filters
            .map(|text| self.unsubscribe_from(text, transaction))
            .collect()
    }

    fn unsubscribe_from(&mut self, text: &str, transaction: &mut Transaction) -> Reason {
        let Ok(filter) = text.parse::<TopicFilter>() else {
            return Reason::TopicFilterInvalid;
        };
        let core = Arc::clone(self.core());
        let kept = self.kept_mut();
        if !kept.subscriptions.remove(&filter) {
            return Reason::NoSubscriptionExisted;
        }
        core.router
            .unsubscribe(std::iter::once(&filter), kept.mailbox.id);
        if kept.lasting.is_some() {
            let client = kept.mailbox.client();
            transaction.delete(&key::subscription(&client.id, filter.as_str()));
        }
        Reason::Success
    }

    /// The connection has ended: keeps the session or ends it.
    pub(crate) async fn leave(mut self, left: Left) {
        let core = Arc::clone(self.core());
        self.is_left = true;
        let Some(mut kept) = self.session.take() else {
            return;
        };
        core.counters.connections.subtract(1);
        let now = core.clock.now();
        let mut transaction = core.store.transaction();
        let expiry = left.expiry.unwrap_or(kept.expiry());
        if let Some(lasting) = &mut kept.lasting {
            lasting.handshakes = left.handshakes;
        }
        let Some(lasting) = kept.lasting.as_mut().filter(|_| expiry > 0) else {
            kept.end(left.shared, &core).await;
            return;
        };
        lasting.expiry = expiry;
        lasting.left_at = Some(now);
        if let Some(will) = left.will {
            let delay = u64::from(will.delay.min(expiry)) * 1000;
            let record = WillRecord {
                will,
                due_at: Some(now + delay),
            };
            core.keep_will(&kept.mailbox.client(), &record, &mut transaction);
            lasting.will = Some(record);
        }
        kept.mailbox.disconnect();
        kept.write(&mut transaction);
        submit(&core, transaction);
        kept.watch(&core);
        *self.session = Some(kept);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let core = Arc::clone(self.core());
        if !std::mem::replace(&mut self.is_left, true) {
            // The connection's task has panicked, or it never had a session.
            if let Some(kept) = self.session.take() {
                *self.session = kept.abandon(&core);
            }
        }
    }
}

impl Kept {
    /// What is left of a session whose connection went without a word about it.
    fn abandon(mut self, core: &Core) -> Option<Kept> {
        core.counters.connections.subtract(1);
        let (_, overflow) = self.mailbox.disconnect();
        if let Some(lasting) = &mut self.lasting {
            lasting.left_at = Some(core.clock.now());
            lasting.handshakes.sent = lasting.promised;
            self.watch(core);
            return Some(self);
        }
        self.unsubscribe(core);
        if let Some(queue) = overflow {
            let mut transaction = core.store.transaction();
            transaction.remove(&queue);
            submit(core, transaction);
        }
        None
    }

    fn expiry(&self) -> u32 {
        self.lasting.as_ref().map_or(0, |lasting| lasting.expiry)
    }
}

fn submit(core: &Core, transaction: Transaction) {
    if core.store.submit(transaction).is_err() {
        // The store is opened anew by a restart, which knows what was stored before.
        trace!("what a connection left could not be stored");
    }
}

/// From where retained messages for a subscription are to be sent, if they are.
fn cursor(filter: &TopicFilter, record: &SubscriptionRecord, until: u64) -> Option<Cursor> {
    Some(Cursor {
        filter: filter.clone(),
        terms: Terms {
            granted: record.options.qos,
            retain_as_published: true,
            ids: (record.id > 0).then(|| [record.id].into()),
            share: None,
        },
        after: record.retained_after.clone()?,
        until,
    })
}
