//! MQTT 5 packets as the tests send them, proper or not.

use super::prop;
use crate::support::wire::{packet, string};

/// CONNECT.
#[derive(Clone)]
pub(super) struct Connect {
    id: Vec<u8>,
    flags: u8,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Will>,
    user_name: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
}

impl Connect {
    /// A clean start without a keep-alive.
    pub(super) fn new(id: impl AsRef<[u8]>) -> Self {
        Self {
            id: id.as_ref().to_vec(),
            flags: 0x02,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    /// Goes on with the session that is there, and keeps it long behind this connection.
    pub(super) fn resuming(id: &str) -> Self {
        Self::new(id)
            .without_clean_start()
            .with(&prop::session_expiry(1_000))
    }

    pub(super) fn without_clean_start(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// Sets more of the connect flags than the fields ask for.
    pub(super) fn flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    pub(super) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub(super) fn with(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    pub(super) fn will(mut self, will: Will) -> Self {
        self.flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        self.will = Some(will);
        self
    }

    pub(super) fn user_name(mut self, name: &[u8]) -> Self {
        self.flags |= 0x80;
        self.user_name = Some(name.to_vec());
        self
    }

    pub(super) fn password(mut self, password: &[u8]) -> Self {
        self.flags |= 0x40;
        self.password = Some(password.to_vec());
        self
    }

    /// The packet with a protocol name and version of the test's choice.
    pub(super) fn encode_as(&self, name: &str, version: u8) -> Vec<u8> {
        let mut body = string(name.as_bytes());
        body.extend_from_slice(&[version, self.flags]);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        put_properties(&mut body, &self.properties);
        body.extend_from_slice(&string(&self.id));
        if let Some(will) = &self.will {
            put_properties(&mut body, &will.properties);
            body.extend_from_slice(&string(&will.topic));
            body.extend_from_slice(&string(&will.payload));
        }
        for field in [&self.user_name, &self.password].into_iter().flatten() {
            body.extend_from_slice(&string(field));
        }
        packet(0x10, &body)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_as("MQTT", 5)
    }
}

/// The will in a CONNECT.
#[derive(Clone)]
pub(super) struct Will {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Will {
    pub(super) fn new(topic: impl AsRef<[u8]>, payload: &str) -> Self {
        Self {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_bytes().to_vec(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    pub(super) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(super) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(super) fn with(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }
}

/// PUBLISH.
#[derive(Clone)]
pub(super) struct Publish {
    topic: Vec<u8>,
    payload: Vec<u8>,
    flags: u8,
    packet_id: u16,
    properties: Vec<u8>,
}

impl Publish {
    /// A publish at QoS 0.
    pub(super) fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            flags: 0,
            packet_id: 0,
            properties: Vec::new(),
        }
    }

    pub(super) fn qos(mut self, qos: u8, packet_id: u16) -> Self {
        self.flags |= qos << 1;
        self.packet_id = packet_id;
        self
    }

    pub(super) fn retained(mut self) -> Self {
        self.flags |= 1;
        self
    }

    pub(super) fn dup(mut self) -> Self {
        self.flags |= 8;
        self
    }

    pub(super) fn with(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = string(&self.topic);
        if self.flags & 0x06 != 0 {
            body.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        put_properties(&mut body, &self.properties);
        body.extend_from_slice(&self.payload);
        packet(0x30 | self.flags, &body)
    }
}

/// SUBSCRIBE with `properties` and filters with their options.
pub(super) fn subscribe(packet_id: u16, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    put_properties(&mut body, properties);
    for (filter, options) in filters {
        body.extend_from_slice(&string(filter.as_bytes()));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// UNSUBSCRIBE.
pub(super) fn unsubscribe(packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    put_properties(&mut body, &[]);
    for filter in filters {
        body.extend_from_slice(&string(filter.as_bytes()));
    }
    packet(0xA2, &body)
}

// The first bytes of the packets that acknowledge a PUBLISH.
pub(super) const PUBACK: u8 = 0x40;
pub(super) const PUBREC: u8 = 0x50;
pub(super) const PUBREL: u8 = 0x62;
pub(super) const PUBCOMP: u8 = 0x70;

/// An acknowledgement that says nothing but yes.
pub(super) fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &packet_id.to_be_bytes())
}

/// An acknowledgement with a reason code.
pub(super) fn ack_because(first: u8, packet_id: u16, reason: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.push(reason);
    packet(first, &body)
}

/// DISCONNECT with a reason code and properties.
pub(super) fn disconnect(reason: u8, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![reason];
    put_properties(&mut body, properties);
    packet(0xE0, &body)
}

/// AUTH with a reason code and a method.
pub(super) fn auth(reason: u8, method: &str) -> Vec<u8> {
    let mut body = vec![reason];
    put_properties(&mut body, &prop::text(prop::AUTHENTICATION_METHOD, method));
    packet(0xF0, &body)
}

fn put_properties(out: &mut Vec<u8>, properties: &[u8]) {
    out.extend_from_slice(&variable(properties.len()));
    out.extend_from_slice(properties);
}

/// A variable byte integer in as few bytes as it takes.
pub(super) fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
