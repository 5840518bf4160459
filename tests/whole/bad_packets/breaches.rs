//! What an accepted client must not send.

use crate::support::{
    version::Version::{self, V5},
    wire::{self, packet, publish, subscribe},
};

// Reason codes of MQTT 5, 2.4.
pub(super) const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
pub(super) const TOPIC_FILTER_INVALID: u8 = 0x8F;
const TOPIC_NAME_INVALID: u8 = 0x90;
const TOPIC_ALIAS_INVALID: u8 = 0x94;
const PACKET_TOO_LARGE: u8 = 0x95;

/// What an accepted client sends, and the reason codes that fit it.
pub(super) struct Breach {
    pub(super) what: &'static str,
    pub(super) bytes: fn(Version) -> Vec<u8>,
    /// Where the specification leaves a choice, there are several.
    pub(super) reasons: &'static [u8],
}

pub(super) const BREACHES: &[Breach] = &[
    // MQTT 5, 1.5.4: ill-formed UTF-8 and U+0000 make a packet malformed.
    Breach {
        what: "a topic that is not UTF-8",
        bytes: |version| publish(version, 1, 1, b"a/\xff", b""),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a topic with a surrogate, which is not UTF-8",
        bytes: |version| publish(version, 0, 0, b"\xed\xa0\x80", b""),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a topic with U+0000",
        bytes: |version| publish(version, 1, 1, b"a\0b", b""),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a topic filter that is not UTF-8",
        bytes: |version| subscribe(version, 1, b"\xff", 0),
        reasons: &[MALFORMED],
    },
    // 3.3.2.1 forbids wildcards in a topic without naming a code.
    Breach {
        what: "a topic with #",
        bytes: |version| publish(version, 1, 1, b"a/#", b""),
        reasons: &[TOPIC_NAME_INVALID, PROTOCOL_ERROR, MALFORMED],
    },
    Breach {
        what: "a topic with +",
        bytes: |version| publish(version, 0, 0, b"+/a", b""),
        reasons: &[TOPIC_NAME_INVALID, PROTOCOL_ERROR, MALFORMED],
    },
    // 3.3.2.1: without a topic alias an empty topic is a protocol error.
    Breach {
        what: "an empty topic",
        bytes: |version| publish(version, 1, 1, b"", b""),
        reasons: &[PROTOCOL_ERROR],
    },
    // 3.3.1.2
    Breach {
        what: "a publish at QoS 3",
        bytes: |version| publish(version, 3, 1, b"a", b""),
        reasons: &[MALFORMED],
    },
    // 2.2.1 forbids the identifier 0 without naming a code.
    Breach {
        what: "a publish with packet identifier 0",
        bytes: |version| publish(version, 1, 0, b"a", b""),
        reasons: &[PROTOCOL_ERROR, MALFORMED],
    },
    Breach {
        what: "a subscribe with packet identifier 0",
        bytes: |version| subscribe(version, 0, b"a", 0),
        reasons: &[PROTOCOL_ERROR, MALFORMED],
    },
    // 3.8.1
    Breach {
        what: "a subscribe with wrong flags",
        bytes: |version| {
            let mut packet = subscribe(version, 1, b"a", 0);
            packet[0] = 0x80;
            packet
        },
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a subscription at QoS 3",
        bytes: |version| subscribe(version, 1, b"a", 3),
        reasons: &[MALFORMED, PROTOCOL_ERROR],
    },
    // 3.8.3
    Breach {
        what: "a subscribe without a filter",
        bytes: |version| packet(0x82, if version == V5 { &[0, 1, 0] } else { &[0, 1] }),
        reasons: &[PROTOCOL_ERROR],
    },
    // 3.1.0
    Breach {
        what: "a second CONNECT",
        bytes: |version| wire::connect(version, "again"),
        reasons: &[PROTOCOL_ERROR],
    },
    Breach {
        what: "a packet that only a server sends",
        bytes: |_| packet(0x90, &[0, 1, 0]),
        reasons: &[PROTOCOL_ERROR],
    },
    Breach {
        what: "the packet type 0",
        bytes: |_| packet(0x00, &[]),
        reasons: &[MALFORMED],
    },
    // 1.5.5
    Breach {
        what: "a remaining length of five bytes",
        bytes: |_| vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
        reasons: &[MALFORMED],
    },
    Breach {
        what: "the header of a packet of two mebibytes",
        bytes: |_| vec![0x30, 0x80, 0x80, 0x80, 0x01],
        reasons: &[PACKET_TOO_LARGE],
    },
    Breach {
        what: "the header of the largest packet",
        bytes: |_| vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F],
        reasons: &[PACKET_TOO_LARGE],
    },
    Breach {
        what: "a topic that is longer than its packet",
        bytes: |_| packet(0x30, b"\xff\xffa"),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a publish without anything",
        bytes: |_| packet(0x32, b""),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a ping with a body",
        bytes: |_| packet(0xC0, b"body"),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a request in HTTP",
        bytes: |_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        reasons: &[MALFORMED],
    },
];

/// What only MQTT 5 has.
pub(super) const BREACHES_OF_V5: &[Breach] = &[
    // 3.3.2.3.4
    Breach {
        what: "a topic alias above the maximum",
        bytes: |_| packet(0x30, b"\0\x01a\x03\x23\xff\xff"),
        reasons: &[TOPIC_ALIAS_INVALID],
    },
    Breach {
        what: "the topic alias 0",
        bytes: |_| packet(0x30, b"\0\x01a\x03\x23\0\0"),
        reasons: &[TOPIC_ALIAS_INVALID],
    },
    Breach {
        what: "a topic alias that stands for nothing",
        bytes: |_| packet(0x30, b"\0\0\x03\x23\0\x01"),
        reasons: &[PROTOCOL_ERROR],
    },
    Breach {
        what: "a property that comes twice",
        bytes: |_| packet(0x30, b"\0\x01a\x04\x01\0\x01\0"),
        reasons: &[PROTOCOL_ERROR],
    },
    Breach {
        what: "a property that nobody knows",
        bytes: |_| packet(0x30, b"\0\x01a\x02\x7f\0"),
        reasons: &[MALFORMED, PROTOCOL_ERROR],
    },
    Breach {
        what: "properties that are longer than their packet",
        bytes: |_| packet(0x30, b"\0\x01a\x7f"),
        reasons: &[MALFORMED],
    },
    Breach {
        what: "a response topic with a wildcard",
        bytes: |_| packet(0x30, b"\0\x01a\x04\x08\0\x01#"),
        reasons: &[PROTOCOL_ERROR],
    },
    Breach {
        what: "AUTH without an authentication method",
        bytes: |_| packet(0xF0, b""),
        reasons: &[PROTOCOL_ERROR],
    },
];
