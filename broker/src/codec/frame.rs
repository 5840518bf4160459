//! The fixed header (2.1): where a packet begins and ends.

use super::{DecodeError, Reason, Version};

/// One packet in the read buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) packet_type: PacketType,
    /// The low four bits of the first byte; only PUBLISH has any to choose.
    pub(crate) flags: u8,
    pub(crate) body: &'a [u8],
    /// Bytes of the whole packet, header included.
    pub(crate) length: usize,
}

/// The packets that a client sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PacketType {
    Connect,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    Unsubscribe,
    PingReq,
    Disconnect,
    Auth,
}

impl<'a> Frame<'a> {
    /// The first packet in `buffer`, or `None` when it has not come whole.
    ///
    /// A packet that is larger than `limit` bytes is refused as soon as its length is known.
    pub(crate) fn first(buffer: &'a [u8], limit: usize) -> Result<Option<Frame<'a>>, DecodeError> {
        let Some(&first) = buffer.first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_first_byte(first)?;
        let Some((remaining, header)) = remaining_length(buffer)? else {
            return Ok(None);
        };
        let length = header + remaining;
        if length > limit {
            return Err(DecodeError {
                reason: Reason::PacketTooLarge,
                what: "the packet is larger than the maximum packet size",
            });
        }
        Ok(buffer.get(header..length).map(|body| Frame {
            packet_type,
            flags: first & 0x0F,
            body,
            length,
        }))
    }

    /// Whether the flags fit `version`: MQTT 3.1 (2.1) has DUP on more packets than PUBLISH.
    pub(crate) fn check_flags(&self, version: Version) -> Result<(), DecodeError> {
        let has_dup = self.packet_type != PacketType::Publish && self.flags & 8 != 0;
        if has_dup && version != Version::V31 {
            return Err(wrong_first_byte());
        }
        Ok(())
    }

    /// How many bytes the first packet in `buffer` has, when that is known.
    pub(crate) fn announced(buffer: &[u8]) -> Option<usize> {
        remaining_length(buffer)
            .ok()?
            .map(|(remaining, header)| header + remaining)
    }
}

impl PacketType {
    fn from_first_byte(first: u8) -> Result<PacketType, DecodeError> {
        match first {
            0x10 => Ok(PacketType::Connect),
            0x30..=0x3F => Ok(PacketType::Publish),
            0x40 => Ok(PacketType::PubAck),
            0x50 => Ok(PacketType::PubRec),
            0x62 | 0x6A => Ok(PacketType::PubRel),
            0x70 => Ok(PacketType::PubComp),
            0x82 | 0x8A => Ok(PacketType::Subscribe),
            0xA2 | 0xAA => Ok(PacketType::Unsubscribe),
            0xC0 => Ok(PacketType::PingReq),
            0xE0 => Ok(PacketType::Disconnect),
            0xF0 => Ok(PacketType::Auth),
            0x20..=0x2F | 0x90..=0x9F | 0xB0..=0xBF | 0xD0..=0xDF => Err(DecodeError::protocol(
                "a client sent a packet that only a server sends",
            )),
            _ => Err(wrong_first_byte()),
        }
    }
}

fn wrong_first_byte() -> DecodeError {
    DecodeError::malformed("the packet type or its reserved flags are wrong")
}

/// The remaining length and the size of the fixed header.
fn remaining_length(buffer: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut value = 0;
    for index in 1..=4 {
        let Some(&byte) = buffer.get(index) else {
            return Ok(None);
        };
        value |= usize::from(byte & 0x7F) << (7 * (index - 1));
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    Err(DecodeError::malformed(
        "the remaining length has more than four bytes",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_only_when_it_is_whole() {
        let packet = [0x32, 0x05, 0, 1, b'a', 0, 7];
        for cut in 0..packet.len() {
            assert!(
                Frame::first(&packet[..cut], 100).unwrap().is_none(),
                "at {cut}"
            );
        }
        let frame = Frame::first(&packet, 100).unwrap().unwrap();
        assert_eq!(
            (frame.packet_type, frame.flags, frame.length),
            (PacketType::Publish, 2, 7)
        );
        assert_eq!(frame.body, &packet[2..]);
    }

    #[test]
    fn a_large_packet_is_refused_by_its_header_alone() {
        let refused = Frame::first(&[0x30, 0xFF, 0xFF, 0x7F], 1000).unwrap_err();
        assert_eq!(refused.reason, Reason::PacketTooLarge);
    }

    #[test]
    fn a_remaining_length_of_five_bytes_is_malformed() {
        let refused = Frame::first(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], 1 << 30).unwrap_err();
        assert_eq!(refused.reason, Reason::MalformedPacket);
    }

    #[test]
    fn reserved_flags_and_server_packets_are_refused() {
        for first in [0x00, 0x11, 0x60, 0x80, 0xA0, 0xC1, 0xE8] {
            assert_eq!(
                Frame::first(&[first, 0], 10).unwrap_err().reason,
                Reason::MalformedPacket
            );
        }
        for first in [0x20, 0x90, 0xB0, 0xD0] {
            assert_eq!(
                Frame::first(&[first, 0], 10).unwrap_err().reason,
                Reason::ProtocolError
            );
        }
    }
}
