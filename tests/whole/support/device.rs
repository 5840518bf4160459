//! A client of any version that says what the test tells it to, and reads what it is sent.

mod hello;
mod packets;

use std::{collections::VecDeque, net::SocketAddr};

use self::packets::put_properties;
pub(crate) use self::{
    hello::Hello,
    packets::{Message, Publish, ack, user_property, variable},
};
use crate::support::{
    version::Version::{self, V5},
    wire::{Packet, Wire, packet, string},
};

/// PUBREC, PUBREL and PUBCOMP for one packet identifier, and PUBACK.
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;

/// Subscription options beside the QoS (MQTT 5, 3.8.3.1).
pub(crate) const RETAIN_AS_PUBLISHED: u8 = 0x08;
pub(crate) const SEND_RETAINED_IF_NEW: u8 = 0x10;
pub(crate) const SEND_NO_RETAINED: u8 = 0x20;

/// A client that is connected.
pub(crate) struct Device {
    pub(crate) wire: Wire,
    version: Version,
    /// The packet identifier that was used last.
    packet_id: u16,
    /// Publishes that came before an answer that was waited for.
    set_aside: VecDeque<Packet>,
}

impl Device {
    /// Opens a connection and sends nothing.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, version: Version) -> Self {
        Self {
            wire: Wire::open(address),
            version,
            packet_id: 0,
            set_aside: VecDeque::new(),
        }
    }

    /// Is accepted with a clean session.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, version: Version, client_id: &str) -> Self {
        Hello::clean(version, client_id).accepted(address).0
    }

    /// A packet identifier that is not in use.
    pub(crate) fn next_id(&mut self) -> u16 {
        self.packet_id = self.packet_id % 60_000 + 1;
        self.packet_id
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub(crate) fn expect(&mut self, what: &str) -> Packet {
        match self.set_aside.pop_front() {
            Some(packet) => packet,
            None => self.wire.expect(what),
        }
    }

    /// The next packet that is not a PUBLISH; those before it stay to be received.
    #[track_caller]
    pub(crate) fn answer(&mut self, what: &str) -> Packet {
        loop {
            let packet = self.wire.expect(what);
            if packet.first >> 4 != 3 {
                return packet;
            }
            self.set_aside.push_back(packet);
        }
    }

    /// Subscribes and gives the reason code.
    #[track_caller]
    pub(crate) fn asks_for(&mut self, filter: impl AsRef<[u8]>, options: u8) -> u8 {
        let packet_id = self.next_id();
        self.wire
            .send(&self.subscribe_packet(packet_id, &[], &[(filter.as_ref(), options)]));
        let answer = self.answer("SUBACK");
        assert_eq!(answer.first, 0x90, "{answer:x?}");
        answer.body[answer.body.len() - 1]
    }

    /// Subscribes and is granted what it asks for.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) {
        assert_eq!(self.asks_for(filter, options), options & 3, "{filter}");
    }

    /// A SUBSCRIBE of this version.
    pub(crate) fn subscribe_packet(
        &self,
        packet_id: u16,
        properties: &[u8],
        filters: &[(&[u8], u8)],
    ) -> Vec<u8> {
        let mut body = packet_id.to_be_bytes().to_vec();
        put_properties(self.version, properties, &mut body);
        for (filter, options) in filters {
            body.extend_from_slice(&string(filter));
            body.push(*options);
        }
        packet(0x82, &body)
    }

    /// Ends the subscriptions to all `filters`, whether they are there or not.
    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, filters: &[impl AsRef<str>]) {
        let packet_id = self.next_id();
        let mut body = packet_id.to_be_bytes().to_vec();
        put_properties(self.version, &[], &mut body);
        for filter in filters {
            body.extend_from_slice(&string(filter.as_ref().as_bytes()));
        }
        self.wire.send(&packet(0xA2, &body));
        assert_eq!(self.answer("UNSUBACK").first, 0xB0);
    }

    /// Publishes through the whole handshake, and is not refused.
    #[track_caller]
    pub(crate) fn publish(&mut self, publish: &Publish) {
        let reason = self.publishes(publish);
        assert!(reason < 0x80, "{reason:#x}: {publish:?}");
    }

    /// Publishes through the whole handshake; the reason code of PUBACK or PUBREC.
    #[track_caller]
    pub(crate) fn publishes(&mut self, publish: &Publish) -> u8 {
        let packet_id = self.next_id();
        self.wire.send(&publish.encode(self.version, packet_id));
        match publish.qos {
            0 => 0,
            1 => self.acknowledged(PUBACK, packet_id),
            _ => {
                let reason = self.acknowledged(PUBREC, packet_id);
                if reason < 0x80 {
                    self.wire.send(&ack(PUBREL, packet_id));
                    self.acknowledged(PUBCOMP, packet_id);
                }
                reason
            }
        }
    }

    /// Waits for an acknowledgement; its reason code.
    #[track_caller]
    pub(crate) fn acknowledged(&mut self, first: u8, packet_id: u16) -> u8 {
        let answer = self.answer("an acknowledgement");
        let found = u16::from_be_bytes([answer.body[0], answer.body[1]]);
        assert_eq!((answer.first, found), (first, packet_id), "{answer:x?}");
        answer.body.get(2).copied().unwrap_or_default()
    }

    /// The next packet, which is a PUBLISH and is not acknowledged.
    #[track_caller]
    pub(crate) fn unacknowledged(&mut self, what: &str) -> Message {
        Message::read(self.version, &self.expect(what))
    }

    /// The next packet, which is a PUBLISH and is acknowledged to the end.
    #[track_caller]
    pub(crate) fn message(&mut self, what: &str) -> Message {
        let message = self.unacknowledged(what);
        self.acknowledge(&message);
        message
    }

    /// Acknowledges `message` to the end.
    #[track_caller]
    pub(crate) fn acknowledge(&mut self, message: &Message) {
        match message.qos {
            0 => {}
            1 => self.wire.send(&ack(PUBACK, message.packet_id)),
            _ => {
                self.wire.send(&ack(PUBREC, message.packet_id));
                self.acknowledged(PUBREL, message.packet_id);
                self.wire.send(&ack(PUBCOMP, message.packet_id));
            }
        }
    }

    /// The messages before the one that `publisher` sends to `topic` to mark the end.
    ///
    /// This client has subscribed to `topic`.
    #[track_caller]
    pub(crate) fn messages_before_marker(
        &mut self,
        publisher: &mut Self,
        topic: &str,
    ) -> Vec<Message> {
        publisher.publish(&Publish::new(topic, "the marker").qos(1));
        let mut messages = Vec::new();
        loop {
            let message = self.message("the marker");
            if message.topic == topic && message.payload == b"the marker" {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Is answered, whatever else it is sent before.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.wire.send(&packet(0xC0, &[]));
        assert_eq!(self.answer("PINGRESP").first, 0xD0);
    }

    /// The gateway says DISCONNECT, which only MQTT 5 has, and closes the connection; the
    /// reason code.
    #[track_caller]
    pub(crate) fn is_sent_away(&mut self) -> Option<u8> {
        let mut reason = None;
        while let Some(packet) = self.wire.receive() {
            assert_eq!(reason, None, "{packet:x?} behind DISCONNECT");
            if packet.first == 0xE0 {
                assert_eq!(self.version, V5);
                reason = Some(packet.body.first().copied().unwrap_or_default());
            }
        }
        reason
    }

    /// Says goodbye and waits for the end of the connection.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.wire.send(&packet(0xE0, &[]));
        while self.wire.receive().is_some() {}
    }
}
