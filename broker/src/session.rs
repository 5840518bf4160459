//! What a session knows of its handshakes, as plain data: no socket, no clock, no store.

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

#[cfg(test)]
mod tests {
    use perennial_rules::TopicName;

    use super::*;
    use crate::{
        codec::{Frame, PacketType, Publish},
        message::Run,
    };

    const V5: Version = Version::V5;
    const ROOM: usize = 1 << 20;

    fn session(inflight: u16, maximum_packet_size: usize) -> Session {
        resumed(inflight, maximum_packet_size, Handshakes::default(), 0)
    }

    fn resumed(inflight: u16, size: usize, handshakes: Handshakes, head: u64) -> Session {
        Session::new(V5, inflight, size, 0, handshakes, head, u64::MAX)
    }

    /// Messages on topic `t`, granted QoS 2.
    fn delivery(messages: &[(&[u8], QoS)]) -> Delivery {
        let mut run = Run::new(TopicName::parse("t").unwrap(), 0);
        for (payload, qos) in messages {
            run.push_plain(payload, *qos);
        }
        Delivery {
            range: 0..run.len() as u32,
            run: Arc::new(run),
            sequence: None,
            terms: Terms {
                granted: QoS::ExactlyOnce,
                ..Terms::default()
            },
        }
    }

    fn take(session: &mut Session, deliveries: impl Into<VecDeque<Delivery>>) {
        session.take(&mut deliveries.into());
    }

    /// A message of the queue.
    fn take_stored(session: &mut Session, sequence: u64, payload: &[u8], qos: QoS) {
        let stored = Delivery {
            sequence: Some(sequence),
            ..delivery(&[(payload, qos)])
        };
        session.take_stored(sequence, stored);
    }

    /// What `session` sends: packet type, DUP, packet identifier and payload.
    fn packets(session: &mut Session, limit: usize) -> Vec<(PacketType, bool, u16, Vec<u8>)> {
        let mut wire = Vec::new();
        session.send(&mut wire, limit, 0, &Counters::default());
        let mut packets = Vec::new();
        let mut rest = &wire[..];
        while let Some(frame) = Frame::first(rest, ROOM).unwrap() {
            let dup = frame.flags & 8 != 0;
            packets.push(if frame.packet_type == PacketType::Publish {
                let publish = Publish::decode(frame.flags, frame.body, V5).unwrap();
                let payload = publish.payload.to_vec();
                (frame.packet_type, dup, publish.packet_id, payload)
            } else {
                let id = u16::from_be_bytes([frame.body[0], frame.body[1]]);
                (frame.packet_type, false, id, Vec::new())
            });
            rest = &rest[frame.length..];
        }
        packets
    }

    /// Packet identifiers and payloads of the publishes that `session` sends.
    fn sent(session: &mut Session, limit: usize) -> Vec<(u16, Vec<u8>)> {
        let packets = packets(session, limit).into_iter();
        packets
            .map(|(packet_type, dup, id, payload)| {
                assert_eq!((packet_type, dup), (PacketType::Publish, false));
                (id, payload)
            })
            .collect()
    }

    fn acknowledge(session: &mut Session, kind: AckKind, packet_id: u16, reason: u8) -> Progress {
        session.acknowledge(Ack {
            kind,
            packet_id,
            reason,
        })
    }

    #[test]
    fn no_more_messages_are_in_flight_than_the_client_takes() {
        let mut session = session(2, ROOM);
        let messages: Vec<(&[u8], QoS)> = [b"1", b"2", b"3"]
            .map(|payload| (&payload[..], QoS::AtLeastOnce))
            .into();
        take(&mut session, [delivery(&messages)]);
        assert_eq!(
            sent(&mut session, ROOM),
            [(1, b"1".to_vec()), (2, b"2".to_vec())]
        );
        assert!(sent(&mut session, ROOM).is_empty());
        assert_eq!(
            acknowledge(&mut session, AckKind::PubAck, 2, 0),
            Progress::Done(1)
        );
        assert_eq!(sent(&mut session, ROOM), [(3, b"3".to_vec())]);
    }

