//! What must not come first on a connection.

use crate::support::{
    version::Version::{V5, V311},
    wire::{self, Packet, packet, publish, string, subscribe},
};

/// A first packet, and all that is answered before the connection is closed.
pub(super) type First = (&'static str, Vec<u8>, Option<Packet>);

pub(super) fn first_packets() -> Vec<First> {
    let connack = |body: &[u8]| {
        Some(Packet {
            first: 0x20,
            body: body.to_vec(),
        })
    };
    let with_byte = |version, at: usize, byte| {
        let mut connect = wire::connect(version, "first");
        connect[at] = byte;
        connect
    };
    let unknown_name = packet(
        0x10,
        &[&string(b"HTTP")[..], &[4, 2, 0, 0], &string(b"a")].concat(),
    );
    let no_utf8 = |version| {
        let mut connect = wire::connect(version, "x");
        *connect.last_mut().unwrap() = 0xFF;
        connect
    };
    vec![
        ("PUBLISH first", publish(V311, 1, 1, b"a", b"b"), None),
        ("PINGREQ first", vec![0xC0, 0], None),
        ("SUBSCRIBE first", subscribe(V5, 1, b"a", 0), None),
        (
            "the beginning of TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            None,
        ),
        ("zeroes", vec![0; 64], None),
        (
            "a remaining length of five bytes",
            vec![0x10, 0x80, 0x80, 0x80, 0x80, 0x01],
            None,
        ),
        (
            "an oversize CONNECT",
            vec![0x10, 0xFF, 0xFF, 0xFF, 0x7F],
            None,
        ),
        // MQTT 3.1.1, 3.1.2.2: the answer to an unknown level is return code 1.
        ("protocol level 2", with_byte(V311, 8, 2), connack(&[0, 1])),
        ("protocol level 6", with_byte(V5, 8, 6), connack(&[0, 1])),
        (
            "protocol level 255",
            with_byte(V311, 8, 255),
            connack(&[0, 1]),
        ),
        // 3.1.2.1 lets a server say so or not.
        ("an unknown protocol name", unknown_name, connack(&[0, 1])),
        (
            "the reserved connect flag in MQTT 3.1.1",
            with_byte(V311, 9, 0x03),
            None,
        ),
        (
            "the reserved connect flag in MQTT 5",
            with_byte(V5, 9, 0x03),
            connack(&[0, 0x81, 0]),
        ),
        (
            "a will at QoS 3 that is not there",
            with_byte(V311, 9, 0x1A),
            None,
        ),
        (
            "a client identifier that is not UTF-8 in MQTT 3.1.1",
            no_utf8(V311),
            None,
        ),
        (
            "a client identifier that is not UTF-8 in MQTT 5",
            no_utf8(V5),
            connack(&[0, 0x81, 0]),
        ),
        // MQTT 3.1.1, 3.1.3.1: no identifier needs a clean session.
        (
            "a session without an identifier",
            {
                let mut connect = wire::connect(V311, "");
                connect[9] = 0;
                connect
            },
            connack(&[0, 2]),
        ),
    ]
}
