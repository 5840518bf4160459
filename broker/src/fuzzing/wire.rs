//! MQTT as a client writes and reads it, right or wrong.
//!
//! This is written from the specification beside the broker's own codec, so that neither
//! hides the other's mistakes.

use crate::codec::Version;

/// What a client asks for with its CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct Connect<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    /// Clean session below MQTT 5.
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Will<'a>>,
    /// Encoded properties, for MQTT 5.
    pub(crate) properties: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Encoded properties, for MQTT 5.
    pub(crate) properties: Vec<u8>,
}

/// A PUBLISH packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Publish<'a> {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: &'a str,
    /// Not there at QoS 0.
    pub(crate) id: u16,
    /// Encoded properties, for MQTT 5.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];

impl Connect<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (name, level): (&[u8], u8) = match self.version {
            Version::V31 => (b"MQIsdp", 3),
            Version::V311 => (b"MQTT", 4),
            Version::V5 => (b"MQTT", 5),
        };
        let mut body = Vec::new();
        put_binary(&mut body, name);
        body.push(level);
        let will = self.will.as_ref();
        let will_flags = will.map_or(0, |will| {
            4 | (will.qos & 3) << 3 | u8::from(will.retain) << 5
        });
        body.push(u8::from(self.clean_start) << 1 | will_flags);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        put_properties(&mut body, self.version, &self.properties);
        put_binary(&mut body, self.client_id.as_bytes());
        if let Some(will) = will {
            put_properties(&mut body, self.version, &will.properties);
            put_binary(&mut body, will.topic.as_bytes());
            put_binary(&mut body, will.payload);
        }
        packet(0x10, &body)
    }
}

impl Publish<'_> {
    pub(crate) fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        put_binary(&mut body, self.topic.as_bytes());
        if self.qos > 0 {
            body.extend_from_slice(&self.id.to_be_bytes());
        }
        put_properties(&mut body, version, self.properties);
        body.extend_from_slice(self.payload);
        let flags = u8::from(self.dup) << 3 | (self.qos & 3) << 1 | u8::from(self.retain);
        packet(0x30 | flags, &body)
    }
}

/// A SUBSCRIBE of filters with their options; `properties` are for MQTT 5.
pub(crate) fn subscribe(
    version: Version,
    id: u16,
    filters: &[(&str, u8)],
    properties: &[u8],
) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    put_properties(&mut body, version, properties);
    for (filter, options) in filters {
        put_binary(&mut body, filter.as_bytes());
        body.push(*options);
    }
    packet(0x82, &body)
}

pub(crate) fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    put_properties(&mut body, version, &[]);
    for filter in filters {
        put_binary(&mut body, filter.as_bytes());
    }
    packet(0xA2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP; a reason other than zero is for MQTT 5.
pub(crate) fn ack(kind: u8, id: u16, reason: u8) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    match reason {
        0 => vec![kind, 2, high, low],
        reason => vec![kind, 3, high, low, reason],
    }
}

/// A DISCONNECT; MQTT 5 alone has a reason and a session expiry.
pub(crate) fn disconnect(version: Version, reason: u8, expiry: Option<u32>) -> Vec<u8> {
    if version != Version::V5 {
        return packet(0xE0, &[]);
    }
    let mut body = vec![reason];
    let properties = expiry.map(|seconds| property(0x11, &seconds.to_be_bytes()));
    put_properties(&mut body, version, &properties.unwrap_or_default());
    packet(0xE0, &body)
}

/// One encoded property.
pub(crate) fn property(id: u8, value: &[u8]) -> Vec<u8> {
    [&[id], value].concat()
}

/// A packet with any first byte and body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    put_variable(&mut packet, body.len());
    packet.extend_from_slice(body);
    packet
}

fn put_properties(out: &mut Vec<u8>, version: Version, properties: &[u8]) {
    if version == Version::V5 {
        put_variable(out, properties.len());
        out.extend_from_slice(properties);
    }
}

