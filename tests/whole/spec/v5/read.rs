//! What the gateway sends, read as strictly as MQTT 5 says: whatever a test is about, a
//! packet that breaks the format fails it.

use super::{
    prop,
    properties::{Properties, Value},
};

/// A packet from the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Packet {
    ConnAck(ConnAck),
    Publish(Publish),
    Ack(Ack),
    SubAck(Reasons),
    UnsubAck(Reasons),
    PingResp,
    Disconnect { reason: u8, properties: Properties },
}

/// CONNACK.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ConnAck {
    pub(super) session_present: bool,
    pub(super) reason: u8,
    pub(super) properties: Properties,
}

/// PUBLISH; an alias that stands for the topic is still there in the properties.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Publish {
    pub(super) dup: bool,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) topic: String,
    /// Zero at QoS 0.
    pub(super) packet_id: u16,
    pub(super) properties: Properties,
    pub(super) payload: Vec<u8>,
}

impl Publish {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("the tests publish text")
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, which `first` tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ack {
    pub(super) first: u8,
    pub(super) packet_id: u16,
    pub(super) reason: u8,
    pub(super) properties: Properties,
}

/// SUBACK or UNSUBACK.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reasons {
    pub(super) packet_id: u16,
    pub(super) properties: Properties,
    pub(super) reasons: Vec<u8>,
}

/// Reads a packet of which `first` is the first byte and `body` all behind the fixed header.
///
/// # Panics
/// The packet breaks the specification.
#[track_caller]
pub(super) fn packet(first: u8, body: &[u8]) -> Packet {
    let mut reader = Reader(body);
    let packet = match first {
        0x20 => reader.connack(),
        0x30..=0x3F => reader.publish(first & 0x0F),
        0x40 | 0x50 | 0x62 | 0x70 => reader.ack(first),
        0x90 => Packet::SubAck(reader.reasons(SUBACK_REASONS)),
        0xB0 => Packet::UnsubAck(reader.reasons(UNSUBACK_REASONS)),
        0xD0 => Packet::PingResp,
        0xE0 => reader.disconnect(),
        _ => panic!("no server sends a packet that begins with {first:#04x}: {body:?}"),
    };
    assert!(reader.0.is_empty(), "{packet:?} is followed by {reader:?}");
    packet
}

// The reason codes of each packet (the tables of chapter 3).
const CONNACK_REASONS: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];
const PUBACK_REASONS: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const PUBREL_REASONS: &[u8] = &[0x00, 0x92];
const SUBACK_REASONS: &[u8] = &[
    0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
];
const UNSUBACK_REASONS: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
const DISCONNECT_REASONS: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

// The properties of each packet that a server sends (2.2.2.2).
const CONNACK_PROPERTIES: &[u8] = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
    0x2A,
];
const PUBLISH_PROPERTIES: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26];
const ACK_PROPERTIES: &[u8] = &[0x1F, 0x26];
const DISCONNECT_PROPERTIES: &[u8] = &[0x1C, 0x1F, 0x26];

