//! Where messages wait for the connection that sends them to a subscriber.
//!
//! Publishers push, one connection drains.
//!
//! - A session that ends with its connection holds messages in memory. What does not fit goes
//!   to a queue in the store, in order: while anything waits there, later messages follow it.
//! - A session that outlives its connection holds messages at QoS 1 and 2 in the store alone:
//!   they are on disk before they are acknowledged, and are read from there.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::{
    codec::QoS,
    counters::Counters,
    hooks::Client,
    limits::{Limits, QueueFullPolicy},
    message::{Delivery, Queued, Terms},
    store::{Queue, QueueFull, QueueKind, QueueLimits, Store, StoreError, Transaction, WhenFull},
    stored::{queue_name, write_message},
};

/// The messages for one session.
pub(crate) struct Mailbox {
    /// Tells the session from all others since the gateway started.
    pub(crate) id: u64,
    client: RwLock<Arc<Client>>,
    /// The session's queue, if it outlives its connection.
    durable: Option<Queue>,
    is_connected: AtomicBool,
    store: Store,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    /// Bytes of messages that the connection has taken and not sent.
    drained: AtomicUsize,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    messages: usize,
    bytes: usize,
    /// The queue of a session that ends with its connection, once something did not fit.
    overflow: Option<Queue>,
    /// Messages that are in that queue or on their way there.
    spilled: u64,
}

/// Bytes that a run of messages takes in a mailbox beside its own.
const DELIVERY: usize = size_of::<Delivery>();

/// How full a mailbox is after a push.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Pressure {
    #[default]
    Low,
    /// The subscriber may catch up if it is given a moment.
    High,
}

