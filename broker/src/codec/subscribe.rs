//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (3.8 to 3.11).

use super::{
    DecodeError, QoS, Reason, Version,
    cursor::{Cursor, put_variable, variable_len},
    properties::{Properties, Value, id, misplaced},
};

/// A SUBSCRIBE packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscribe<'a> {
    pub(crate) packet_id: u16,
    /// What messages of these subscriptions are to carry.
    pub(crate) identifier: Option<u32>,
    /// Filters as they came; whether they are topic filters is answered one by one.
    pub(crate) filters: Vec<(&'a str, SubscriptionOptions)>,
}

/// What a client asks of a subscription (3.8.3.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct SubscriptionOptions {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// Which retained messages a subscription begins with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum RetainHandling {
    /// All that match.
    #[default]
    Send = 0,
    /// All that match, unless the subscription was there already.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Subscribe<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        let mut identifier = None;
        if version == Version::V5 {
            let mut properties = Properties::take(&mut cursor)?;
            while let Some(property) = properties.next()? {
                match (property.id, property.value) {
                    (id::SUBSCRIPTION_IDENTIFIER, Value::Number(number)) => {
                        identifier = Some(number);
                    }
                    (id::USER_PROPERTY, _) => {}
                    _ => return Err(misplaced()),
                }
            }
        }
        let mut filters = Vec::new();
        while !cursor.is_empty() {
            let filter = cursor.string()?;
            let options = SubscriptionOptions::take(&mut cursor, version)?;
            if options.no_local && filter.starts_with("$share/") {
                // [MQTT-3.8.3-4]
                return Err(DecodeError::protocol(
                    "a shared subscription asks for no local messages",
                ));
            }
            filters.push((filter, options));
        }
        if filters.is_empty() {
            return Err(DecodeError::protocol("a SUBSCRIBE has no topic filter"));
        }
        Ok(Subscribe {
            packet_id,
            identifier,
            filters,
        })
    }
}

impl SubscriptionOptions {
    fn take(cursor: &mut Cursor<'_>, version: Version) -> Result<SubscriptionOptions, DecodeError> {
        let byte = cursor.u8()?;
        // Below MQTT 5 there is the QoS alone.
        if version != Version::V5 && byte & 0xFC != 0 {
            return Err(reserved_options());
        }
        SubscriptionOptions::parse(byte)
    }

    fn parse(byte: u8) -> Result<SubscriptionOptions, DecodeError> {
        if byte & 0xC0 != 0 {
            return Err(reserved_options());
        }
        Ok(SubscriptionOptions {
            qos: QoS::from_bits(byte & 3)
                .ok_or(DecodeError::malformed("a subscription asks for QoS 3"))?,
            no_local: byte & 0x04 != 0,
            retain_as_published: byte & 0x08 != 0,
            retain_handling: match byte >> 4 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::protocol("the retain handling is 3")),
            },
        })
    }

    /// The options that MQTT 5 writes as `byte`.
    pub(crate) fn from_byte(byte: u8) -> Option<SubscriptionOptions> {
        SubscriptionOptions::parse(byte).ok()
    }

    /// The byte that [`SubscriptionOptions::from_byte`] reads.
    pub(crate) fn to_byte(self) -> u8 {
        self.qos as u8
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }
}

fn reserved_options() -> DecodeError {
    DecodeError::malformed("reserved subscription options are set")
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

/// Bytes of a SUBACK or UNSUBACK of MQTT 5 for so many filters.
pub(crate) fn answer_len(filters: usize) -> usize {
    let remaining = 3 + filters;
    1 + variable_len(remaining) + remaining
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
            Subscribe::decode(b"\0\x07\0\0\x03a/+\x1d\0\x01#\x02", Version::V5).unwrap();
        let first = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::SendIfNew,
        };
        let second = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        };
        assert_eq!(subscribe.filters, [("a/+", first), ("#", second)]);
        assert_eq!(subscribe.identifier, None);
    }

    #[test]
    fn an_identifier_is_read() {
        let body = b"\0\x07\x05\x0b\xff\xff\xff\x7f\0\x01#\0";
        let subscribe = Subscribe::decode(body, Version::V5).unwrap();
        assert_eq!(subscribe.identifier, Some(268_435_455));
    }

    #[test]
    fn options_come_back_from_their_byte() {
        let valid: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| {
                let options = SubscriptionOptions::from_byte(*byte);
                options.is_some_and(|options| options.to_byte() == *byte)
            })
            .collect();
        let expected = (0..0x30).filter(|byte| byte & 3 != 3);
        assert_eq!(valid, expected.collect::<Vec<u8>>());
    }

    #[test]
    fn a_shared_subscription_cannot_ask_for_no_local_messages() {
        let decode = |body: &[u8]| {
            let subscribe = Subscribe::decode(body, Version::V5);
            subscribe.map(drop).map_err(|error| error.reason)
        };
        assert_eq!(
            decode(b"\0\x07\0\0\x0a$share/g/a\x05"),
            Err(Reason::ProtocolError)
        );
        assert_eq!(decode(b"\0\x07\0\0\x0a$share/g/a\x01"), Ok(()));
        assert_eq!(decode(b"\0\x07\0\0\x03$sh\x05"), Ok(()));
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
        assert_eq!(
            refused(b"\0\x07\x02\x0b\0\0\x01a\0", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(b"\0\x07\x04\x0b\x01\x0b\x02\0\x01a\0", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(b"\0\x07\x03\x23\0\x01\0\x01a\0", Version::V5),
            Reason::ProtocolError
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
