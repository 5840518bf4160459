//! PUBLISH in both directions, and what packets are made of.

use crate::support::{
    version::Version::{self, V5},
    wire::{Packet, packet, string},
};

/// A PUBLISH to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(super) topic: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) properties: Vec<u8>,
}

/// A PUBLISH that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// Zero at QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) properties: Vec<u8>,
}

impl Publish {
    /// At QoS 0 and not retained.
    pub(crate) fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Adds encoded properties, which only MQTT 5 has.
    pub(crate) fn property(mut self, encoded: &[u8]) -> Self {
        self.properties.extend_from_slice(encoded);
        self
    }

    pub(crate) fn encode(&self, version: Version, packet_id: u16) -> Vec<u8> {
        let mut body = string(&self.topic);
        if self.qos > 0 {
            body.extend_from_slice(&packet_id.to_be_bytes());
        }
        put_properties(version, &self.properties, &mut body);
        body.extend_from_slice(&self.payload);
        packet(0x30 | self.qos << 1 | u8::from(self.retain), &body)
    }
}

impl Message {
    /// Reads a PUBLISH.
    #[track_caller]
    pub(crate) fn read(version: Version, packet: &Packet) -> Self {
        assert_eq!(packet.first >> 4, 3, "a PUBLISH: {packet:x?}");
        let length = usize::from(u16::from_be_bytes([packet.body[0], packet.body[1]]));
        let (topic, mut rest) = packet.body[2..].split_at(length);
        let qos = packet.first >> 1 & 3;
        let mut packet_id = 0;
        if qos > 0 {
            packet_id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        let (properties, payload) = match version {
            V5 => split_properties(rest),
            Version::V31 | Version::V311 => (&[][..], rest),
        };
        Self {
            topic: String::from_utf8(topic.to_vec()).expect("a topic is UTF-8"),
            payload: payload.to_vec(),
            qos,
            retain: packet.first & 1 != 0,
            dup: packet.first & 8 != 0,
            packet_id,
            properties: properties.to_vec(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("the tests publish text")
    }
}

/// An acknowledgement that says nothing but yes.
pub(crate) fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &packet_id.to_be_bytes())
}

/// A user property.
pub(crate) fn user_property(name: &str, value: &str) -> Vec<u8> {
    [
        &[0x26][..],
        &string(name.as_bytes()),
        &string(value.as_bytes()),
    ]
    .concat()
}

/// A variable byte integer.
pub(crate) fn variable(number: usize) -> Vec<u8> {
    let mut number = number;
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

pub(super) fn put_properties(version: Version, properties: &[u8], out: &mut Vec<u8>) {
    if version == V5 {
        out.extend_from_slice(&variable(properties.len()));
        out.extend_from_slice(properties);
    }
}

/// The properties and what follows them.
pub(super) fn split_properties(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut length, mut size) = (0, 0);
    loop {
        let byte = bytes[size];
        length |= usize::from(byte & 0x7F) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 {
            return bytes[size..].split_at(length);
        }
    }
}
