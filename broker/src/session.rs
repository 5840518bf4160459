//! What a session knows of its handshakes, as plain data: no socket, no clock, no store.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use crate::{
    aliases::{OutboundAliases, TopicForm},
    codec::{Ack, AckKind, Outgoing, QoS, Reason, Version},
    counters::Counters,
    mailbox::Mailbox,
    message::{Delivery, Expired, Queued, Terms},
    window::{Step, Window},
};

/// What of a session's handshakes outlives a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Handshakes {
    /// Packet identifiers of QoS 2 publishes that were received and not released.
    pub(crate) received: HashSet<u16>,
    /// Places in the session's queue of QoS 2 messages that the client has and that await
    /// PUBCOMP.
    pub(crate) released: BTreeSet<u64>,
    /// Messages in the queue before this were sent; after a kill, may have been.
    pub(crate) sent: u64,
}

/// How far ahead of what is sent the store knows that it may be.
pub(crate) const PROMISED: u64 = 1_000;

/// The state of one session while its client is connected.
#[derive(Debug)]
pub(crate) struct Session {
    version: Version,
    /// The largest packet that the client takes.
    maximum_packet_size: usize,
    handshakes: Handshakes,
    /// Of the QoS 2 publishes that were received, those that came over an earlier connection
    /// alone: they take no place among the open ones of this (MQTT 5, 4.9).
    #[expect(
        clippy::box_collection,
        reason = "hardly any connection has some, and many are idle"
    )]
    carried: Option<Box<HashSet<u16>>>,
    /// Messages to the client that wait for a place in the window or the buffer.
    pending: VecDeque<Pending>,
    window: Window,
    aliases: Option<Box<OutboundAliases>>,
    /// Messages in flight that another session of a group may get instead, by their position.
    redeliverable: BTreeMap<u64, Delivery>,
    /// Messages of the queue that need not be sent any more.
    obsolete: Vec<u64>,
    /// Messages of the queue before this may be sent: the store knows of it, or will.
    promised: u64,
    /// The same, of what it knows.
    sendable: u64,
    /// The message that has waited for it, or waits.
    held_up: u64,
}

/// What waits to be sent.
#[derive(Debug)]
enum Pending {
    New(Delivery),
    /// It may have been sent before.
    Again(Delivery),
    /// PUBREL for a message that the client has.
    Release(u64),
}

/// What an acknowledgement means for its session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    Nothing,
    /// The message at this position is over.
    Done(u64),
    /// The client has the QoS 2 message at this position; PUBREL is due.
    Received(u64),
    /// PUBREL is due, once more or for nothing.
    Release(Reason),
    /// The QoS 2 message at this position is over.
    Completed(u64),
    /// The client has released its publish; PUBCOMP is due.
    Released(Reason),
}

/// What a stored message means to a session that reads its queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It was not sent.
    Fresh,
    /// It may have been sent, unless it is settled.
    Sent,
}

impl Session {
    /// The session of a client that takes `inflight` messages at once and so many topic
    /// `aliases`; `head` is where its queue begins, of which the messages before `promised`
    /// may be sent.
    pub(crate) fn new(
        version: Version,
        inflight: u16,
        maximum_packet_size: usize,
        aliases: u16,
        mut handshakes: Handshakes,
        head: u64,
        promised: u64,
    ) -> Session {
        // What a full queue dropped is not read again; its identifiers may come round.
        let near = head.saturating_sub(u64::from(u16::MAX) / 2);
        handshakes.released = handshakes.released.split_off(&near);
        let passed = handshakes.released.range(..head);
        Session {
            carried: (!handshakes.received.is_empty())
                .then(|| Box::new(handshakes.received.clone())),
            pending: passed.copied().map(Pending::Release).collect(),
            version,
            maximum_packet_size,
            handshakes,
            window: Window::new(inflight),
            aliases: (aliases > 0).then(|| Box::new(OutboundAliases::new(aliases))),
            redeliverable: BTreeMap::new(),
            obsolete: Vec::new(),
            promised,
            sendable: promised,
            held_up: 0,
        }
    }

    /// Up to where the store should know that messages may be sent, if that is further than
    /// before.
    ///
    /// It knows before they are sent: after a kill, all that may have been has DUP
    /// ([MQTT-3.3.1-1]).
    pub(crate) fn next_promise(&mut self) -> Option<u64> {
        let next = self.handshakes.sent.max(self.held_up);
        if next.saturating_add(PROMISED / 2) < self.promised {
            return None;
        }
        self.promised = next + PROMISED;
        Some(self.promised)
    }

    /// The store knows what [`Session::next_promise`] has told last.
    pub(crate) fn allow(&mut self) {
        self.sendable = self.promised;
    }

    /// Whether a message waits for the store to know of it.
    pub(crate) fn is_held_up(&self) -> bool {
        self.held_up >= self.sendable
    }

