//! A client of any version that does what the test says, packet by packet.

use std::collections::VecDeque;

use crate::support::{
    properties::{Properties, id},
    version::Version::{self, V5},
    wire::{self, Packet, Wire},
};

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;

/// The payload that ends [`Client::take_until_marker`].
pub(crate) const MARKER: &str = "the marker";

/// A message as a subscriber gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    /// Zero at QoS 0.
    pub(crate) id: u16,
    pub(crate) properties: Properties,
    pub(crate) payload: String,
}

/// A connection that was accepted.
pub(crate) struct Client {
    pub(crate) version: Version,
    wire: Wire,
    /// What came while something else was waited for.
    set_aside: VecDeque<Packet>,
    pub(crate) session_present: bool,
    /// What CONNACK said.
    pub(crate) told: Properties,
    next_id: u16,
}

impl Client {
    /// A connection on which `connack` has come.
    pub(crate) fn accepted(version: Version, wire: Wire, connack: &Packet) -> Self {
        Self {
            version,
            wire,
            set_aside: VecDeque::new(),
            session_present: connack.body[0] == 1,
            told: match version {
                V5 => Properties::read(&mut &connack.body[2..]),
                _ => Properties::default(),
            },
            next_id: 0,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes);
    }

    /// The next packet; `None` at the end of the connection.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        self.set_aside.pop_front().or_else(|| self.wire.receive())
    }

    /// The next packet that is here already.
    pub(crate) fn buffered(&mut self) -> Option<Packet> {
        self.set_aside.pop_front().or_else(|| self.wire.buffered())
    }

    /// Whether the gateway has closed the connection; does not wait.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.wire.has_ended()
    }

    /// Waits for the first packet that begins with `first`; others are set aside.
    #[track_caller]
    fn wait_for(&mut self, first: u8) -> Packet {
        if let Some(at) = self.set_aside.iter().position(|other| other.first == first) {
            return self.set_aside.remove(at).expect("it is there");
        }
        loop {
            let packet = self.wire.expect("what was waited for");
            if packet.first == first {
                return packet;
            }
            self.set_aside.push_back(packet);
        }
    }

    /// Waits until the gateway has handled everything that was sent.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.wire.send(&wire::packet(0xC0, &[]));
        self.wait_for(0xD0);
    }

    /// Waits until what was sent is on disk: the gateway keeps what comes behind it.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.next_id = self.next_id % 60_000 + 1;
        self.publish_raw(3, self.next_id, "settled", &[], "kept");
        self.expect_ack(PUBACK, self.next_id);
    }

    /// Subscribes with these options and is granted the QoS in them.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) {
        self.subscribe_as(filter, options, 0);
    }

    /// The same with a subscription identifier, unless it is zero.
    #[track_caller]
    pub(crate) fn subscribe_as(&mut self, filter: &str, options: u8, identifier: u8) {
        let mut body = vec![0, 1];
        match (self.version, identifier) {
            (V5, 0) => body.push(0),
            (V5, identifier) => body.extend_from_slice(&[2, id::SUBSCRIPTION, identifier]),
            _ => {}
        }
        body.extend_from_slice(&wire::string(filter.as_bytes()));
        body.push(options);
        self.send(&wire::packet(0x82, &body));
        let answer = self.wait_for(0x90);
        assert_eq!(answer.body.last(), Some(&(options & 3)), "{answer:?}");
    }

    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        let mut body = vec![0, 1];
        body.extend((self.version == V5).then_some(0));
        body.extend_from_slice(&wire::string(filter.as_bytes()));
        self.send(&wire::packet(0xA2, &body));
        self.wait_for(0xB0);
    }

    /// Sends a PUBLISH whose first byte has these flags beside its type.
    pub(crate) fn publish_raw(
        &mut self,
        flags: u8,
        id: u16,
        topic: &str,
        properties: &[u8],
        payload: &str,
    ) {
        let mut body = wire::string(topic.as_bytes());
        if flags & 0x06 != 0 {
            body.extend_from_slice(&id.to_be_bytes());
        }
        if self.version == V5 {
            body.push(properties.len() as u8);
            body.extend_from_slice(properties);
        }
        body.extend_from_slice(payload.as_bytes());
        self.send(&wire::packet(0x30 | flags, &body));
    }

    /// Publishes, and waits until the gateway has the message.
    #[track_caller]
    pub(crate) fn publish(&mut self, qos: u8, topic: &str, payload: &str) {
        self.publish_with(qos, topic, &[], payload);
    }

    /// The same with properties.
    #[track_caller]
    pub(crate) fn publish_with(&mut self, qos: u8, topic: &str, properties: &[u8], payload: &str) {
        self.next_id = self.next_id % 60_000 + 1;
        let id = self.next_id;
        self.publish_raw(qos << 1, id, topic, properties, payload);
        match qos {
            0 => self.ping(),
            1 => self.expect_ack(PUBACK, id),
            _ => {
                self.expect_ack(PUBREC, id);
                self.acknowledge(PUBREL, id);
                self.expect_ack(PUBCOMP, id);
            }
        }
    }

    /// Sends an acknowledgement that says nothing but yes.
    pub(crate) fn acknowledge(&mut self, first: u8, id: u16) {
        self.send(&wire::packet(first, &id.to_be_bytes()));
    }

    /// Waits for the acknowledgement of `id`, which says yes.
    #[track_caller]
    pub(crate) fn expect_ack(&mut self, first: u8, id: u16) {
        let ack = self.wait_for(first);
        assert_eq!(wire::acknowledged(&ack), id, "{ack:?}");
        assert!(ack.body.get(2).is_none_or(|code| *code < 0x80), "{ack:?}");
    }

    /// The next message, which is not acknowledged; PUBREL before it, for one of an earlier
    /// connection, is answered.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Message {
        loop {
            let packet = self.receive().expect("the connection holds");
            if packet.first != PUBREL {
                return Message::read(self.version, &packet);
            }
            self.acknowledge(PUBCOMP, wire::acknowledged(&packet));
        }
    }

    /// The next message, which is acknowledged to the end.
    #[track_caller]
    pub(crate) fn take(&mut self) -> Message {
        let message = self.message();
        match message.qos {
            0 => {}
            1 => self.acknowledge(PUBACK, message.id),
            _ => {
                self.acknowledge(PUBREC, message.id);
                self.expect_ack(PUBREL, message.id);
                self.acknowledge(PUBCOMP, message.id);
            }
        }
        message
    }

    /// The payloads of the next messages, which are acknowledged, before that of [`MARKER`].
    #[track_caller]
    pub(crate) fn take_until_marker(&mut self) -> Vec<String> {
        std::iter::repeat_with(|| self.take().payload)
            .take_while(|payload| payload != MARKER)
            .collect()
    }

    /// Says goodbye, and waits until the gateway is done with the connection.
    #[track_caller]
    pub(crate) fn disconnect(self) {
        self.disconnect_with(&[]);
    }

    /// The same with a reason code and properties.
    #[track_caller]
    pub(crate) fn disconnect_with(mut self, body: &[u8]) {
        self.send(&wire::packet(0xE0, body));
        while let Some(packet) = self.wire.receive() {
            assert_ne!(packet.first, 0xE0, "{packet:?}");
        }
    }
}

impl Message {
    /// Reads a PUBLISH packet.
    #[track_caller]
    pub(crate) fn read(version: Version, packet: &Packet) -> Self {
        assert_eq!(packet.first & 0xF0, 0x30, "a PUBLISH: {packet:?}");
        let (length, rest) = packet.body.split_at(2);
        let (topic, rest) = rest.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
        let qos = packet.first >> 1 & 3;
        let (id, mut rest) = match (qos, rest) {
            (0, rest) => (0, rest),
            (_, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]), rest),
            _ => panic!("half a PUBLISH: {packet:?}"),
        };
        let properties = match version {
            V5 => Properties::read(&mut rest),
            _ => Properties::default(),
        };
        Self {
            dup: packet.first & 0x08 != 0,
            qos,
            retain: packet.first & 0x01 != 0,
            topic: String::from_utf8_lossy(topic).into_owned(),
            id,
            properties,
            payload: String::from_utf8_lossy(rest).into_owned(),
        }
    }
}