/// The rest of a packet.
#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn connack(&mut self) -> Packet {
        let flags = self.byte();
        assert!(flags <= 1, "reserved flags in CONNACK: {flags:#04x}");
        Packet::ConnAck(ConnAck {
            session_present: flags == 1,
            reason: self.reason(CONNACK_REASONS),
            properties: self.properties(CONNACK_PROPERTIES),
        })
    }

    fn publish(&mut self, flags: u8) -> Packet {
        let qos = flags >> 1 & 3;
        assert!(qos < 3, "a PUBLISH with both QoS bits");
        let dup = flags & 8 != 0;
        assert!(qos > 0 || !dup, "a PUBLISH at QoS 0 with DUP");
        let topic = self.text();
        assert!(!topic.contains(['+', '#']), "a topic with wildcards");
        let packet_id = if qos > 0 { self.packet_id() } else { 0 };
        Packet::Publish(Publish {
            dup,
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            properties: self.properties(PUBLISH_PROPERTIES),
            payload: std::mem::take(&mut self.0).to_vec(),
        })
    }

    fn ack(&mut self, first: u8) -> Packet {
        let packet_id = self.packet_id();
        let codes = match first {
            0x40 | 0x50 => PUBACK_REASONS,
            _ => PUBREL_REASONS,
        };
        let (reason, properties) = self.short_end(codes, ACK_PROPERTIES);
        Packet::Ack(Ack {
            first,
            packet_id,
            reason,
            properties,
        })
    }

    fn reasons(&mut self, codes: &[u8]) -> Reasons {
        let packet_id = self.packet_id();
        let properties = self.properties(ACK_PROPERTIES);
        let mut reasons = Vec::new();
        while !self.0.is_empty() {
            reasons.push(self.reason(codes));
        }
        Reasons {
            packet_id,
            properties,
            reasons,
        }
    }

    fn disconnect(&mut self) -> Packet {
        let (reason, properties) = self.short_end(DISCONNECT_REASONS, DISCONNECT_PROPERTIES);
        Packet::Disconnect { reason, properties }
    }

    /// A reason code and properties, which may be left out from the end.
    fn short_end(&mut self, codes: &[u8], allowed: &[u8]) -> (u8, Properties) {
        if self.0.is_empty() {
            return (0, Properties::default());
        }
        let reason = self.reason(codes);
        if self.0.is_empty() {
            return (reason, Properties::default());
        }
        (reason, self.properties(allowed))
    }

    fn reason(&mut self, codes: &[u8]) -> u8 {
        let reason = self.byte();
        assert!(
            codes.contains(&reason),
            "a wrong reason code: {reason:#04x}"
        );
        reason
    }

    fn properties(&mut self, allowed: &[u8]) -> Properties {
        let length = self.variable() as usize;
        let mut reader = Reader(self.bytes(length));
        let mut properties = Properties::default();
        while !reader.0.is_empty() {
            let id = reader.byte();
            assert!(allowed.contains(&id), "a misplaced property: {id:#04x}");
            let may_repeat = [prop::USER_PROPERTY, prop::SUBSCRIPTION_ID].contains(&id);
            assert!(may_repeat || !properties.has(id), "{id:#04x} comes twice");
            let value = reader.value(id);
            properties.push(id, value);
        }
        properties
    }

    fn value(&mut self, id: u8) -> Value {
        match id {
            0x01 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => {
                let flag = self.byte();
                assert!(flag <= 1, "{id:#04x} is {flag}");
                Value::Number(flag.into())
            }
            0x13 | 0x22 => Value::Number(self.two().into()),
            0x21 | 0x23 => Value::Number(nonzero(id, self.two().into())),
            0x02 | 0x11 => Value::Number(self.four()),
            0x27 => Value::Number(nonzero(id, self.four())),
            0x0B => Value::Number(nonzero(id, self.variable())),
            0x09 | 0x16 => Value::Binary(self.binary().to_vec()),
            0x26 => Value::Pair(self.text(), self.text()),
            _ => Value::Text(self.text()),
        }
    }

    fn packet_id(&mut self) -> u16 {
        let packet_id = self.two();
        assert_ne!(packet_id, 0, "a packet identifier is zero");
        packet_id
    }

    fn text(&mut self) -> String {
        let bytes = self.binary().to_vec();
        let text = String::from_utf8(bytes).expect("strings are UTF-8");
        assert!(!text.contains('\0'), "U+0000 in {text:?}");
        text
    }

    fn binary(&mut self) -> &'a [u8] {
        let length = self.two();
        self.bytes(length.into())
    }

    fn variable(&mut self) -> u32 {
        let (value, size) = variable(self.0).expect("a variable byte integer");
        self.bytes(size);
        value
    }

    fn four(&mut self) -> u32 {
        u32::from(self.two()) << 16 | u32::from(self.two())
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn byte(&mut self) -> u8 {
        self.bytes(1)[0]
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("a whole packet");
        self.0 = rest;
        taken
    }
}

/// The variable byte integer that `input` begins with and its size; `None` when it is not all here.
///
/// # Panics
/// It is longer than it needs to be, or than four bytes.
#[track_caller]
pub(super) fn variable(input: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0;
    for (index, byte) in input.iter().enumerate() {
        assert!(index < 4, "a variable byte integer of five bytes");
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            assert!(index == 0 || *byte != 0, "{value} in {} bytes", index + 1);
            return Some((value, index + 1));
        }
    }
    None
}

#[track_caller]
fn nonzero(id: u8, value: u32) -> u32 {
    assert_ne!(value, 0, "{id:#04x} is zero");
    value
}