    /// Whether it can take messages from its mailbox.
    pub(crate) fn wants_messages(&self) -> bool {
        self.pending.is_empty() && self.window.has_room()
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes what waits in the mailbox's memory.
    pub(crate) fn drain(&mut self, mailbox: &Mailbox) {
        let mut deliveries = VecDeque::new();
        mailbox.drain(&mut deliveries);
        self.take(&mut deliveries);
    }

    /// Takes messages that come from no queue.
    pub(crate) fn take(&mut self, deliveries: &mut VecDeque<Delivery>) {
        self.pending.extend(deliveries.drain(..).map(Pending::New));
    }

    /// How far the message at `sequence` of the queue has come. Ask once for each, in order.
    pub(crate) fn standing(&self, sequence: u64) -> Standing {
        if sequence < self.handshakes.sent {
            Standing::Sent
        } else {
            Standing::Fresh
        }
    }

    /// The message at `sequence` of the queue is settled: those before it were sent.
    pub(crate) fn pass(&mut self, sequence: u64) {
        self.handshakes.sent = self.handshakes.sent.max(sequence + 1);
    }

    /// Takes a message of the queue that is not settled, in the order of the queue.
    pub(crate) fn take_stored(&mut self, sequence: u64, delivery: Delivery) {
        let standing = self.standing(sequence);
        self.pending.push_back(match standing {
            _ if self.handshakes.released.contains(&sequence) => Pending::Release(sequence),
            Standing::Sent => Pending::Again(delivery),
            Standing::Fresh => Pending::New(delivery),
        });
    }

    /// A QoS 2 publish arrived, for the first time or again.
    pub(crate) fn receive(&mut self, packet_id: u16) {
        self.put_down(packet_id);
        self.handshakes.received.insert(packet_id);
    }

    /// Whether a QoS 2 publish was received before and not released.
    pub(crate) fn has_received(&self, packet_id: u16) -> bool {
        self.handshakes.received.contains(&packet_id)
    }

    /// QoS 2 publishes that were received over this connection and not released.
    pub(crate) fn received(&self) -> usize {
        let carried = self.carried.as_ref().map_or(0, |carried| carried.len());
        self.handshakes.received.len() - carried
    }

    fn put_down(&mut self, packet_id: u16) {
        if let Some(carried) = &mut self.carried {
            carried.remove(&packet_id);
        }
    }

    /// Handles an acknowledgement.
    pub(crate) fn acknowledge(&mut self, ack: Ack) -> Progress {
        if ack.kind == AckKind::PubRel {
            self.put_down(ack.packet_id);
            let known = self.handshakes.received.remove(&ack.packet_id);
            return Progress::Released(if known {
                Reason::Success
            } else {
                Reason::PacketIdentifierNotFound
            });
        }
        let Some((position, step)) = self.window.find(ack.packet_id) else {
            return match ack.kind {
                AckKind::PubRec if !ack.is_error() => {
                    Progress::Release(Reason::PacketIdentifierNotFound)
                }
                // An acknowledgement of nothing changes nothing.
                _ => Progress::Nothing,
            };
        };
        match (ack.kind, step) {
            (AckKind::PubAck, Step::AwaitsPubAck) => {
                self.window.advance(position, Step::Done);
                self.redeliverable.remove(&position);
                Progress::Done(position)
            }
            (AckKind::PubRec, Step::AwaitsPubRec) if ack.is_error() => {
                self.window.advance(position, Step::Done);
                Progress::Done(position)
            }
            (AckKind::PubRec, Step::AwaitsPubRec) => {
                self.window.advance(position, Step::AwaitsPubComp);
                self.handshakes.released.insert(position);
                Progress::Received(position)
            }
            (AckKind::PubRec, Step::AwaitsPubComp) => Progress::Release(Reason::Success),
            (AckKind::PubComp, Step::AwaitsPubComp) => {
                self.window.advance(position, Step::Done);
                self.handshakes.released.remove(&position);
                Progress::Completed(position)
            }
            _ => Progress::Nothing,
        }
    }

    /// Appends pending messages to `out`, until the window or `limit` bytes are full.
    ///
    /// `now` is in milliseconds since the Unix epoch.
    pub(crate) fn send(&mut self, out: &mut Vec<u8>, limit: usize, now: u64, counters: &Counters) {
        while out.len() < limit
            && let Some(pending) = self.pending.pop_front()
        {
            let (delivery, dup) = match pending {
                Pending::New(delivery) => (delivery, false),
                Pending::Again(delivery) => (delivery, true),
                Pending::Release(position) => {
                    let id = self.window.open(position, Step::AwaitsPubComp);
                    Ack::encode(AckKind::PubRel, id, Reason::Success, self.version, out);
                    continue;
                }
            };
            if let Some(rest) = self.send_delivery(delivery, dup, out, limit, now, counters) {
                self.pending.push_front(if dup {
                    Pending::Again(rest)
                } else {
                    Pending::New(rest)
                });
                return;
            }
        }
    }

    /// Appends the messages of `delivery`; gives back what did not fit.
    fn send_delivery(
        &mut self,
        mut delivery: Delivery,
        dup: bool,
        out: &mut Vec<u8>,
        limit: usize,
        now: u64,
        counters: &Counters,
    ) -> Option<Delivery> {
        let run = Arc::clone(&delivery.run);
        let (mut sent, mut rest) = (0, None);
        for index in delivery.range.clone() {
            let message = run.get(index);
            let qos = delivery.terms.qos(&message);
            let position = match delivery.sequence {
                Some(first) => first + u64::from(index),
                None => self.window.next(),
            };
            if delivery.sequence.is_some() && position >= self.sendable {
                self.held_up = position;
                delivery.range.start = index;
                rest = Some(delivery);
                break;
            }
            if out.len() >= limit || (qos != QoS::AtMostOnce && !self.window.has_room_at(position))
            {
                delivery.range.start = index;
                rest = Some(delivery);
                break;
            }
            let expiry = match message.expiry_at(now) {
                Ok(expiry) => expiry,
                // What was sent once does not expire any more ([MQTT-4.3.3-7]).
                Err(Expired) if dup => Some(0),
                Err(Expired) => {
                    counters.messages_expired.add(1);
                    self.obsolete.extend(delivery.sequence.map(|_| position));
                    continue;
                }
            };
            let mut outgoing = outgoing(&message, &delivery.terms, expiry);
            outgoing.dup = dup && qos != QoS::AtMostOnce;
            let propose = |aliases: &OutboundAliases| aliases.propose(outgoing.topic);
            let mut form = self.aliases.as_deref().map_or(TopicForm::Plain, propose);
            outgoing.topic_alias = form.number();
            if form.is_known() {
                outgoing.topic = "";
            } else if outgoing.encoded_len(self.version) > self.maximum_packet_size {
                // An alias that is new costs a few bytes.
                form = TopicForm::Plain;
                outgoing.topic_alias = None;
            }
            if outgoing.encoded_len(self.version) > self.maximum_packet_size {
                counters.messages_dropped_oversize.add(1);
                self.obsolete.extend(delivery.sequence.map(|_| position));
                continue;
            }
            if let Some(aliases) = &mut self.aliases {
                aliases.commit(&form, message.topic.as_str());
            }
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => {
                    outgoing.packet_id = self.window.open(position, Step::AwaitsPubAck);
                    self.remember(position, index, &delivery);
                }
                QoS::ExactlyOnce => {
                    outgoing.packet_id = self.window.open(position, Step::AwaitsPubRec);
                }
            }
            if delivery.sequence.is_some() {
                self.handshakes.sent = self.handshakes.sent.max(position + 1);
            }
            outgoing.encode(self.version, out);
            sent += 1;
        }
        counters.messages_sent.add(sent);
        rest
    }

