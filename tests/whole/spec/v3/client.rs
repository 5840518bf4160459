//! A client that does what the test says, right or wrong.

use std::collections::VecDeque;

use super::packets::{
    Connect, DISCONNECT, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, RETAIN, UNSUBACK, ack, connack,
    packet, publish_with, suback, subscribe, unsubscribe,
};
use crate::support::{
    gateway::Gateway,
    wire::{Packet, Wire},
};

/// The packet identifier of what a client does without being told how.
const OWN_ID: u16 = 60_000;

/// What ends a `messages_before_marker`.
const MARKER: &str = "the marker";

/// A client of MQTT 3.1.1.
pub(crate) struct Client {
    wire: Wire,
    /// What came while something else was waited for.
    set_aside: VecDeque<Packet>,
}

/// A message as a subscriber sees it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
}

/// A PUBLISH from the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Delivery {
    /// 0 at QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) message: Message,
}

/// A message that is neither retained nor sent again.
pub(crate) fn message(qos: u8, topic: &str, payload: &str) -> Message {
    Message {
        topic: topic.to_owned(),
        payload: payload.to_owned(),
        qos,
        retain: false,
        dup: false,
    }
}

impl Message {
    /// The same with RETAIN.
    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same with DUP.
    pub(crate) fn repeated(mut self) -> Self {
        self.dup = true;
        self
    }
}

impl Client {
    /// Opens a connection and sends nothing.
    #[track_caller]
    pub(crate) fn open(gateway: &Gateway) -> Self {
        Self {
            wire: Wire::open(gateway.address()),
            set_aside: VecDeque::new(),
        }
    }

    /// Opens a connection and sends `bytes` as its first.
    #[track_caller]
    pub(crate) fn open_with(gateway: &Gateway, bytes: &[u8]) -> Self {
        let mut client = Self::open(gateway);
        client.send(bytes);
        client
    }

    /// Is accepted with a clean session.
    #[track_caller]
    pub(crate) fn connect(gateway: &Gateway, client_id: &str) -> Self {
        Self::connect_with(gateway, &Connect::new(client_id))
    }

    /// Is accepted with a CONNECT that finds no session.
    #[track_caller]
    pub(crate) fn connect_with(gateway: &Gateway, connect: &Connect) -> Self {
        let mut client = Self::open_with(gateway, &connect.bytes());
        client.expect(&connack(false, 0));
        client
    }

    /// Is accepted without clean session, and there was none of `client_id`.
    #[track_caller]
    pub(crate) fn begin(gateway: &Gateway, client_id: &str) -> Self {
        Self::connect_with(gateway, &Connect::new(client_id).keeping_session())
    }

    /// Is accepted without clean session, and goes on with that of `client_id`.
    #[track_caller]
    pub(crate) fn resume(gateway: &Gateway, client_id: &str) -> Self {
        let connect = Connect::new(client_id).keeping_session();
        let mut client = Self::open_with(gateway, &connect.bytes());
        client.expect(&connack(true, 0));
        client
    }

