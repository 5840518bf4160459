//! What a client sends, packet by packet.

use std::collections::HashSet;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Connection, End};
use crate::{
    codec::{
        Ack, AckKind, DecodeError, Disconnect, Frame, PacketType, Publish, QoS, Reason, Subscribe,
        SubscriptionOptions, Unsubscribe, Version, answer_len, encode_suback, encode_unsuback,
    },
    compat::Compat,
    inbound::NotTaken,
    retained::Cursor,
    session::Progress,
    stored::key,
};

/// The end of a connection on which QoS 2 is not there.
const QOS_2: End = End::Failed {
    reason: Reason::QosNotSupported,
    what: "QoS 2 is not there on this listener",
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Handles the packets that were read.
    pub(super) fn handle_input(&mut self) -> Result<(), End> {
        let mut input = std::mem::take(&mut self.socket.input);
        let (mut handled, mut publishes) = (Ok(()), 0);
        while handled.is_ok() && self.may_read() {
            match input.frame(self.core.limits.max_packet_size) {
                Ok(Some(frame)) => {
                    let length = frame.length;
                    if frame.packet_type == PacketType::Publish && self.is_too_fast() {
                        break;
                    }
                    publishes += u64::from(frame.packet_type == PacketType::Publish);
                    handled = self.handle(frame);
                    input.consume(length);
                }
                Ok(None) => break,
                Err(error) => handled = Err(error.into()),
            }
        }
        self.socket.input = input;
        if publishes > 0 {
            self.core.counters.messages_received.add(publishes);
        }
        handled
    }

    /// Whether the client has to wait before it publishes on.
    fn is_too_fast(&mut self) -> bool {
        let Some(rate) = &mut self.rate else {
            return false;
        };
        self.paused_until = rate.take(Instant::now()).err();
        if self.paused_until.is_some() {
            self.core.counters.publishers_throttled.add(1);
        }
        self.paused_until.is_some()
    }

    fn handle(&mut self, frame: Frame<'_>) -> Result<(), End> {
        let version = self.terms.version;
        frame.check_flags(version)?;
        match frame.packet_type {
            PacketType::Publish => {
                self.publish(&Publish::decode(frame.flags, frame.body, version)?)
            }
            PacketType::PubAck => self.acknowledge(AckKind::PubAck, frame.body),
            PacketType::PubRec => self.acknowledge(AckKind::PubRec, frame.body),
            PacketType::PubRel => self.acknowledge(AckKind::PubRel, frame.body),
            PacketType::PubComp => self.acknowledge(AckKind::PubComp, frame.body),
            PacketType::Subscribe => self.subscribe(&Subscribe::decode(frame.body, version)?),
            PacketType::Unsubscribe => self.unsubscribe(&Unsubscribe::decode(frame.body, version)?),
            PacketType::PingReq => {
                if !frame.body.is_empty() {
                    return Err(DecodeError::malformed("a PINGREQ has a body").into());
                }
                self.socket.output.extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            PacketType::Disconnect => {
                Err(self.disconnect(Disconnect::decode(frame.body, version)?))
            }
            PacketType::Connect => Err(DecodeError::protocol("a second CONNECT").into()),
            PacketType::Auth if version == Version::V5 => {
                Err(DecodeError::protocol("AUTH without an authentication method").into())
            }
            PacketType::Auth => Err(DecodeError::malformed("the packet type is reserved").into()),
        }
    }

    fn disconnect(&self, disconnect: Disconnect) -> End {
        let asked = disconnect.session_expiry;
        if self.place.expiry() == 0 && asked.is_some_and(|seconds| seconds > 0) {
            let what = "a DISCONNECT wants to keep a session that its CONNECT did not";
            return DecodeError::protocol(what).into();
        }
        End::Disconnected {
            publishes_will: disconnect.publishes_will,
            expiry: asked.map(|seconds| self.core.limits.session_expiry(seconds)),
        }
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Result<(), End> {
        let (version, compat) = (self.terms.version, self.terms.compat);
        let kind = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(AckKind::PubAck),
            QoS::ExactlyOnce => Some(AckKind::PubRec),
        };
        check_compat(compat, publish)?;
        let is_exactly_once = publish.qos == QoS::ExactlyOnce;
        let is_repeated = is_exactly_once && self.session.has_received(publish.packet_id);
        if kind.is_some()
            && !is_repeated
            && version == Version::V5
            && self.open_publishes() >= self.terms.receive_maximum
        {
            return Err(End::Failed {
                reason: Reason::ReceiveMaximumExceeded,
                what: "more publishes are open than the receive maximum",
            });
        }
        let alias = publish.properties.topic_alias;
        let topic = self.aliases.resolve(publish.topic, alias)?;
        if is_repeated {
            // It has been taken ([MQTT-4.3.3-10]).
            self.session.receive(publish.packet_id);
            self.inbound
                .acknowledge(AckKind::PubRec, publish.packet_id, Reason::Success);
            return Ok(());
        }
        let taken = if publish.retain && !compat.retains(topic) {
            let what = "a message on a topic that begins with $ cannot be retained";
            Err(NotTaken::Refused(Reason::NotAuthorized, what))
        } else {
            self.inbound
                .take(&Publish { topic, ..*publish }, &self.core)
        };
        let reason = match taken {
            Ok(()) => Reason::Success,
            Err(NotTaken::Invalid(error)) => return Err(error.into()),
            Err(NotTaken::Refused(reason, what)) => {
                self.core.counters.messages_refused.add(1);
                // MQTT 3 can only close; at QoS 0 nobody waits for an answer.
                if version != Version::V5 && (kind.is_some() || reason == Reason::NotAuthorized) {
                    return Err(End::Failed { reason, what });
                }
                reason
            }
        };
        if is_exactly_once && reason == Reason::Success {
            self.session.receive(publish.packet_id);
            if self.place.is_lasting() {
                let key = key::received(self.inbound.client_id(), publish.packet_id);
                self.inbound.records.put(&key, &[]);
            }
        }
        if let Some(kind) = kind {
            self.inbound.acknowledge(kind, publish.packet_id, reason);
        }
        Ok(())
    }

    /// Publishes that no PUBACK or PUBCOMP has answered (MQTT 5, 4.9).
    fn open_publishes(&self) -> u16 {
        let at_least_once = self.acks.open().pubacks + self.inbound.open().pubacks;
        u16::try_from(at_least_once + self.session.received()).unwrap_or(u16::MAX)
    }

    /// Handles a step of a handshake. What a session that outlives its connection must not
    /// forget is on disk before the answer leaves.
    fn acknowledge(&mut self, kind: AckKind, body: &[u8]) -> Result<(), End> {
        let ack = Ack::decode(kind, body, self.terms.version)?;
        let id = ack.packet_id;
        let (inbound, out) = (&mut self.inbound, &mut self.socket.output);
        let mut answer = |kind, reason| Ack::encode(kind, id, reason, self.terms.version, out);
        let queue = self.queue.as_ref().filter(|_| self.place.is_lasting());
        match (self.session.acknowledge(ack), queue) {
            (Progress::Nothing, _) | (Progress::Done(_) | Progress::Completed(_), None) => {}
            (Progress::Done(position), Some((queue, _))) => {
                inbound.records.settle(queue, position..position + 1);
            }
            (Progress::Completed(position), Some((queue, _))) => {
                inbound.records.settle(queue, position..position + 1);
                let key = key::released(inbound.client_id(), position);
                inbound.records.delete_lazily(&key);
            }
            (Progress::Received(position), Some(_)) => {
                let key = key::released(inbound.client_id(), position);
                inbound.records.put(&key, &[]);
                inbound.acknowledge(AckKind::PubRel, id, Reason::Success);
            }
            (Progress::Received(_), None) => answer(AckKind::PubRel, Reason::Success),
            (Progress::Release(reason), Some(_)) => {
                inbound.acknowledge(AckKind::PubRel, id, reason);
            }
            (Progress::Release(reason), None) => answer(AckKind::PubRel, reason),
            (Progress::Released(reason), Some(_)) => {
                if reason == Reason::Success {
                    let key = key::received(inbound.client_id(), id);
                    inbound.records.delete(&key);
                }
                inbound.acknowledge(AckKind::PubComp, id, reason);
            }
            (Progress::Released(reason), None) => answer(AckKind::PubComp, reason),
        }
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<(), End> {
        self.check_answer(subscribe.filters.len())?;
        let compat = self.terms.compat;
        let asks_for_2 = |(_, options): &(_, _)| is_exactly_once(options);
        if !compat.is_whole_mqtt() && subscribe.filters.iter().any(asks_for_2) {
            return Err(QOS_2);
        }
        // What was published before reaches no new subscription, and is found if retained.
        self.inbound.submit(&self.core, &mut self.acks)?;
        let reasons = if !compat.takes_filters(subscribe.filters.len()) {
            vec![Reason::QuotaExceeded; subscribe.filters.len()]
        } else if !compat.is_whole_mqtt() && subscribe.identifier.is_some() {
            vec![Reason::SubscriptionIdentifiersNotSupported; subscribe.filters.len()]
        } else {
            let records = &mut self.inbound.records;
            let (reasons, due) = self.place.subscribe(subscribe, compat, records);
            self.begin_with_retained(due);
            reasons
        };
        let version = self.terms.version;
        let write = |out: &mut Vec<u8>| encode_suback(subscribe.packet_id, &reasons, version, out);
        self.answer(write);
        Ok(())
    }

    /// Begins with what is retained for each filter, once however often it is repeated.
    fn begin_with_retained(&mut self, due: Vec<Cursor>) {
        let mut begun = HashSet::new();
        let last = due.into_iter().rev();
        let last: Vec<_> = last
            .filter(|cursor| begun.insert(cursor.filter.clone()))
            .collect();
        self.cursors
            .retain(|cursor| !begun.contains(&cursor.filter));
        self.cursors.extend(last.into_iter().rev());
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) -> Result<(), End> {
        self.check_answer(unsubscribe.filters.len())?;
        self.inbound.forward(&self.core);
        let records = &mut self.inbound.records;
        let reasons = self.place.unsubscribe(unsubscribe, records);
        let place = &self.place;
        self.cursors.retain(|cursor| place.has(&cursor.filter));
        let version = self.terms.version;
        let write =
            |out: &mut Vec<u8>| encode_unsuback(unsubscribe.packet_id, &reasons, version, out);
        self.answer(write);
        Ok(())
    }

    /// Whether the client takes a SUBACK or UNSUBACK for so many filters ([MQTT-3.1.2-24]).
    fn check_answer(&self, filters: usize) -> Result<(), End> {
        if answer_len(filters) > self.terms.maximum_packet_size {
            return Err(End::Failed {
                reason: Reason::PacketTooLarge,
                what: "the client takes no packet as large as the answer for its filters",
            });
        }
        Ok(())
    }

    /// Lets `write` answer, when what it says is on disk if it must be.
    fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.place.is_lasting() {
            self.inbound.answer(write);
        } else {
            write(&mut self.socket.output);
        }
    }
}

fn is_exactly_once(options: &SubscriptionOptions) -> bool {
    options.qos == QoS::ExactlyOnce
}

/// Whether a publish keeps to what a listener is compatible with.
fn check_compat(compat: Compat, publish: &Publish<'_>) -> Result<(), End> {
    if !compat.is_whole_mqtt() && publish.qos == QoS::ExactlyOnce {
        return Err(QOS_2);
    }
    if !compat.takes_payload(publish.payload.len()) {
        return Err(End::Failed {
            reason: Reason::PacketTooLarge,
            what: "the payload is larger than 128 KiB",
        });
    }
    Ok(())
}