pub(crate) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_variable(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A packet from the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard<'a> {
    ConnAck {
        session_present: bool,
        code: u8,
    },
    Publish(Publish<'a>),
    /// One of the four acknowledgements.
    Ack {
        kind: u8,
        id: u16,
        code: u8,
    },
    SubAck {
        id: u16,
        codes: &'a [u8],
    },
    UnsubAck {
        id: u16,
    },
    PingResp,
    Disconnect {
        code: u8,
    },
}

/// The first packet in `bytes` and its length, when it has come whole.
///
/// # Panics
/// No broker may send such a packet.
pub(crate) fn hear(version: Version, bytes: &[u8]) -> Option<(Heard<'_>, usize)> {
    let mut reader = Reader(bytes);
    let first = reader.try_u8()?;
    let length = reader.try_variable()?;
    let body = reader.0.get(..length)?;
    let consumed = bytes.len() - reader.0.len() + length;
    let mut body = Reader(body);
    let heard = body.heard(version, first);
    assert!(body.0.is_empty(), "bytes are left in {heard:?}");
    Some((heard, consumed))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn heard(&mut self, version: Version, first: u8) -> Heard<'a> {
        let is_v5 = version == Version::V5;
        match first {
            0x20 => {
                let flags = self.u8();
                assert!(flags <= 1, "reserved flags are set");
                let code = self.u8();
                self.properties(version);
                Heard::ConnAck {
                    session_present: flags == 1,
                    code,
                }
            }
            0x30..=0x3F => self.publish(version, first),
            PUBACK | PUBREC | PUBREL | PUBCOMP => Heard::Ack {
                kind: first,
                id: self.id(),
                code: if is_v5 { self.reason(version) } else { 0 },
            },
            0x90 => {
                let id = self.id();
                self.properties(version);
                let codes = std::mem::take(&mut self.0);
                Heard::SubAck { id, codes }
            }
            0xB0 => {
                let id = self.id();
                self.properties(version);
                let codes = std::mem::take(&mut self.0);
                assert_eq!(codes.is_empty(), !is_v5);
                Heard::UnsubAck { id }
            }
            0xD0 => Heard::PingResp,
            0xE0 if is_v5 => Heard::Disconnect {
                code: self.reason(version),
            },
            other => panic!("{other:#x} is no packet that a broker sends to {version:?}"),
        }
    }

    fn publish(&mut self, version: Version, first: u8) -> Heard<'a> {
        let qos = first >> 1 & 3;
        let dup = first & 8 != 0;
        assert!(qos < 3 && (qos > 0 || !dup), "the flags are {first:#x}");
        let topic = self.text();
        let id = if qos > 0 { self.id() } else { 0 };
        let properties = self.properties(version);
        Heard::Publish(Publish {
            dup,
            qos,
            retain: first & 1 != 0,
            topic,
            id,
            properties,
            payload: std::mem::take(&mut self.0),
        })
    }

    /// A reason code and properties, each left out where nothing follows.
    fn reason(&mut self, version: Version) -> u8 {
        if self.0.is_empty() {
            return 0;
        }
        let code = self.u8();
        if !self.0.is_empty() {
            self.properties(version);
        }
        code
    }

    fn properties(&mut self, version: Version) -> &'a [u8] {
        if version != Version::V5 {
            return &[];
        }
        let length = self.try_variable().expect("the property length is there");
        self.bytes(length)
    }

    fn text(&mut self) -> &'a str {
        let length = usize::from(self.u16());
        std::str::from_utf8(self.bytes(length)).expect("text is UTF-8")
    }

    fn id(&mut self) -> u16 {
        let id = self.u16();
        assert_ne!(id, 0, "a packet identifier is zero");
        id
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    fn u8(&mut self) -> u8 {
        self.try_u8().expect("the packet has the field")
    }

    fn try_u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn try_variable(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.try_u8()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        panic!("a length has more than four bytes");
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}
