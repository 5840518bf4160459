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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use perennial_rules::TopicName;

    use super::*;
    use crate::{
        codec::{Frame, PacketType, Publish},
        message::Run,
    };

    const V5: Version = Version::V5;
    const ROOM: usize = 1 << 20;

    /// Messages on topic `t`, granted QoS 2.
    fn delivery(messages: &[(&[u8], QoS)]) -> Delivery {
        let mut run = Run::new(TopicName::parse("t").unwrap(), 0);
        for (payload, qos) in messages {
            run.push_plain(payload, *qos);
        }
        Delivery {
            range: 0..run.len() as u32,
            run: Arc::new(run),
            granted: QoS::ExactlyOnce,
            retain_as_published: false,
        }
    }

    /// Sends what `session` may, and gives the packet identifiers and payloads of the publishes.
    fn sent(session: &mut Session, limit: usize) -> Vec<(u16, Vec<u8>)> {
        let mut wire = Vec::new();
        session.send(&mut wire, limit, 0, &Counters::default());
        let mut publishes = Vec::new();
        let mut rest = &wire[..];
        while let Some(frame) = Frame::first(rest, ROOM).unwrap() {
            assert_eq!(frame.packet_type, PacketType::Publish);
            let publish = Publish::decode(frame.flags, frame.body, V5).unwrap();
            publishes.push((publish.packet_id, publish.payload.to_vec()));
            rest = &rest[frame.length..];
        }
        publishes
    }

    fn acknowledge(session: &mut Session, kind: AckKind, packet_id: u16, reason: u8) -> Vec<u8> {
        let mut answer = Vec::new();
        session.acknowledge(
            Ack {
                kind,
                packet_id,
                reason,
            },
            &mut answer,
        );
        answer
    }

    #[test]
    fn no_more_messages_are_in_flight_than_the_client_takes() {
        let mut session = Session::new(V5, 2, ROOM);
        let messages: Vec<(&[u8], QoS)> = [b"1", b"2", b"3"]
            .map(|payload| (&payload[..], QoS::AtLeastOnce))
            .into();
        session.pending.push_back(delivery(&messages));
        assert_eq!(
            sent(&mut session, ROOM),
            [(1, b"1".to_vec()), (2, b"2".to_vec())]
        );
        assert!(sent(&mut session, ROOM).is_empty());
        assert!(acknowledge(&mut session, AckKind::PubAck, 2, 0).is_empty());
        assert_eq!(sent(&mut session, ROOM), [(3, b"3".to_vec())]);
    }

    #[test]
    fn a_full_buffer_stops_sending_between_two_messages() {
        let mut session = Session::new(V5, 10, ROOM);
        let messages = [
            (&b"one"[..], QoS::AtMostOnce),
            (&b"two"[..], QoS::AtMostOnce),
        ];
        session.pending.push_back(delivery(&messages));
        assert_eq!(sent(&mut session, 1), [(0, b"one".to_vec())]);
        assert_eq!(sent(&mut session, 1), [(0, b"two".to_vec())]);
        assert!(session.pending.is_empty());
    }

    #[test]
    fn qos_2_to_the_client_goes_through_its_four_packets() {
        let mut session = Session::new(V5, 1, ROOM);
        session.pending.push_back(delivery(&[
            (b"x", QoS::ExactlyOnce),
            (b"y", QoS::ExactlyOnce),
        ]));
        assert_eq!(sent(&mut session, ROOM), [(1, b"x".to_vec())]);
        assert!(acknowledge(&mut session, AckKind::PubComp, 1, 0).is_empty());
        assert_eq!(
            acknowledge(&mut session, AckKind::PubRec, 1, 0),
            [0x62, 2, 0, 1]
        );
        assert!(sent(&mut session, ROOM).is_empty());
        assert!(acknowledge(&mut session, AckKind::PubComp, 1, 0).is_empty());
        assert_eq!(sent(&mut session, ROOM), [(2, b"y".to_vec())]);
        assert!(acknowledge(&mut session, AckKind::PubRec, 2, 0x97).is_empty());
        assert!(session.wants_messages());
    }

    #[test]
    fn a_release_of_an_unknown_publish_says_so() {
        let mut session = Session::new(V5, 1, ROOM);
        assert!(session.receive(7));
        assert!(!session.receive(7));
        assert_eq!(
            acknowledge(&mut session, AckKind::PubRel, 7, 0),
            [0x70, 2, 0, 7]
        );
        assert_eq!(
            acknowledge(&mut session, AckKind::PubRel, 7, 0),
            [0x70, 3, 0, 7, 0x92]
        );
        assert!(session.receive(7));
    }

    #[test]
    fn a_message_larger_than_the_client_takes_is_left_out() {
        let mut session = Session::new(V5, 10, 13);
        session.pending.push_back(delivery(&[
            (b"far too large", QoS::AtLeastOnce),
            (b"small", QoS::AtLeastOnce),
        ]));
        assert_eq!(sent(&mut session, ROOM), [(1, b"small".to_vec())]);
    }

    #[test]
    fn a_message_is_sent_with_the_lower_of_both_qos() {
        let mut session = Session::new(V5, 10, ROOM);
        let granted = |granted| Delivery {
            granted,
            ..delivery(&[(b"x", QoS::AtLeastOnce)])
        };
        session
            .pending
            .extend([granted(QoS::AtMostOnce), granted(QoS::ExactlyOnce)]);
        assert_eq!(
            sent(&mut session, ROOM),
            [(0, b"x".to_vec()), (1, b"x".to_vec())]
        );
        assert_eq!(session.window.step(1), Some(Step::AwaitsPubAck));
    }
}
