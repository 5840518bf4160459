//! PUBACK, PUBREC, PUBREL and PUBCOMP (3.4 to 3.7).

use super::{
    DecodeError, Reason, Version,
    cursor::Cursor,
    properties::{Properties, id, misplaced},
};

/// Which of the four it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[allow(
    clippy::enum_variant_names,
    reason = "the names are the specification's"
)]
pub(crate) enum AckKind {
    PubAck = 0x40,
    PubRec = 0x50,
    PubRel = 0x62,
    PubComp = 0x70,
}

/// One step of a QoS 1 or 2 handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ack {
    pub(crate) kind: AckKind,
    pub(crate) packet_id: u16,
    /// The reason code; zero below MQTT 5.
    pub(crate) reason: u8,
}

impl Ack {
    pub(crate) fn decode(kind: AckKind, body: &[u8], version: Version) -> Result<Ack, DecodeError> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        let mut reason = 0;
        if version == Version::V5 && !cursor.is_empty() {
            reason = cursor.u8()?;
            let mut properties = Properties::take_optional(&mut cursor)?;
            while let Some(property) = properties.next()? {
                if !matches!(property.id, id::REASON_STRING | id::USER_PROPERTY) {
                    return Err(misplaced());
                }
            }
        }
        cursor.end()?;
        Ok(Ack {
            kind,
            packet_id,
            reason,
        })
    }

    /// Appends an ack; a reason is left out where it says success or the version has none.
    pub(crate) fn encode(
        kind: AckKind,
        packet_id: u16,
        reason: Reason,
        version: Version,
        out: &mut Vec<u8>,
    ) {
        let [high, low] = packet_id.to_be_bytes();
        if version == Version::V5 && reason != Reason::Success {
            out.extend_from_slice(&[kind as u8, 3, high, low, reason.code()]);
        } else {
            out.extend_from_slice(&[kind as u8, 2, high, low]);
        }
    }

    /// Whether the peer refused what is acknowledged.
    pub(crate) fn is_error(&self) -> bool {
        self.reason >= 0x80
    }
}
