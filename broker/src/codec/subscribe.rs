//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (3.8 to 3.11).

use super::{
    DecodeError, QoS, Reason, Version,
    cursor::{Cursor, put_variable},
    properties::{Properties, id, misplaced},
};

/// A SUBSCRIBE packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscribe<'a> {
    pub(crate) packet_id: u16,
    pub(crate) has_identifier: bool,
    /// Filters as they came; whether they are topic filters is answered one by one.
    pub(crate) filters: Vec<(&'a str, SubscriptionOptions)>,
}

/// What a client asks of a subscription (3.8.3.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct SubscriptionOptions {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Subscribe<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        let mut has_identifier = false;
        if version == Version::V5 {
            let mut properties = Properties::take(&mut cursor)?;
            while let Some(property) = properties.next()? {
                match property.id {
                    id::SUBSCRIPTION_IDENTIFIER => has_identifier = true,
                    id::USER_PROPERTY => {}
                    _ => return Err(misplaced()),
                }
            }
        }
        let mut filters = Vec::new();
        while !cursor.is_empty() {
            filters.push((
                cursor.string()?,
                SubscriptionOptions::take(&mut cursor, version)?,
            ));
        }
        if filters.is_empty() {
            return Err(DecodeError::protocol("a SUBSCRIBE has no topic filter"));
        }
        Ok(Subscribe {
            packet_id,
            has_identifier,
            filters,
        })
    }
}

impl SubscriptionOptions {
    fn take(cursor: &mut Cursor<'_>, version: Version) -> Result<SubscriptionOptions, DecodeError> {
        let bits = cursor.u8()?;
        let (reserved, retain_handling) = if version == Version::V5 {
            (0xC0, bits >> 4 & 3)
        } else {
            (0xFC, 0)
        };
        if bits & reserved != 0 {
            return Err(DecodeError::malformed(
                "reserved subscription options are set",
            ));
        }
        if retain_handling == 3 {
            return Err(DecodeError::protocol("the retain handling is 3"));
        }
        Ok(SubscriptionOptions {
            qos: QoS::from_bits(bits & 3)
                .ok_or(DecodeError::malformed("a subscription asks for QoS 3"))?,
            no_local: bits & 0x04 != 0,
            retain_as_published: bits & 0x08 != 0,
        })
    }
}

/// An UNSUBSCRIBE packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unsubscribe<'a> {
    pub(crate) packet_id: u16,
    pub(crate) filters: Vec<&'a str>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Unsubscribe<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        if version == Version::V5 {
            let mut properties = Properties::take(&mut cursor)?;
            while let Some(property) = properties.next()? {
                if property.id != id::USER_PROPERTY {
                    return Err(misplaced());
                }
            }
        }
        let mut filters = Vec::new();
        while !cursor.is_empty() {
            filters.push(cursor.string()?);
        }
        if filters.is_empty() {
            return Err(DecodeError::protocol("an UNSUBSCRIBE has no topic filter"));
        }
        Ok(Unsubscribe { packet_id, filters })
    }
}

/// Appends a SUBACK with one reason per filter; below MQTT 5 every refusal is 0x80.
pub(crate) fn encode_suback(
    packet_id: u16,
    reasons: &[Reason],
    version: Version,
    out: &mut Vec<u8>,
) {
    let codes = reasons.iter().map(|reason| match version {
        Version::V5 => reason.code(),
        Version::V31 | Version::V311 => reason.code().min(0x80),
    });
    encode(0x90, packet_id, codes, version, out);
}

/// Appends an UNSUBACK; below MQTT 5 it has no reasons.
pub(crate) fn encode_unsuback(
    packet_id: u16,
    reasons: &[Reason],
    version: Version,
    out: &mut Vec<u8>,
) {
    let reasons = if version == Version::V5 { reasons } else { &[] };
    encode(
        0xB0,
        packet_id,
        reasons.iter().map(|reason| reason.code()),
        version,
        out,
    );
}

fn encode(
    first: u8,
    packet_id: u16,
    codes: impl ExactSizeIterator<Item = u8>,
    version: Version,
    out: &mut Vec<u8>,
) {
    let no_properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    out.push(first);
    put_variable(out, 2 + no_properties.len() + codes.len());
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend_from_slice(no_properties);
    out.extend(codes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_options_are_read() {
        let subscribe =
            Subscribe::decode(b"\0\x07\0\0\x03a/+\x0d\0\x01#\x02", Version::V5).unwrap();
        let first = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
        };
        let second = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        };
        assert_eq!(subscribe.filters, [("a/+", first), ("#", second)]);
    }

    #[test]
    fn broken_subscribes_are_refused() {
        let refused = |body: &[u8], version| Subscribe::decode(body, version).unwrap_err().reason;
        assert_eq!(refused(b"\0\x07", Version::V311), Reason::ProtocolError);
        assert_eq!(
            refused(b"\0\0\0\x01a\0", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x07\0\x01a\x03", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x07\0\x01a\x04", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x07\0\0\x01a\x40", Version::V5),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x07\0\0\x01a\x30", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(b"\0\x07\0\0\x01a", Version::V5),
            Reason::MalformedPacket
        );
        assert!(Unsubscribe::decode(b"\0\x07", Version::V311).is_err());
    }

    #[test]
    fn acknowledgements_fit_their_version() {
        let reasons = [Reason::GrantedQos1, Reason::TopicFilterInvalid];
        let mut wire = Vec::new();
        encode_suback(9, &reasons, Version::V311, &mut wire);
        assert_eq!(wire, [0x90, 4, 0, 9, 1, 0x80]);
        wire.clear();
        encode_suback(9, &reasons, Version::V5, &mut wire);
        assert_eq!(wire, [0x90, 5, 0, 9, 0, 1, 0x8F]);
        wire.clear();
        encode_unsuback(
            9,
            &[Reason::NoSubscriptionExisted],
            Version::V311,
            &mut wire,
        );
        assert_eq!(wire, [0xB0, 2, 0, 9]);
    }
}
