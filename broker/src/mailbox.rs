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
    store::{Queue, QueueKind, QueueLimits, Store, StoreError, Transaction, WhenFull},
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
                    when_full: WhenFull::Refuse,
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use perennial_rules::TopicName;

    use super::*;
    use crate::{codec::Version, message::read_stored, store};

    struct Setting {
        store: Store,
        mailbox: Mailbox,
        counters: Arc<Counters>,
        _folder: tempfile::TempDir,
    }

    fn setting(limits: Limits) -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let store = store::tests::open(folder.path());
        let client = Client {
            id: "c".into(),
            user_name: None,
            peer: crate::peer::Peer::Unix,
            version: Version::V5,
        };
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let mailbox = Mailbox::new(1, Arc::new(client), store.clone(), Arc::new(limits), shared);
        Setting {
            store,
            mailbox,
            counters,
            _folder: folder,
        }
    }

    impl Setting {
        fn push(&self, payloads: std::ops::Range<u8>, qos: QoS) -> Pressure {
            let mut run = Run::new(TopicName::parse("t").unwrap(), 0);
            payloads.for_each(|payload| run.push_plain(&[payload], qos));
            let mut transaction = self.store.transaction();
            let pressure = self
                .mailbox
                .push(&Arc::new(run), qos, false, &mut transaction);
            self.store.submit(transaction).unwrap();
            pressure
        }

        fn drain(&self) -> Vec<u8> {
            let mut deliveries = VecDeque::new();
            self.mailbox.drain(&mut deliveries);
            payloads(deliveries)
        }

        /// What lies in the session's queue, once it is there.
        fn fetch(&self) -> Vec<u8> {
            let mut reader = self.mailbox.spilled().unwrap().reader();
            let deadline = Instant::now() + Duration::from_secs(10);
            loop {
                assert!(Instant::now() < deadline, "nothing came to the queue");
                let Some(block) = reader.try_next().unwrap() else {
                    continue;
                };
                self.mailbox.fetched(block.len() as u64);
                let deliveries = block
                    .records()
                    .map(|(_, record)| read_stored(&record).unwrap());
                return payloads(deliveries.collect());
            }
        }
    }

    fn payloads(deliveries: VecDeque<Delivery>) -> Vec<u8> {
        let messages = deliveries.iter().flat_map(|delivery| {
            delivery
                .range
                .clone()
                .map(|index| delivery.run.get(index).payload[0])
        });
        messages.collect()
    }

    fn three_messages() -> Limits {
        Limits {
            mailbox_messages: 3,
            ..Limits::default()
        }
    }

    #[test]
    fn what_memory_cannot_hold_waits_on_disk_in_order() {
        let setting = setting(three_messages());
        assert_eq!(setting.push(0..5, QoS::AtLeastOnce), Pressure::Low);
        setting.push(5..7, QoS::AtLeastOnce);
        assert!(
            setting.mailbox.spilled().is_none(),
            "what is in memory comes first"
        );
        assert_eq!(setting.drain(), [0, 1, 2]);
        setting.push(7..8, QoS::AtLeastOnce);
        let mut fetched = setting.fetch();
        while fetched.len() < 5 {
            assert_eq!(setting.drain(), [], "later messages follow those on disk");
            fetched.extend(setting.fetch());
        }
        assert_eq!(fetched, [3, 4, 5, 6, 7]);
        setting.push(8..9, QoS::AtLeastOnce);
        assert_eq!(setting.drain(), [8]);
    }

    #[test]
    fn qos_0_beyond_the_bound_is_dropped_and_counted() {
        let setting = setting(three_messages());
        setting.push(0..5, QoS::AtMostOnce);
        assert_eq!(setting.drain(), [0, 1, 2]);
        assert_eq!(setting.counters.messages_dropped_qos0.get(), 2);
        assert!(setting.mailbox.spilled().is_none());
    }

    #[test]
    fn what_the_sessions_queue_cannot_hold_is_dropped_and_counted() {
        let setting = setting(Limits {
            session_queue_messages: 2,
            ..three_messages()
        });
        setting.push(0..7, QoS::AtLeastOnce);
        assert_eq!(setting.drain(), [0, 1, 2]);
        assert_eq!(setting.fetch(), [3, 4]);
        assert_eq!(setting.counters.messages_dropped_full.get(), 2);
    }

    #[test]
    fn a_publisher_is_slowed_only_while_the_subscriber_may_catch_up() {
        let setting = setting(Limits {
            mailbox_messages: 10,
            ..Limits::default()
        });
        assert_eq!(setting.push(0..5, QoS::AtLeastOnce), Pressure::Low);
        assert_eq!(setting.push(5..6, QoS::AtLeastOnce), Pressure::High);
        assert_eq!(setting.push(6..20, QoS::AtLeastOnce), Pressure::Low);
    }

    #[test]
    fn a_closed_mailbox_takes_nothing_and_gives_up_its_queue() {
        let setting = setting(three_messages());
        setting.push(0..5, QoS::AtLeastOnce);
        assert!(setting.mailbox.close().is_some());
        setting.push(5..6, QoS::AtLeastOnce);
        assert_eq!(setting.drain(), []);
        assert!(setting.mailbox.close().is_none());
    }
}
