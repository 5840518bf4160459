//! MQTT 5 properties (2.2.2).

use super::{DecodeError, cursor::Cursor};

/// The identifiers of the properties that a server meets.
pub(crate) mod id {
    pub(crate) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub(crate) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub(crate) const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(crate) const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(crate) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(crate) const SERVER_REFERENCE: u8 = 0x1C;
    pub(crate) const REASON_STRING: u8 = 0x1F;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const MAXIMUM_QOS: u8 = 0x24;
    pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(crate) const USER_PROPERTY: u8 = 0x26;
    pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(crate) const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
    pub(crate) const SUBSCRIPTION_IDENTIFIER_AVAILABLE: u8 = 0x29;
    pub(crate) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;
}

/// A property's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair,
}

/// One property and its encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property<'a> {
    pub(crate) id: u8,
    pub(crate) value: Value<'a>,
    /// Identifier and value as they came.
    pub(crate) raw: &'a [u8],
}

/// The properties of one packet, checked as they are read.
pub(crate) struct Properties<'a> {
    raw: &'a [u8],
    cursor: Cursor<'a>,
    seen: u64,
}

impl<'a> Properties<'a> {
    /// Takes the property length and the properties from `packet`.
    pub(crate) fn take(packet: &mut Cursor<'a>) -> Result<Properties<'a>, DecodeError> {
        let length = packet.variable()?;
        let raw = packet.bytes(length as usize)?;
        Ok(Properties {
            raw,
            cursor: Cursor::new(raw),
            seen: 0,
        })
    }

    /// Like `take`, for packets whose property length may be left out at the end.
    pub(crate) fn take_optional(packet: &mut Cursor<'a>) -> Result<Properties<'a>, DecodeError> {
        if packet.is_empty() {
            return Ok(Properties {
                raw: &[],
                cursor: Cursor::new(&[]),
                seen: 0,
            });
        }
        Properties::take(packet)
    }

    /// All properties as they came.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The next property; only a user property may come twice.
    pub(crate) fn next(&mut self) -> Result<Option<Property<'a>>, DecodeError> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        let start = self.raw.len() - self.cursor.clone().remainder().len();
        let id = self.cursor.u8()?;
        let value = self.value(id)?;
        let end = self.raw.len() - self.cursor.clone().remainder().len();
        if id != id::USER_PROPERTY {
            let bit = 1_u64 << id;
            if self.seen & bit != 0 {
                return Err(DecodeError::protocol("a property comes twice"));
            }
            self.seen |= bit;
        }
        Ok(Some(Property {
            id,
            value,
            raw: &self.raw[start..end],
        }))
    }

    fn value(&mut self, id: u8) -> Result<Value<'a>, DecodeError> {
        let cursor = &mut self.cursor;
        Ok(match id {
            id::REQUEST_PROBLEM_INFORMATION
            | id::REQUEST_RESPONSE_INFORMATION
            | id::PAYLOAD_FORMAT_INDICATOR => match cursor.u8()? {
                flag @ (0 | 1) => Value::Number(u32::from(flag)),
                _ => {
                    return Err(DecodeError::protocol(
                        "a property that is 0 or 1 has another value",
                    ));
                }
            },
            id::MAXIMUM_QOS
            | id::RETAIN_AVAILABLE
            | id::WILDCARD_SUBSCRIPTION_AVAILABLE
            | id::SUBSCRIPTION_IDENTIFIER_AVAILABLE
            | id::SHARED_SUBSCRIPTION_AVAILABLE => Value::Number(u32::from(cursor.u8()?)),
            id::SERVER_KEEP_ALIVE | id::TOPIC_ALIAS_MAXIMUM => {
                Value::Number(u32::from(cursor.u16()?))
            }
            id::RECEIVE_MAXIMUM => {
                Value::Number(u32::from(nonzero(u32::from(cursor.u16()?))? as u16))
            }
            id::TOPIC_ALIAS => Value::Number(u32::from(cursor.u16()?)),
            id::MESSAGE_EXPIRY_INTERVAL | id::SESSION_EXPIRY_INTERVAL | id::WILL_DELAY_INTERVAL => {
                Value::Number(cursor.u32()?)
            }
            id::MAXIMUM_PACKET_SIZE => Value::Number(nonzero(cursor.u32()?)?),
            id::SUBSCRIPTION_IDENTIFIER => Value::Number(nonzero(cursor.variable()?)?),
            id::CONTENT_TYPE
            | id::RESPONSE_TOPIC
            | id::ASSIGNED_CLIENT_IDENTIFIER
            | id::AUTHENTICATION_METHOD
            | id::RESPONSE_INFORMATION
            | id::SERVER_REFERENCE
            | id::REASON_STRING => Value::Text(cursor.string()?),
            id::CORRELATION_DATA | id::AUTHENTICATION_DATA => Value::Binary(cursor.binary()?),
            id::USER_PROPERTY => {
                cursor.string()?;
                cursor.string()?;
                Value::Pair
            }
            _ => return Err(DecodeError::malformed("a property identifier is unknown")),
        })
    }
}

/// Checks a response topic, which receivers publish to: it has no wildcards ([MQTT-3.3.2-14]).
pub(crate) fn check_response_topic(topic: &str) -> Result<(), DecodeError> {
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err(DecodeError::protocol(
            "the response topic is not a topic name",
        ));
    }
    Ok(())
}

/// The error for a property that the packet must not carry.
pub(crate) fn misplaced() -> DecodeError {
    DecodeError::protocol("a property does not belong into this packet")
}

fn nonzero(value: u32) -> Result<u32, DecodeError> {
    match value {
        0 => Err(DecodeError::protocol(
            "a property that is never zero is zero",
        )),
        value => Ok(value),
    }
}
