//! A session: what of it outlives a connection, and how it ends.

use std::sync::Arc;

use tracing::{debug, error};

use super::subscriptions::Subscriptions;
use crate::{
    codec::QoS,
    core::Core,
    group::redistribute,
    inbound::Inbound,
    mailbox::Mailbox,
    message::Delivery,
    session::Handshakes,
    store::{Queue, StoreError, Transaction},
    stored::{SessionRecord, WillRecord, key, read_message},
};

/// A session that never expires by itself.
pub(super) const FOREVER: u32 = u32::MAX;

/// A session, whether somebody is connected or not.
pub(crate) struct Kept {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) subscriptions: Subscriptions,
    /// Whether the router has only some of them.
    rests: bool,
    /// What there is of a session that outlives its connection.
    pub(super) lasting: Option<Box<Lasting>>,
    /// Where it is among the deadlines.
    pub(super) deadline: Option<u64>,
}

/// What a session has that outlives its connection.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    /// Seconds that it outlives a connection.
    pub(super) expiry: u32,
    /// When the connection ended.
    pub(super) left_at: Option<u64>,
    pub(super) handshakes: Handshakes,
    /// While a connection is open: messages in its queue before this may be sent.
    pub(super) promised: u64,
    /// A will that waits for its time.
    pub(super) will: Option<WillRecord>,
}

impl Lasting {
    pub(super) fn new(expiry: u32) -> Lasting {
        Lasting {
            expiry,
            ..Lasting::default()
        }
    }

    fn expires_at(&self) -> Option<u64> {
        let left_at = self.left_at?;
        (self.expiry != FOREVER).then(|| left_at + u64::from(self.expiry) * 1000)
    }
}

impl Kept {
    pub(super) fn new(mailbox: Arc<Mailbox>, lasting: Option<Lasting>) -> Kept {
        Kept {
            mailbox,
            subscriptions: Subscriptions::default(),
            rests: false,
            lasting: lasting.map(Box::new),
            deadline: None,
        }
    }

    pub(super) fn has_expired(&self, now: u64) -> bool {
        let expires_at = self
            .lasting
            .as_ref()
            .and_then(|lasting| lasting.expires_at());
        expires_at.is_some_and(|at| at <= now)
    }

    /// Writes what is kept of it beside subscriptions and messages.
    pub(super) fn write(&self, transaction: &mut Transaction) {
        if let Some((key, record)) = self.record() {
            transaction.put(&key, &record.encode());
        }
    }

    /// The same, which a power cut may undo.
    pub(super) fn write_lazily(&self, transaction: &mut Transaction) {
        if let Some((key, record)) = self.record() {
            transaction.put_lazily(&key, &record.encode());
        }
    }

    fn record(&self) -> Option<(Vec<u8>, SessionRecord)> {
        let lasting = self.lasting.as_ref()?;
        let client = self.mailbox.client();
        let record = SessionRecord {
            version: client.version,
            user_name: client.user_name.clone(),
            expiry: lasting.expiry,
            left_at: lasting.left_at,
            sent: match lasting.left_at {
                Some(_) => lasting.handshakes.sent,
                None => lasting.promised,
            },
        };
        Some((key::session(&client.id), record))
    }

    /// Sees to it that what becomes due is done.
    pub(super) fn watch(&mut self, core: &Core) {
        let Some(lasting) = &self.lasting else { return };
        let will = lasting.will.as_ref().and_then(|record| record.due_at);
        let due = will.into_iter().chain(lasting.expires_at()).min();
        if let Some(at) = due {
            self.deadline = Some(at);
            core.sessions
                .deadlines
                .add(at, self.mailbox.client().id.clone());
        }
    }

    /// Undoes [`Kept::watch`].
    pub(super) fn unwatch(&mut self, core: &Core) {
        if let Some(at) = self.deadline.take() {
            core.sessions
                .deadlines
                .remove(at, &self.mailbox.client().id);
        }
    }

    /// Publishes the will whose time has come.
    pub(super) fn publish_due_will(&mut self, core: &Core, now: u64) {
        let is_due = |record: &mut WillRecord| record.due_at.is_some_and(|at| at <= now);
        let lasting = self.lasting.as_mut();
        if let Some(record) = lasting.and_then(|lasting| lasting.will.take_if(is_due)) {
            Inbound::new(self.mailbox.client(), self.mailbox.id, &core.store)
                .publish_will(&record.will, core);
        }
    }