    #[test]
    fn a_full_buffer_stops_sending_between_two_messages() {
        let mut session = session(10, ROOM);
        let messages = [
            (&b"one"[..], QoS::AtMostOnce),
            (&b"two"[..], QoS::AtMostOnce),
        ];
        take(&mut session, [delivery(&messages)]);
        assert_eq!(sent(&mut session, 1), [(0, b"one".to_vec())]);
        assert_eq!(sent(&mut session, 1), [(0, b"two".to_vec())]);
        assert!(!session.has_pending());
    }

    #[test]
    fn qos_2_to_the_client_goes_through_its_four_packets() {
        let mut session = session(1, ROOM);
        let messages = [(&b"x"[..], QoS::ExactlyOnce), (&b"y"[..], QoS::ExactlyOnce)];
        take(&mut session, [delivery(&messages)]);
        assert_eq!(sent(&mut session, ROOM), [(1, b"x".to_vec())]);
        let completes = |session: &mut Session| acknowledge(session, AckKind::PubComp, 1, 0);
        assert_eq!(completes(&mut session), Progress::Nothing);
        let receives = |session: &mut Session| acknowledge(session, AckKind::PubRec, 1, 0);
        assert_eq!(receives(&mut session), Progress::Received(0));
        let again = Progress::Release(Reason::Success);
        assert_eq!(receives(&mut session), again);
        assert!(sent(&mut session, ROOM).is_empty());
        assert_eq!(completes(&mut session), Progress::Completed(0));
        let unknown = Progress::Release(Reason::PacketIdentifierNotFound);
        assert_eq!(receives(&mut session), unknown);
        assert_eq!(sent(&mut session, ROOM), [(2, b"y".to_vec())]);
        assert_eq!(
            acknowledge(&mut session, AckKind::PubRec, 2, 0x97),
            Progress::Done(1)
        );
        assert!(session.wants_messages());
    }

    #[test]
    fn a_release_of_an_unknown_publish_says_so() {
        let mut session = session(1, ROOM);
        session.receive(7);
        assert!(session.has_received(7));
        let release = |session: &mut Session| acknowledge(session, AckKind::PubRel, 7, 0);
        assert_eq!(release(&mut session), Progress::Released(Reason::Success));
        assert_eq!(
            release(&mut session),
            Progress::Released(Reason::PacketIdentifierNotFound)
        );
        assert!(!session.has_received(7));
    }

    #[test]
    fn a_message_larger_than_the_client_takes_is_left_out() {
        let mut session = session(10, 13);
        let messages = [
            (&b"far too large"[..], QoS::AtLeastOnce),
            (&b"small"[..], QoS::AtLeastOnce),
        ];
        take(&mut session, [delivery(&messages)]);
        assert_eq!(sent(&mut session, ROOM), [(1, b"small".to_vec())]);
    }

    #[test]
    fn a_message_is_sent_with_the_lower_of_both_qos() {
        let mut session = session(10, ROOM);
        let granted = |granted| Delivery {
            terms: Terms {
                granted,
                ..Terms::default()
            },
            ..delivery(&[(b"x", QoS::AtLeastOnce)])
        };
        take(
            &mut session,
            [granted(QoS::AtMostOnce), granted(QoS::ExactlyOnce)],
        );
        assert_eq!(
            sent(&mut session, ROOM),
            [(0, b"x".to_vec()), (1, b"x".to_vec())]
        );
        assert_eq!(session.window.find(1), Some((0, Step::AwaitsPubAck)));
    }

