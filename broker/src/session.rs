//! What a session knows, as plain data: no socket, no clock.

use std::collections::{HashSet, VecDeque};

use crate::{
    codec::{Ack, AckKind, Outgoing, QoS, Reason, Version},
    counters::Counters,
    message::{Delivery, Queued},
    window::{Step, Window},
};

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Session {
    version: Version,
    /// The largest packet that the client takes.
    maximum_packet_size: usize,
    /// Packet identifiers of QoS 2 publishes that were received and not released.
    received: HashSet<u16>,
    /// Messages to the client that wait for a place in the window or the buffer.
    pub(crate) pending: VecDeque<Delivery>,
    window: Window,
}

impl Session {
    /// A new session for a client that takes `inflight` messages at once.
    pub(crate) fn new(version: Version, inflight: u16, maximum_packet_size: usize) -> Session {
        Session {
            version,
            maximum_packet_size,
            received: HashSet::new(),
            pending: VecDeque::new(),
            window: Window::new(inflight),
        }
    }

    /// Whether it can take messages from its mailbox.
    pub(crate) fn wants_messages(&self) -> bool {
        self.pending.is_empty() && self.window.has_room()
    }

    /// A QoS 2 publish arrived; false when it is one that was received before ([MQTT-4.3.3-10]).
    pub(crate) fn receive(&mut self, packet_id: u16) -> bool {
        self.received.insert(packet_id)
    }

    /// QoS 2 publishes that were received and not released.
    pub(crate) fn received(&self) -> usize {
        self.received.len()
    }

    /// A publish was refused after all: its identifier is free again.
    pub(crate) fn release(&mut self, packet_id: u16) -> bool {
        self.received.remove(&packet_id)
    }

    /// Handles an acknowledgement, and appends the answer to `out`.
    pub(crate) fn acknowledge(&mut self, ack: Ack, out: &mut Vec<u8>) {
        let id = ack.packet_id;
        match (ack.kind, self.window.step(id)) {
            (AckKind::PubAck, Some(Step::AwaitsPubAck))
            | (AckKind::PubComp, Some(Step::AwaitsPubComp)) => {
                self.window.advance(id, Step::Done);
            }
            (AckKind::PubRec, Some(Step::AwaitsPubRec)) if ack.is_error() => {
                self.window.advance(id, Step::Done);
            }
            (AckKind::PubRec, Some(Step::AwaitsPubRec | Step::AwaitsPubComp)) => {
                self.window.advance(id, Step::AwaitsPubComp);
                Ack::encode(AckKind::PubRel, id, Reason::Success, self.version, out);
            }
            (AckKind::PubRec, _) if !ack.is_error() => {
                Ack::encode(
                    AckKind::PubRel,
                    id,
                    Reason::PacketIdentifierNotFound,
                    self.version,
                    out,
                );
            }
            (AckKind::PubRel, _) => {
                let known = self.release(id);
                let reason = if known {
                    Reason::Success
                } else {
                    Reason::PacketIdentifierNotFound
                };
                Ack::encode(AckKind::PubComp, id, reason, self.version, out);
            }
            // An acknowledgement of nothing changes nothing.
            _ => {}
        }
    }

    /// Appends pending messages to `out`, until the window or `limit` bytes are full.
    ///
    /// `now` is in milliseconds since the Unix epoch.
    pub(crate) fn send(&mut self, out: &mut Vec<u8>, limit: usize, now: u64, counters: &Counters) {
        let (mut sent, mut expired, mut oversize) = (0, 0, 0);
        'full: while let Some(mut delivery) = self.pending.pop_front() {
            while let Some(index) = delivery.range.next() {
                let message = delivery.run.get(index);
                let qos = message.qos.min(delivery.granted);
                if out.len() >= limit || (qos != QoS::AtMostOnce && !self.window.has_room()) {
                    delivery.range.start = index;
                    self.pending.push_front(delivery);
                    break 'full;
                }
                let Ok(expiry) = message.expiry_at(now) else {
                    expired += 1;
                    continue;
                };
                let mut outgoing = outgoing(&message, qos, delivery.retain_as_published, expiry);
                if outgoing.encoded_len(self.version) > self.maximum_packet_size {
                    oversize += 1;
                    continue;
                }
                match qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => outgoing.packet_id = self.window.open(Step::AwaitsPubAck),
                    QoS::ExactlyOnce => outgoing.packet_id = self.window.open(Step::AwaitsPubRec),
                }
                outgoing.encode(self.version, out);
                sent += 1;
            }
        }
        counters.messages_sent.add(sent);
        counters.messages_expired.add(expired);
        counters.messages_dropped_oversize.add(oversize);
    }
}

fn outgoing<'a>(
    message: &Queued<'a>,
    qos: QoS,
    retain_as_published: bool,
    expiry: Option<u32>,
) -> Outgoing<'a> {
    Outgoing {
        dup: false,
        qos,
        retain: message.retain && retain_as_published,
        topic: message.topic.as_str(),
        packet_id: 0,
        properties: message.properties,
        expiry,
        payload: message.payload,
    }
}