    /// Ends it: a will that waits is published, messages of groups go to their other sessions,
    /// first those that are `in_flight`, and nothing is left.
    pub(super) async fn end(mut self, in_flight: Vec<Delivery>, core: &Core) {
        let client = self.mailbox.client();
        debug!(client = &*client.id, "the session ends");
        self.unwatch(core);
        self.unsubscribe(core);
        self.publish_due_will(core, u64::MAX);
        let (waiting, overflow) = self.mailbox.disconnect();
        let mut transaction = core.store.transaction();
        redistribute(in_flight, core, &mut transaction);
        redistribute(waiting, core, &mut transaction);
        let queue = self.mailbox.queue().cloned().or(overflow);
        if let Some(queue) = queue {
            if self.shares() {
                let handshakes = self.lasting.as_ref().map(|lasting| &lasting.handshakes);
                redistribute_queue(&queue, handshakes, core).await;
            }
            transaction.remove(&queue);
        }
        if let Some(lasting) = &self.lasting {
            core.sessions.note_queue(&client.id, None);
            self.erase(&client.id, lasting, &mut transaction);
            core.sessions
                .lasting
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
        match core.store.submit(transaction) {
            Ok(ticket) if self.lasting.is_some() => core.sessions.note_end(ticket),
            Ok(_) => {}
            // A store that takes nothing is opened anew, and the session expires again.
            Err(_) => debug!(
                client = &*client.id,
                "the end of a session could not be stored"
            ),
        }
    }

    /// Lets the subscriptions rest that the client which has come back may not make: they may be
    /// from somebody else who had the client identifier, or from before a change of the rules.
    /// Those that it may make again go on.
    pub(super) fn admit_subscriptions(&mut self, core: &Core) {
        let client = self.mailbox.client();
        let (admitted, refused): (Vec<_>, Vec<_>) = self
            .subscriptions
            .iter()
            .partition(|(filter, _)| core.hooks.subscribe(&client, filter).is_ok());
        if std::mem::replace(&mut self.rests, !refused.is_empty()) {
            for (filter, record) in admitted {
                core.router.subscribe(filter, &self.mailbox, record);
            }
        }
        let refused = refused.into_iter().map(|(filter, _)| filter);
        core.router.unsubscribe(refused, self.mailbox.id);
    }

    /// Takes its subscriptions out of the router.
    pub(super) fn unsubscribe(&self, core: &Core) {
        if !self.subscriptions.is_empty() {
            core.router
                .unsubscribe(self.subscriptions.filters(), self.mailbox.id);
        }
    }

    fn shares(&self) -> bool {
        self.subscriptions
            .filters()
            .any(|filter| filter.share_group().is_some())
    }

    /// Deletes all entries of the session.
    fn erase(&self, client: &str, lasting: &Lasting, transaction: &mut Transaction) {
        transaction.delete(&key::session(client));
        for filter in self.subscriptions.filters() {
            transaction.delete(&key::subscription(client, filter.as_str()));
        }
        for packet_id in &lasting.handshakes.received {
            transaction.delete(&key::received(client, *packet_id));
        }
        for sequence in &lasting.handshakes.released {
            transaction.delete(&key::released(client, *sequence));
        }
    }
}

/// Gives the messages of groups in `queue` to other sessions, block by block, but for those at
/// QoS 2 that may have been sent ([MQTT-4.8.2-5]).
async fn redistribute_queue(queue: &Queue, handshakes: Option<&Handshakes>, core: &Core) {
    let sent = handshakes.map_or(0, |handshakes| handshakes.sent);
    if come_to_rest(queue, core).await.is_err() {
        return;
    }
    let mut reader = queue.reader();
    loop {
        let block = match reader.try_next() {
            Ok(Some(block)) => block,
            Ok(None) => return,
            Err(error) => {
                error!(queue = queue.name(), %error, "messages of a group cannot be read");
                return;
            }
        };
        let mut messages = Vec::new();
        let mut end = block.first();
        for (sequence, record) in block.records() {
            end = sequence + 1;
            if queue.is_settled(sequence) {
                continue;
            }
            let is_theirs =
                |message: &Delivery| sequence >= sent || message.terms.granted < QoS::ExactlyOnce;
            messages.extend(read_message(&record, None).filter(is_theirs));
        }
        let mut transaction = core.store.transaction();
        redistribute(messages, core, &mut transaction);
        // With what becomes of them: a restart finds each once.
        transaction.settle(queue, block.first()..end);
        if core.store.submit(transaction).is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until all that publishers have in hand for a queue, of which nobody is given more, can
/// be read from it.
async fn come_to_rest(queue: &Queue, core: &Core) -> Result<(), StoreError> {
    let mut durable = core.store.durable();
    loop {
        let is_last = queue.in_hand() == 0;
        let mut transaction = core.store.transaction();
        core.put_alive(&mut transaction);
        durable.reached(core.store.submit(transaction)?).await?;
        if is_last {
            return Ok(());
        }
    }
}
