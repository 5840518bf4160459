//! Packets of a client, right ones and wrong ones.

pub(crate) use crate::support::wire::packet;
use crate::support::wire::string;

pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

// The first bytes of acknowledgements, for `ack`.
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const UNSUBACK: u8 = 0xB0;

// The flags of PUBLISH beside its QoS, for `publish_with`.
pub(crate) const DUP: u8 = 0x08;
pub(crate) const RETAIN: u8 = 0x01;

/// The connect flag that says that there is a will.
pub(crate) const WILL: u8 = 0x04;

/// A CONNECT whose every field can be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) protocol: &'static [u8],
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) keep_alive: u16,
    /// The payload's fields, without their lengths.
    pub(crate) fields: Vec<Vec<u8>>,
}

impl Connect {
    /// A clean session for `client_id`, without a keep-alive.
    pub(crate) fn new(client_id: impl AsRef<[u8]>) -> Self {
        Self {
            protocol: b"MQTT",
            level: 4,
            flags: 0x02,
            keep_alive: 0,
            fields: vec![client_id.as_ref().to_vec()],
        }
    }

    /// The same without clean session.
    pub(crate) fn keeping_session(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Adds a will; comes before `user_name`.
    pub(crate) fn will(mut self, topic: impl AsRef<[u8]>, payload: &str, qos: u8) -> Self {
        self.flags |= WILL | qos << 3;
        self.fields.push(topic.as_ref().to_vec());
        self.fields.push(payload.into());
        self
    }

    /// The will is retained.
    pub(crate) fn retaining(mut self) -> Self {
        self.flags |= 0x20;
        self
    }

    /// Adds a user name; comes before `password`.
    pub(crate) fn user_name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x80;
        self.fields.push(name.as_ref().to_vec());
        self
    }

    pub(crate) fn password(mut self, password: &str) -> Self {
        self.flags |= 0x40;
        self.fields.push(password.into());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        packet(0x10, &self.body())
    }

    /// All behind the fixed header.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = string(self.protocol);
        body.extend_from_slice(&[self.level, self.flags]);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        for field in &self.fields {
            body.extend_from_slice(&string(field));
        }
        body
    }
}

/// PUBLISH; the packet identifier is left out at QoS 0.
pub(crate) fn publish(
    qos: u8,
    packet_id: u16,
    topic: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> Vec<u8> {
    publish_with(0, qos, packet_id, topic, payload)
}

/// PUBLISH with `DUP`, `RETAIN` or both.
pub(crate) fn publish_with(
    flags: u8,
    qos: u8,
    packet_id: u16,
    topic: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> Vec<u8> {
    let mut body = string(topic.as_ref());
    if qos > 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.extend_from_slice(payload.as_ref());
    packet(0x30 | flags | qos << 1, &body)
}

/// SUBSCRIBE with filters and their QoS.
pub(crate) fn subscribe(packet_id: u16, filters: &[(&[u8], u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend_from_slice(&string(filter));
        body.push(*qos);
    }
    packet(0x82, &body)
}

/// SUBACK with these return codes.
pub(crate) fn suback(packet_id: u16, codes: &[u8]) -> Vec<u8> {
    packet(0x90, &[&packet_id.to_be_bytes(), codes].concat())
}

/// UNSUBSCRIBE with filters.
pub(crate) fn unsubscribe(packet_id: u16, filters: &[&[u8]]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    for filter in filters {
        body.extend_from_slice(&string(filter));
    }
    packet(0xA2, &body)
}

/// A packet that holds nothing but a packet identifier.
pub(crate) fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &packet_id.to_be_bytes())
}

/// CONNACK.
pub(crate) fn connack(session_present: bool, code: u8) -> Vec<u8> {
    packet(0x20, &[session_present.into(), code])
}
