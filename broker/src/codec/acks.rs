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

impl AckKind {
    /// Whether a client may send it with this reason code ([MQTT-3.4.2-1], [MQTT-3.5.2-1],
    /// [MQTT-3.6.2-1], [MQTT-3.7.2-1]).
    fn may_say(self, reason: u8) -> bool {
        match self {
            AckKind::PubAck | AckKind::PubRec => matches!(
                reason,
                0x00 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
            ),
            AckKind::PubRel | AckKind::PubComp => matches!(reason, 0x00 | 0x92),
        }
    }
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
        if !kind.may_say(reason) {
            return Err(DecodeError::protocol(
                "an acknowledgement has a reason code that its sender must not use",
            ));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kind: AckKind, body: &[u8]) -> Result<u8, Reason> {
        Ack::decode(kind, body, Version::V5)
            .map(|ack| ack.reason)
            .map_err(|error| error.reason)
    }

    #[test]
    fn a_reason_and_its_properties_may_be_left_out() {
        assert_eq!(decode(AckKind::PubAck, b"\0\x07"), Ok(0));
        assert_eq!(decode(AckKind::PubRec, b"\0\x07\x97"), Ok(0x97));
        assert_eq!(
            decode(AckKind::PubComp, b"\0\x07\x92\x06\x1f\0\x03why"),
            Ok(0x92)
        );
    }

    #[test]
    fn each_acknowledgement_has_its_own_reason_codes() {
        let allowed = |kind| -> Vec<u8> {
            let codes = 0..=u8::MAX;
            codes
                .filter(|code| decode(kind, &[0, 7, *code]) != Err(Reason::ProtocolError))
                .collect()
        };
        let refusals = [0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
        assert_eq!(allowed(AckKind::PubAck), refusals);
        assert_eq!(allowed(AckKind::PubRec), refusals);
        assert_eq!(allowed(AckKind::PubRel), [0x00, 0x92]);
        assert_eq!(allowed(AckKind::PubComp), [0x00, 0x92]);
    }

    #[test]
    fn a_property_of_another_packet_is_refused() {
        let expiry = b"\0\x07\0\x05\x02\0\0\0\x01";
        assert_eq!(decode(AckKind::PubAck, expiry), Err(Reason::ProtocolError));
        let reason_strings = b"\0\x07\0\x08\x1f\0\x01a\x1f\0\x01b";
        assert_eq!(
            decode(AckKind::PubRec, reason_strings),
            Err(Reason::ProtocolError)
        );
    }
}