    /// Sends `bytes` as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes);
    }

    /// The next packet; `None` when the gateway has closed the connection.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        self.set_aside.pop_front().or_else(|| self.wire.receive())
    }

    /// The next packet is these bytes.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        let found = self.receive();
        let found = found.map(|found| packet(found.first, &found.body));
        assert_eq!(found.as_deref(), Some(expected));
    }

    /// The gateway closes the connection and says nothing more.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.receive(), None);
    }

    /// Whether the gateway has closed the connection; does not wait.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.wire.has_ended()
    }

    /// Whether something came while something else was waited for.
    pub(crate) fn has_set_aside(&self) -> bool {
        !self.set_aside.is_empty()
    }

    /// Waits for a packet of these bytes; what comes before it waits to be received.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expected: &[u8]) {
        let mut before = VecDeque::new();
        loop {
            let found = self.receive().unwrap_or_else(|| {
                panic!(
                    "{expected:x?} is waited for, and after {before:x?} the connection is closed"
                )
            });
            if packet(found.first, &found.body) == expected {
                break;
            }
            before.push_back(found);
        }
        before.append(&mut self.set_aside);
        self.set_aside = before;
    }

    /// The next packet is a PUBLISH; it is not acknowledged.
    #[track_caller]
    pub(crate) fn delivery(&mut self) -> Delivery {
        let packet = self.receive().expect("PUBLISH, not the end");
        Delivery::read(&packet).unwrap_or_else(|| panic!("PUBLISH, not {packet:x?}"))
    }

    /// The next packet is a PUBLISH; it is acknowledged, at QoS 2 to the end.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Message {
        let Delivery { packet_id, message } = self.delivery();
        match message.qos {
            0 => {}
            1 => self.send(&ack(PUBACK, packet_id)),
            _ => {
                self.send(&ack(PUBREC, packet_id));
                self.wait_for(&ack(PUBREL, packet_id));
                self.send(&ack(PUBCOMP, packet_id));
            }
        }
        message
    }

    /// What comes, acknowledged, before a message that `publisher` sends for this purpose on
    /// `topic`, to which this client has to be subscribed.
    #[track_caller]
    pub(crate) fn messages_before_marker(
        &mut self,
        publisher: &mut Client,
        topic: &str,
    ) -> Vec<Message> {
        publisher.publish(1, topic, MARKER);
        let mut messages = Vec::new();
        loop {
            let message = self.message();
            if message.payload == MARKER {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Is granted what it asks for.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: impl AsRef<[u8]>, qos: u8) {
        self.send(&subscribe(OWN_ID, &[(filter.as_ref(), qos)]));
        self.wait_for(&suback(OWN_ID, &[qos]));
    }

    /// Ends a subscription.
    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        self.send(&unsubscribe(OWN_ID, &[filter.as_bytes()]));
        self.wait_for(&ack(UNSUBACK, OWN_ID));
    }

    /// Publishes and sees it through to the last acknowledgement, at QoS 0 to the answer of a ping.
    #[track_caller]
    pub(crate) fn publish(&mut self, qos: u8, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        self.publish_with(0, qos, topic, payload);
    }

    /// The same for a message that is retained.
    #[track_caller]
    pub(crate) fn retain(&mut self, qos: u8, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        self.publish_with(RETAIN, qos, topic, payload);
    }

    #[track_caller]
    fn publish_with(
        &mut self,
        flags: u8,
        qos: u8,
        topic: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) {
        self.send(&publish_with(flags, qos, OWN_ID, topic, payload));
        match qos {
            0 => self.ping(),
            1 => self.wait_for(&ack(PUBACK, OWN_ID)),
            _ => {
                self.wait_for(&ack(PUBREC, OWN_ID));
                self.send(&ack(PUBREL, OWN_ID));
                self.wait_for(&ack(PUBCOMP, OWN_ID));
            }
        }
    }

    /// Is answered, and so still served.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.send(&PINGREQ);
        self.wait_for(&[0xD0, 0]);
    }

    /// Leaves as a client should.
    #[track_caller]
    pub(crate) fn disconnect(mut self) {
        self.send(&DISCONNECT);
        while self.receive().is_some() {}
    }

    /// Is cut off, after what it sent was taken.
    #[track_caller]
    pub(crate) fn vanish(mut self) {
        self.ping();
    }

    /// Breaks the protocol, and waits until the gateway has closed the connection.
    #[track_caller]
    pub(crate) fn break_off(mut self) {
        self.send(&[0x00, 0]);
        while self.receive().is_some() {}
    }
}

impl Delivery {
    fn read(packet: &Packet) -> Option<Self> {
        let qos = packet.first >> 1 & 3;
        if packet.first >> 4 != 3 || qos == 3 {
            return None;
        }
        let (topic, rest) = split_string(&packet.body)?;
        let (packet_id, payload) = match qos {
            0 => (0, rest),
            _ => (u16::from_be_bytes(*rest.first_chunk()?), &rest[2..]),
        };
        Some(Self {
            packet_id,
            message: Message {
                topic: String::from_utf8(topic.to_vec()).ok()?,
                payload: String::from_utf8(payload.to_vec()).ok()?,
                qos,
                retain: packet.first & RETAIN != 0,
                dup: packet.first & 0x08 != 0,
            },
        })
    }
}

/// Splits off a string of two bytes of length.
fn split_string(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*body.first_chunk()?));
    body.get(2..)?.split_at_checked(length)
}