    /// Keeps a message in flight that another session may get if this one ends.
    fn remember(&mut self, position: u64, index: u32, delivery: &Delivery) {
        if delivery.terms.share.is_some() && delivery.sequence.is_none() {
            let message = Delivery {
                range: index..index + 1,
                ..delivery.clone()
            };
            self.redeliverable.insert(position, message);
        }
    }

    /// Messages of the queue that were left out: they have expired or are too large.
    pub(crate) fn take_obsolete(&mut self) -> impl Iterator<Item = Range<u64>> {
        self.obsolete.drain(..).map(|place| place..place + 1)
    }

    /// The connection has ended: what outlives it, and messages in memory that a group's other
    /// sessions may get.
    pub(crate) fn end(self) -> (Handshakes, Vec<Delivery>) {
        let in_flight = self.redeliverable.into_values();
        let waiting = self
            .pending
            .into_iter()
            .filter_map(|pending| match pending {
                Pending::New(delivery) => Some(delivery),
                Pending::Again(_) | Pending::Release(_) => None,
            });
        let is_shared =
            |delivery: &Delivery| delivery.terms.share.is_some() && delivery.sequence.is_none();
        let messages = in_flight.chain(waiting).filter(is_shared).collect();
        (self.handshakes, messages)
    }
}

fn outgoing<'a>(message: &Queued<'a>, terms: &'a Terms, expiry: Option<u32>) -> Outgoing<'a> {
    Outgoing {
        dup: false,
        qos: terms.qos(message),
        retain: terms.retain(message),
        topic: message.topic.as_str(),
        topic_alias: None,
        packet_id: 0,
        subscription_ids: terms.ids(),
        properties: message.properties,
        expiry,
        payload: message.payload,
    }
}