    #[test]
    fn a_session_goes_on_where_its_connection_ended() {
        let mut first = session(10, ROOM);
        for (sequence, payload) in [(70_000, b"a"), (70_001, b"b"), (70_002, b"c")] {
            take_stored(&mut first, sequence, payload, QoS::ExactlyOnce);
        }
        let ids: Vec<_> = sent(&mut first, ROOM).iter().map(|(id, _)| *id).collect();
        let received = acknowledge(&mut first, AckKind::PubRec, ids[1], 0);
        assert_eq!(received, Progress::Received(70_001));
        let (handshakes, _) = first.end();

        let mut second = resumed(10, ROOM, handshakes, 70_000);
        for (sequence, payload) in [
            (70_000, b"a"),
            (70_001, b"b"),
            (70_002, b"c"),
            (70_003, b"d"),
        ] {
            take_stored(&mut second, sequence, payload, QoS::ExactlyOnce);
        }
        assert_eq!(
            packets(&mut second, ROOM),
            [
                (PacketType::Publish, true, ids[0], b"a".to_vec()),
                (PacketType::PubRel, false, ids[1], vec![]),
                (PacketType::Publish, true, ids[2], b"c".to_vec()),
                (PacketType::Publish, false, ids[2] + 1, b"d".to_vec()),
            ]
        );
        assert_eq!(
            acknowledge(&mut second, AckKind::PubComp, ids[1], 0),
            Progress::Completed(70_001)
        );
    }

    #[test]
    fn nothing_is_sent_that_the_store_does_not_know_may_be_sent() {
        let handshakes = Handshakes {
            sent: 1,
            ..Handshakes::default()
        };
        let mut session = resumed(10, ROOM, handshakes, 0);
        session.sendable = 2;
        session.promised = 2;
        for (sequence, payload) in [(0, b"a"), (1, b"b"), (2, b"c")] {
            take_stored(&mut session, sequence, payload, QoS::AtLeastOnce);
        }
        let dups = |session: &mut Session| -> Vec<_> {
            let packets = packets(session, ROOM);
            packets.iter().map(|(_, dup, ..)| *dup).collect()
        };
        assert_eq!(dups(&mut session), [true, false]);
        assert!(session.is_held_up());
        assert_eq!(session.next_promise(), Some(2 + PROMISED));
        assert_eq!(session.next_promise(), None);
        session.allow();
        assert_eq!(dups(&mut session), [false]);
        assert!(!session.is_held_up());
    }

    #[test]
    fn a_promise_reaches_a_message_behind_many_that_have_expired() {
        let mut session = resumed(10, ROOM, Handshakes::default(), 0);
        session.sendable = PROMISED;
        session.promised = PROMISED;
        take_stored(&mut session, 70_000, b"a", QoS::AtLeastOnce);
        assert_eq!(packets(&mut session, ROOM), []);
        let promise = session.next_promise();
        assert_eq!(promise, Some(70_000 + PROMISED));
        session.allow();
        assert_eq!(packets(&mut session, ROOM).len(), 1);
    }

    #[test]
    fn what_a_member_of_a_group_has_not_acknowledged_is_given_back_in_order() {
        let mut session = session(2, ROOM);
        let shared = |payload: &[u8], qos| {
            let mut delivery = delivery(&[(payload, qos)]);
            delivery.terms.share = Some("$share/g/t".into());
            delivery
        };
        take(
            &mut session,
            [
                shared(b"done", QoS::AtLeastOnce),
                delivery(&[(b"own", QoS::AtLeastOnce)]),
                shared(b"open", QoS::AtLeastOnce),
                shared(b"waiting", QoS::AtLeastOnce),
            ],
        );
        sent(&mut session, ROOM);
        acknowledge(&mut session, AckKind::PubAck, 1, 0);
        sent(&mut session, ROOM);
        let (_, shared) = session.end();
        let payloads: Vec<_> = shared
            .iter()
            .map(|delivery| delivery.run.get(delivery.range.start).payload.to_vec())
            .collect();
        assert_eq!(payloads, [b"open".to_vec(), b"waiting".to_vec()]);
    }
}
