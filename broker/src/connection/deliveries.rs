//! What a client gets: messages from its mailbox, its queue and what is retained.

use std::{collections::VecDeque, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tracing::error;

use super::{Connection, End, OUTPUT_HIGH};
use crate::{
    codec::QoS,
    message::Delivery,
    session::Standing,
    store::{Block, Queue, Reader, StoreError},
    stored::read_message,
};

/// Messages in the queue of a session above which no retained messages are added to it.
const QUEUE_BUSY: u64 = 1_000;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Appends messages for the client to the output.
    pub(super) fn send_messages(&mut self) -> Result<(), StoreError> {
        self.feed_retained()?;
        if !self.session.has_pending() {
            self.session.drain(self.place.mailbox());
        }
        if !self.session.has_pending() {
            return Ok(());
        }
        if self.durable.has_reached(self.promise) {
            self.session.allow();
        }
        self.session.send(
            &mut self.socket.output,
            OUTPUT_HIGH,
            self.core.clock.now(),
            &self.core.counters,
        );
        if !self.session.has_pending() {
            self.place.mailbox().sent();
        }
        if let Some((queue, _)) = &self.queue
            && self.place.is_lasting()
        {
            for sequences in self.session.take_obsolete() {
                self.inbound.records.settle(queue, sequences);
            }
        }
        Ok(())
    }

    /// Lets the store know in time how far messages of the queue may be sent.
    pub(super) fn promise(&mut self) -> Result<(), StoreError> {
        if let Some(until) = self.session.next_promise() {
            self.promise = self.place.promise(until)?;
        }
        Ok(())
    }

    /// Whether retained messages can be sent or queued.
    pub(super) fn feeds_retained(&self) -> bool {
        let is_busy = |(queue, _): &(Queue, Reader)| {
            let records = queue.records();
            records > 0 && records >= QUEUE_BUSY.min(self.core.limits.session_queue_messages / 2)
        };
        !self.cursors.is_empty()
            && self.session.wants_messages()
            && self.socket.unwritten() < OUTPUT_HIGH
            && !(self.place.is_lasting() && self.queue.as_ref().is_some_and(is_busy))
    }

    /// Takes the next retained messages that a subscription begins with.
    fn feed_retained(&mut self) -> Result<(), StoreError> {
        if !self.feeds_retained() {
            return Ok(());
        }
        let Some(mut cursor) = self.cursors.pop_front() else {
            return Ok(());
        };
        let core = Arc::clone(&self.core);
        // A message that replaces what is read here has to come behind it in the session's
        // queue, so it is not submitted before; what was gathered so far is.
        let unchanged = if self.place.is_lasting() {
            self.inbound.submit(&core, &mut self.acks)?;
            Some(core.retained.hold())
        } else {
            None
        };
        let next = core.retained.next(&mut cursor, core.clock.now());
        self.place
            .retained_sent(&cursor, next.is_none(), &mut self.inbound.records);
        let Some(deliveries) = next else {
            if self.cursors.is_empty() {
                self.cursors = VecDeque::new();
            }
            return Ok(());
        };
        let mailbox = self.place.mailbox();
        let client = mailbox.client();
        let mut unkept = VecDeque::new();
        for delivery in deliveries {
            let message = delivery.run.get(0);
            if !core.hooks.deliver(&client, message.topic, None) {
                continue;
            }
            if mailbox.is_durable() && delivery.terms.qos(&message) > QoS::AtMostOnce {
                mailbox.keep(&message, &delivery.terms, &mut self.inbound.records);
            } else {
                unkept.push_back(delivery);
            }
        }
        self.session.take(&mut unkept);
        self.cursors.push_front(cursor);
        if unchanged.is_some() {
            self.inbound.submit(&core, &mut self.acks)?;
        }
        Ok(())
    }

    /// Whether the client may see a message that was kept for whoever was there before.
    fn may_see(&self, delivery: &Delivery) -> bool {
        let client = self.place.mailbox().client();
        let topic = delivery.run.get(0).topic;
        self.core.hooks.deliver(&client, topic, None)
    }

    /// Takes messages that waited in the session's queue.
    pub(super) fn take_block(&mut self, block: &Block) -> Result<(), End> {
        let Some((queue, _)) = &self.queue else {
            return Ok(());
        };
        let is_lasting = self.place.is_lasting();
        let mut end = block.first();
        for (sequence, record) in block.records() {
            end = sequence + 1;
            if is_lasting
                && self.session.standing(sequence) == Standing::Sent
                && queue.is_settled(sequence)
            {
                self.session.pass(sequence);
                continue;
            }
            match read_message(&record, is_lasting.then_some(sequence)) {
                Some(delivery) if !self.may_see(&delivery) => {
                    self.core.counters.messages_withheld.add(1);
                    self.inbound.records.settle(queue, sequence..end);
                }
                Some(delivery) if is_lasting => self.session.take_stored(sequence, delivery),
                Some(delivery) => self.session.take(&mut VecDeque::from([delivery])),
                None => {
                    error!(
                        queue = queue.name(),
                        sequence, "a stored message cannot be read"
                    );
                    self.inbound.records.settle(queue, sequence..end);
                }
            }
        }
        if is_lasting {
            return Ok(());
        }
        let mut transaction = self.core.store.transaction();
        transaction.settle(queue, block.first()..end);
        self.core.store.submit(transaction)?;
        self.place.mailbox().fetched(block.len() as u64);
        Ok(())
    }
}