impl Mailbox {
    /// The mailbox of a session that ends with its connection.
    pub(crate) fn transient(
        id: u64,
        client: Arc<Client>,
        store: Store,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Mailbox {
        Mailbox::new(id, client, None, store, limits, counters)
    }

    /// The mailbox of a session that outlives its connection; nobody is connected.
    ///
    /// # Errors
    /// The store takes nothing.
    pub(crate) fn durable(
        id: u64,
        client: Arc<Client>,
        store: Store,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Result<Mailbox, StoreError> {
        let name = queue_name(&client.id);
        let queue = store.queue(&name, QueueKind::Durable, limits.session_queue())?;
        Ok(Mailbox::new(
            id,
            client,
            Some(queue),
            store,
            limits,
            counters,
        ))
    }

    fn new(
        id: u64,
        client: Arc<Client>,
        durable: Option<Queue>,
        store: Store,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Mailbox {
        Mailbox {
            id,
            client: RwLock::new(client),
            is_connected: AtomicBool::new(durable.is_none()),
            durable,
            store,
            limits,
            counters,
            state: Mutex::default(),
            drained: AtomicUsize::new(0),
            arrived: Notify::new(),
        }
    }

    /// The client that is connected, or was last.
    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.read())
    }

    /// A client is connected to the session.
    pub(crate) fn connect(&self, client: Arc<Client>) {
        *self.client.write() = client;
        self.is_connected.store(true, Ordering::Release);
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable.is_some()
    }

    /// The queue of a session that outlives its connection.
    pub(crate) fn queue(&self) -> Option<&Queue> {
        self.durable.as_ref()
    }

    /// Whether the subscriber reads about as fast as messages come.
    pub(crate) fn keeps_up(&self) -> bool {
        let is_behind = |queue: &Queue| queue.records() > self.limits.mailbox_messages as u64;
        let state = self.state.lock();
        state.spilled == 0
            && state.pressure(&self.limits) == Pressure::Low
            && !self.durable.as_ref().is_some_and(is_behind)
    }

    /// Whether a message of `bytes` is to be refused because the session has no room for it.
    pub(crate) fn refuses(&self, bytes: usize) -> bool {
        let limits = &self.limits;
        let is_full = |queue: &Queue| {
            queue.records() >= limits.session_queue_messages
                || queue.bytes() + bytes as u64 > limits.session_queue_bytes
        };
        limits.session_queue_full == QueueFullPolicy::Refuse
            && self.durable.as_ref().is_some_and(is_full)
    }

    /// Whether the session's queue takes a small message at least.
    pub(crate) fn has_room(&self) -> bool {
        !self.refuses(0) && self.durable.as_ref().is_none_or(|queue| queue.has_room(0))
    }

    /// Appends a message at QoS 1 or 2 to the queue of a session that outlives its connection;
    /// one that the queue has no room for is dropped and counted.
    pub(crate) fn keep(&self, message: &Queued<'_>, terms: &Terms, transaction: &mut Transaction) {
        let Some(queue) = &self.durable else { return };
        let kept = transaction.append(queue, |out| write_message(message, terms, out));
        if let Err(QueueFull) = kept {
            self.counters.messages_dropped_full.add(1);
        }
    }

    /// Takes the messages of `delivery` that are not [kept](Mailbox::keep); what memory cannot
    /// hold is appended to `transaction`.
    pub(crate) fn push(&self, delivery: Delivery, transaction: &mut Transaction) -> Pressure {
        self.push_shared(delivery, transaction)
            .unwrap_or_else(|delivery| {
                self.count_unkept(&delivery);
                Pressure::Low
            })
    }

    /// The same with messages that others may get: gives them back when the session has ended.
    pub(crate) fn push_shared(
        &self,
        delivery: Delivery,
        transaction: &mut Transaction,
    ) -> Result<Pressure, Delivery> {
        let mut state = self.state.lock();
        if !self.is_connected() {
            if !self.is_durable() {
                return Err(delivery);
            }
            self.count_unkept(&delivery);
            return Ok(Pressure::Low);
        }
        if self.is_durable() {
            self.push_unkept(&mut state, &delivery);
        } else {
            let rest = self.hold(&mut state, delivery);
            self.spill(&mut state, &rest, transaction);
        }
        let pressure = state.pressure(&self.limits);
        drop(state);
        self.arrived.notify_one();
        Ok(pressure)
    }

    /// Counts the messages that nobody keeps while nobody is connected.
    fn count_unkept(&self, delivery: &Delivery) {
        let is_unkept = |index: &u32| delivery.is_at_most_once(*index);
        let unkept = delivery.range.clone().filter(is_unkept).count();
        self.counters.messages_dropped_qos0.add(unkept as u64);
    }

    /// Holds the messages at QoS 0.
    fn push_unkept(&self, state: &mut State, delivery: &Delivery) {
        let mut range = delivery.range.clone();
        while let Some(start) = range.find(|index| delivery.is_at_most_once(*index)) {
            let end = range.find(|index| !delivery.is_at_most_once(*index));
            let unkept = Delivery {
                range: start..end.unwrap_or(range.end),
                ..delivery.clone()
            };
            let rest = self.hold(state, unkept);
            self.counters
                .messages_dropped_qos0
                .add(rest.range.len() as u64);
        }
    }

    /// Keeps the first messages of `delivery` that fit and gives back the others.
    ///
    /// Behind messages on disk only QoS 0 may still be kept, which has no order with them.
    fn hold(&self, state: &mut State, mut delivery: Delivery) -> Delivery {
        let limit = self.limit(state);
        let (first, before) = (delivery.range.start, state.bytes);
        let mut held = first;
        while held < delivery.range.end
            && state.spilled == 0
            && state.messages < self.limits.mailbox_messages
            && state.bytes < limit
        {
            state.messages += 1;
            state.bytes += delivery.run.get(held).size();
            held += 1;
        }
        if held > first {
            state.bytes += DELIVERY;
            self.counters
                .mailbox_bytes
                .add((state.bytes - before) as u64);
            state.deliveries.push_back(Delivery {
                range: first..held,
                ..delivery.clone()
            });
            delivery.range.start = held;
        }
        delivery
    }

    /// How many bytes the mailbox may hold: where all together hold too much, those that hold
    /// little still have an equal part, so that nobody takes the place of all others.
    fn limit(&self, state: &State) -> usize {
        let total = self.limits.mailbox_bytes_total;
        let held = self.counters.mailbox_bytes.get() as usize;
        let connections = self.counters.connections.get().max(1) as usize;
        let free = state.bytes.saturating_add(total.saturating_sub(held));
        self.limits.mailbox_bytes.min(free.max(total / connections))
    }

    /// Puts the messages that memory cannot hold where they belong.
    fn spill(&self, state: &mut State, rest: &Delivery, transaction: &mut Transaction) {
        for index in rest.range.clone() {
            let message = rest.run.get(index);
            if rest.terms.qos(&message) == QoS::AtMostOnce {
                self.counters.messages_dropped_qos0.add(1);
                continue;
            }
            let stored = match self.overflow(state) {
                Ok(queue) => transaction
                    .append(queue, |out| write_message(&message, &rest.terms, out))
                    .is_ok(),
                Err(_) => false,
            };
            if stored {
                state.spilled += 1;
                self.counters.messages_spilled.add(1);
            } else {
                self.counters.messages_dropped_full.add(1);
            }
        }
    }

    /// The queue for what does not fit, which most sessions never need.
    fn overflow<'a>(&self, state: &'a mut State) -> Result<&'a Queue, StoreError> {
        let queue = match state.overflow.take() {
            Some(queue) => queue,
            None => {
                let limits = QueueLimits {
                    when_full: WhenFull::Refuse,
                    ..self.limits.session_queue()
                };
                self.store
                    .queue(&format!("s/{}", self.id), QueueKind::Transient, limits)?
            }
        };
        Ok(state.overflow.insert(queue))
    }

    /// Moves everything that waits in memory to `deliveries`, where it counts until all of it
    /// is [sent](Mailbox::sent).
    pub(crate) fn drain(&self, deliveries: &mut VecDeque<Delivery>) {
        let mut state = self.state.lock();
        if state.messages > 0 {
            deliveries.append(&mut state.deliveries);
            self.drained.fetch_add(state.bytes, Ordering::Relaxed);
            state.messages = 0;
            state.bytes = 0;
        }
    }

    /// Nothing that was [drained](Mailbox::drain) waits any longer.
    pub(crate) fn sent(&self) {
        let bytes = self.drained.swap(0, Ordering::Relaxed);
        if bytes > 0 {
            self.counters.mailbox_bytes.subtract(bytes as u64);
        }
    }

    /// The queue of what did not fit, while messages wait in it and none in memory come before
    /// them.
    pub(crate) fn spilled(&self) -> Option<Queue> {
        let state = self.state.lock();
        if state.spilled == 0 || !state.deliveries.is_empty() {
            return None;
        }
        state.overflow.clone()
    }

    /// Messages were read from that queue.
    pub(crate) fn fetched(&self, messages: u64) {
        let mut state = self.state.lock();
        state.spilled = state.spilled.saturating_sub(messages);
    }

    /// Waits for a push since the last wait.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The connection has ended: holds nothing in memory until the next one. Gives up what
    /// waited there, and the queue of what did not fit there, for removal.
    pub(crate) fn disconnect(&self) -> (VecDeque<Delivery>, Option<Queue>) {
        let mut state = self.state.lock();
        self.is_connected.store(false, Ordering::Release);
        let deliveries = std::mem::take(&mut state.deliveries);
        self.forget(&mut state);
        self.sent();
        state.spilled = 0;
        (deliveries, state.overflow.take())
    }

    /// Counts nothing as held any more.
    fn forget(&self, state: &mut State) {
        self.counters.mailbox_bytes.subtract(state.bytes as u64);
        state.messages = 0;
        state.bytes = 0;
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().bytes + *self.drained.get_mut();
        self.counters.mailbox_bytes.subtract(bytes as u64);
    }
}

impl State {
    /// A subscriber whose messages go to disk already is not waited for.
    fn pressure(&self, limits: &Limits) -> Pressure {
        let is_half_full =
            self.messages * 2 > limits.mailbox_messages || self.bytes * 2 > limits.mailbox_bytes;
        if is_half_full && self.spilled == 0 {
            Pressure::High
        } else {
            Pressure::Low
        }
    }
}
