//! Whatever comes from the network is decoded or refused, and nothing panics.

use proptest::prelude::*;

use super::*;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const LIMIT: usize = 1 << 20;

/// Decodes all packets at the beginning of `bytes`, up to the first that is refused.
fn decode_all(mut bytes: &[u8], version: Version) -> Result<usize, DecodeError> {
    let mut packets = 0;
    while let Some(frame) = Frame::first(bytes, LIMIT)? {
        decode(frame, version)?;
        bytes = &bytes[frame.length..];
        packets += 1;
    }
    Ok(packets)
}

fn decode(frame: Frame<'_>, version: Version) -> Result<(), DecodeError> {
    let ack = |kind| Ack::decode(kind, frame.body, version).map(drop);
    match frame.packet_type {
        PacketType::Connect => Connect::decode(frame.body).map(drop),
        PacketType::Publish => {
            let publish = Publish::decode(frame.flags, frame.body, version)?;
            let mut forwarded = Vec::new();
            publish.properties.forward(&mut forwarded);
            assert!(forwarded.len() <= frame.body.len());
            Ok(())
        }
        PacketType::PubAck => ack(AckKind::PubAck),
        PacketType::PubRec => ack(AckKind::PubRec),
        PacketType::PubRel => ack(AckKind::PubRel),
        PacketType::PubComp => ack(AckKind::PubComp),
        PacketType::Subscribe => Subscribe::decode(frame.body, version).map(drop),
        PacketType::Unsubscribe => Unsubscribe::decode(frame.body, version).map(drop),
        PacketType::Disconnect => Disconnect::decode(frame.body, version).map(drop),
        PacketType::PingReq | PacketType::Auth => Ok(()),
    }
}

/// A packet with fewer than 128 bytes behind its header.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, body.len() as u8], body].concat()
}

/// Packets that are right, to be broken.
fn samples() -> Vec<Vec<u8>> {
    let mut publish = Vec::new();
    let outgoing = Outgoing {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "sensors/größe",
        topic_alias: Some(3),
        packet_id: 7,
        subscription_ids: &[],
        properties: b"\x01\x01\x03\x00\x01t\x08\x00\x01r\x09\x00\x02cc\x26\x00\x01a\x00\x01b",
        expiry: Some(60),
        payload: b"21.5",
    };
    outgoing.encode(Version::V5, &mut publish);
    let connect =
        b"\0\x04MQTT\x05\xee\0\x0a\x0f\x21\0\x05\x11\0\0\0\x09\x22\0\x08\x17\0\x19\x01\0\x01c\
        \x0a\x18\0\0\0\x07\x02\0\0\0\x08\0\x01w\0\x02hi\0\x04user\0\x06secret";
    vec![
        publish,
        packet(0x10, connect),
        packet(0x82, b"\0\x07\x02\x0b\x01\0\x03a/+\x0d"),
        packet(0xA2, b"\0\x07\0\0\x01a\0\x03b/#"),
        packet(0x40, b"\0\x07\x97\x06\x1f\0\x03why"),
        packet(0x62, b"\0\x07\x92"),
        packet(0xE0, b"\x04\x05\x11\0\0\0\x01"),
    ]
}

#[test]
fn the_samples_are_right() {
    for sample in samples() {
        assert_eq!(decode_all(&sample, Version::V5), Ok(1), "{sample:x?}");
    }
}

#[test]
fn a_packet_that_ends_early_in_itself_is_refused() {
    for sample in samples() {
        let (header, body) = sample.split_at(2);
        for end in 0..body.len() {
            let cut = packet(header[0], &body[..end]);
            // A payload may have any length, and what is behind a packet identifier may be left out.
            let may_end = matches!(header[0] & 0xF0, 0x30 | 0x40 | 0x60 | 0xA0 | 0xE0);
            let decoded = decode_all(&cut, Version::V5);
            assert!(decoded.is_err() || may_end, "{cut:x?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for version in VERSIONS {
            decode_all(&bytes, version).ok();
        }
    }

    #[test]
    fn random_bodies_of_every_packet_do_no_harm(
        first in prop::sample::select(vec![
            0x10_u8, 0x30, 0x32, 0x34, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xE0, 0xF0,
        ]),
        body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let packet = packet(first, &body);
        for version in VERSIONS {
            decode_all(&packet, version).ok();
        }
    }

    #[test]
    fn packets_with_a_changed_byte_do_no_harm(
        sample in prop::sample::select(samples()),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut packet = sample;
        let place = place.index(packet.len());
        packet[place] = byte;
        for version in VERSIONS {
            decode_all(&packet, version).ok();
        }
    }
}
