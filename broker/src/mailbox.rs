//! Where messages wait for the connection that sends them to a subscriber.
//!
//! Publishers push, one connection drains. What does not fit in memory goes to
//! the session's queue in the store, in order: while anything waits there, later
//! messages follow it.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    codec::QoS,
    counters::Counters,
    hooks::Client,
    limits::Limits,
    message::{Delivery, Run, write_stored},
    store::{Queue, QueueKind, QueueLimits, Store, StoreError, Transaction},
};

/// The messages for one session.
pub(crate) struct Mailbox {
    /// The connection that drains it.
    pub(crate) id: u64,
    pub(crate) client: Arc<Client>,
    store: Store,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    messages: usize,
    bytes: usize,
    /// The session's queue, once something did not fit.
    queue: Option<Queue>,
    /// Messages that are in the queue or on their way there.
    spilled: u64,
    closed: bool,
}

/// How full a mailbox is after a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pressure {
    Low,
    /// The subscriber may catch up if it is given a moment.
    High,
}

impl Mailbox {
    pub(crate) fn new(
        id: u64,
        client: Arc<Client>,
        store: Store,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Mailbox {
        Mailbox {
            id,
            client,
            store,
            limits,
            counters,
            state: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Takes the messages of `run`; what memory cannot hold is appended to `transaction`.
    pub(crate) fn push(
        &self,
        run: &Arc<Run>,
        granted: QoS,
        retain_as_published: bool,
        transaction: &mut Transaction,
    ) -> Pressure {
        let mut state = self.state.lock();
        if state.closed {
            return Pressure::Low;
        }
        let delivery = Delivery {
            run: Arc::clone(run),
            range: 0..run.len() as u32,
            granted,
            retain_as_published,
        };
        let rest = state.hold(delivery, &self.limits);
        if !rest.range.is_empty() {
            self.spill(&mut state, &rest, transaction);
        }
        let pressure = state.pressure(&self.limits);
        drop(state);
        self.arrived.notify_one();
        pressure
    }

    /// Puts the messages that memory cannot hold where they belong.
    fn spill(&self, state: &mut State, rest: &Delivery, transaction: &mut Transaction) {
        for index in rest.range.clone() {
            let message = rest.run.get(index);
            let qos = message.qos.min(rest.granted);
            if qos == QoS::AtMostOnce {
                self.counters.messages_dropped_qos0.add(1);
                continue;
            }
            let retain = message.retain && rest.retain_as_published;
            let stored = match self.queue(state) {
                Ok(queue) => transaction
                    .append(queue, |out| write_stored(&message, qos, retain, out))
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

    /// The session's queue, which most sessions never need.
    fn queue<'a>(&self, state: &'a mut State) -> Result<&'a Queue, StoreError> {
        let queue = match state.queue.take() {
            Some(queue) => queue,
            None => {
                let limits = QueueLimits {
                    records: self.limits.session_queue_messages,
                    bytes: self.limits.session_queue_bytes,
                };
                self.store
                    .queue(&format!("s/{}", self.id), QueueKind::Transient, limits)?
            }
        };
        Ok(state.queue.insert(queue))
    }

    /// Moves everything that waits in memory to `deliveries`.
    pub(crate) fn drain(&self, deliveries: &mut VecDeque<Delivery>) {
        let mut state = self.state.lock();
        deliveries.append(&mut state.deliveries);
        state.messages = 0;
        state.bytes = 0;
    }

    /// The queue, while messages wait in it and none in memory come before them.
    pub(crate) fn spilled(&self) -> Option<Queue> {
        let state = self.state.lock();
        if state.spilled == 0 || !state.deliveries.is_empty() {
            return None;
        }
        state.queue.clone()
    }

    /// Messages were read from the queue.
    pub(crate) fn fetched(&self, messages: u64) {
        let mut state = self.state.lock();
        state.spilled = state.spilled.saturating_sub(messages);
    }

    /// Waits for a push since the last wait.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes no more, lets go of everything, and gives up the queue for removal.
    pub(crate) fn close(&self) -> Option<Queue> {
        let mut state = self.state.lock();
        let queue = state.queue.take();
        *state = State {
            closed: true,
            ..State::default()
        };
        queue
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

    /// Keeps the first messages of `delivery` that fit and gives back the others.
    ///
    /// Behind messages in the queue only QoS 0 may still be kept, which has no order with them.
    fn hold(&mut self, mut delivery: Delivery, limits: &Limits) -> Delivery {
        let first = delivery.range.start;
        let mut kept = first;
        while kept < delivery.range.end
            && self.spilled == 0
            && self.messages < limits.mailbox_messages
            && self.bytes < limits.mailbox_bytes
        {
            self.messages += 1;
            self.bytes += delivery.run.get(kept).size();
            kept += 1;
        }
        if kept > first {
            self.deliveries.push_back(Delivery {
                range: first..kept,
                ..delivery.clone()
            });
            delivery.range.start = kept;
        }
        delivery
    }
}
