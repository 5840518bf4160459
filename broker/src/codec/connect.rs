//! CONNECT (3.1).

use super::{
    DecodeError, QoS, Reason, Version,
    cursor::Cursor,
    properties::{Properties, Value, check_response_topic, id, misplaced},
};

/// A CONNECT packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Connect<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    /// Clean session below MQTT 5.
    pub(crate) clean_start: bool,
    /// Seconds; zero for none.
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Will<'a>>,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    /// Seconds that the session outlives the connection.
    pub(crate) session_expiry: u32,
    /// Publishes at QoS 1 and 2 that the client takes at once.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: Option<u32>,
    /// The highest topic alias that the client takes; zero for none.
    pub(crate) topic_alias_maximum: u16,
    /// Whether reason strings may be on other packets than CONNACK, PUBLISH and DISCONNECT.
    pub(crate) requests_problem_information: bool,
    pub(crate) requests_response_information: bool,
    pub(crate) has_authentication_method: bool,
}

/// The will in a CONNECT packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Encoded properties that its receivers see.
    pub(crate) properties: Vec<u8>,
    /// Seconds that it is worth delivering.
    pub(crate) expiry: Option<u32>,
    /// Seconds from the end of the connection to its publication.
    pub(crate) delay: u32,
}

impl<'a> Connect<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Connect<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let version = version(&mut cursor)?;
        let flags = Flags::take(&mut cursor, version)?;
        let mut connect = Connect {
            version,
            client_id: "",
            clean_start: flags.clean_start,
            keep_alive: cursor.u16()?,
            will: None,
            user_name: None,
            password: None,
            session_expiry: if version == Version::V5 || flags.clean_start {
                0
            } else {
                u32::MAX
            },
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            requests_problem_information: true,
            requests_response_information: false,
            has_authentication_method: false,
        };
        if version == Version::V5 {
            connect.take_properties(&mut cursor)?;
        }
        connect.client_id = cursor.string()?;
        if flags.will {
            connect.will = Some(Will::take(&mut cursor, &flags, version)?);
        }
        // MQTT 3.1 (3.1) lets the remaining length decide whether these two are there.
        let ends = |cursor: &Cursor<'_>| version == Version::V31 && cursor.is_empty();
        if flags.user_name && !ends(&cursor) {
            connect.user_name = Some(cursor.string()?);
        }
        if flags.password && !ends(&cursor) {
            connect.password = Some(cursor.binary()?);
        }
        cursor.end()?;
        Ok(connect)
    }

    fn take_properties(&mut self, cursor: &mut Cursor<'a>) -> Result<(), DecodeError> {
        let mut properties = Properties::take(cursor)?;
        let mut has_authentication_data = false;
        while let Some(property) = properties.next()? {
            match (property.id, property.value) {
                (id::SESSION_EXPIRY_INTERVAL, Value::Number(seconds)) => {
                    self.session_expiry = seconds
                }
                (id::RECEIVE_MAXIMUM, Value::Number(maximum)) => {
                    self.receive_maximum = maximum as u16
                }
                (id::MAXIMUM_PACKET_SIZE, Value::Number(bytes)) => {
                    self.maximum_packet_size = Some(bytes)
                }
                (id::AUTHENTICATION_METHOD, _) => self.has_authentication_method = true,
                (id::AUTHENTICATION_DATA, _) => has_authentication_data = true,
                (id::TOPIC_ALIAS_MAXIMUM, Value::Number(maximum)) => {
                    self.topic_alias_maximum = maximum as u16
                }
                (id::REQUEST_PROBLEM_INFORMATION, Value::Number(flag)) => {
                    self.requests_problem_information = flag == 1
                }
                (id::REQUEST_RESPONSE_INFORMATION, Value::Number(flag)) => {
                    self.requests_response_information = flag == 1
                }
                (id::USER_PROPERTY, _) => {}
                _ => return Err(misplaced()),
            }
        }
        if has_authentication_data && !self.has_authentication_method {
            return Err(DecodeError::protocol(
                "authentication data comes without a method",
            ));
        }
        Ok(())
    }
}

/// The protocol name and level.
fn version(cursor: &mut Cursor<'_>) -> Result<Version, DecodeError> {
    const UNSUPPORTED: DecodeError = DecodeError {
        reason: Reason::UnsupportedProtocolVersion,
        what: "the protocol is not MQTT 3.1, 3.1.1 or 5",
    };
    let name = cursor.binary()?;
    let level = cursor.u8()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Version::V31),
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        _ => Err(UNSUPPORTED),
    }
}

/// The connect flags (3.1.2.3 to 3.1.2.9).
struct Flags {
    clean_start: bool,
    will: bool,
    will_qos: QoS,
    will_retain: bool,
    user_name: bool,
    password: bool,
}

impl Flags {
    fn take(cursor: &mut Cursor<'_>, version: Version) -> Result<Flags, DecodeError> {
        let bits = cursor.u8()?;
        let flags = Flags {
            clean_start: bits & 0x02 != 0,
            will: bits & 0x04 != 0,
            will_qos: QoS::from_bits(bits >> 3 & 3)
                .ok_or(DecodeError::malformed("the will has QoS 3"))?,
            will_retain: bits & 0x20 != 0,
            user_name: bits & 0x80 != 0,
            password: bits & 0x40 != 0,
        };
        if bits & 0x01 != 0 {
            return Err(DecodeError::malformed("the reserved connect flag is set"));
        }
        if !flags.will && bits & 0x38 != 0 {
            return Err(DecodeError::malformed("will flags are set without a will"));
        }
        if version != Version::V5 && flags.password && !flags.user_name {
            return Err(DecodeError::malformed(
                "a password comes without a user name",
            ));
        }
        Ok(flags)
    }
}

impl<'a> Will<'a> {
    fn take(
        cursor: &mut Cursor<'a>,
        flags: &Flags,
        version: Version,
    ) -> Result<Will<'a>, DecodeError> {
        let (mut expiry, mut delay, mut forwarded) = (None, 0, Vec::new());
        if version == Version::V5 {
            let mut properties = Properties::take(cursor)?;
            while let Some(property) = properties.next()? {
                match (property.id, property.value) {
                    (id::WILL_DELAY_INTERVAL, Value::Number(seconds)) => delay = seconds,
                    (id::MESSAGE_EXPIRY_INTERVAL, Value::Number(seconds)) => expiry = Some(seconds),
                    (id::RESPONSE_TOPIC, Value::Text(topic)) => {
                        check_response_topic(topic)?;
                        forwarded.extend_from_slice(property.raw);
                    }
                    (
                        id::PAYLOAD_FORMAT_INDICATOR
                        | id::CONTENT_TYPE
                        | id::CORRELATION_DATA
                        | id::USER_PROPERTY,
                        _,
                    ) => forwarded.extend_from_slice(property.raw),
                    _ => return Err(misplaced()),
                }
            }
        }
        Ok(Will {
            topic: cursor.string()?,
            payload: cursor.binary()?,
            qos: flags.will_qos,
            retain: flags.will_retain,
            properties: forwarded,
            expiry,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &[u8]) -> Reason {
        Connect::decode(body).unwrap_err().reason
    }

    #[test]
    fn each_version_is_recognised() {
        let v31 = Connect::decode(b"\0\x06MQIsdp\x03\x02\0\x0a\0\x01c").unwrap();
        assert_eq!(
            (v31.version, v31.client_id, v31.keep_alive),
            (Version::V31, "c", 10)
        );
        let v311 = Connect::decode(b"\0\x04MQTT\x04\xc2\0\0\0\x01c\0\x01u\0\x02pw").unwrap();
        assert_eq!(
            (v311.user_name, v311.password),
            (Some("u"), Some(&b"pw"[..]))
        );
        let v5 =
            Connect::decode(b"\0\x04MQTT\x05\x02\0\0\x08\x21\0\x05\x11\0\0\0\x09\0\0").unwrap();
        assert_eq!(
            (v5.version, v5.receive_maximum, v5.session_expiry),
            (Version::V5, 5, 9)
        );
    }

    #[test]
    fn a_will_carries_its_properties() {
        let body =
            b"\0\x04MQTT\x05\x2e\0\0\0\0\x01c\x0a\x18\0\0\0\x07\x02\0\0\0\x08\0\x01w\0\x02hi";
        let will = Connect::decode(body).unwrap().will.unwrap();
        assert_eq!(
            (will.topic, will.payload, will.qos, will.retain),
            ("w", &b"hi"[..], QoS::AtLeastOnce, true)
        );
        assert_eq!((will.expiry, will.delay), (Some(8), 7));
    }

    #[test]
    fn what_a_connect_leaves_out_has_its_default() {
        let connect = Connect::decode(b"\0\x04MQTT\x05\x06\0\0\0\0\0\0\0\x01w\0\0").unwrap();
        assert_eq!(connect.topic_alias_maximum, 0);
        assert!(connect.requests_problem_information);
        assert!(!connect.requests_response_information);
        assert_eq!(connect.will.unwrap().delay, 0);
    }

    #[test]
    fn a_flag_that_is_neither_0_nor_1_is_refused() {
        for id in [
            id::REQUEST_PROBLEM_INFORMATION,
            id::REQUEST_RESPONSE_INFORMATION,
        ] {
            let body = [b"\0\x04MQTT\x05\x02\0\0\x02", &[id, 2][..], b"\0\x01c"].concat();
            assert_eq!(refused(&body), Reason::ProtocolError);
        }
    }

    #[test]
    fn a_wills_response_topic_has_no_wildcard() {
        let body = b"\0\x04MQTT\x05\x06\0\0\0\0\0\x05\x08\0\x02+a\0\x01w\0\0";
        assert_eq!(refused(body), Reason::ProtocolError);
    }

    #[test]
    fn the_wills_own_properties_do_not_belong_into_the_connect() {
        let delay = b"\0\x04MQTT\x05\x02\0\0\x05\x18\0\0\0\x01\0\x01c";
        assert_eq!(refused(delay), Reason::ProtocolError);
        let alias_maximum = b"\0\x04MQTT\x05\x06\0\0\0\0\0\x03\x22\0\x01\0\x01w\0\0";
        assert_eq!(refused(alias_maximum), Reason::ProtocolError);
    }

    #[test]
    fn broken_connects_are_refused() {
        assert_eq!(
            refused(b"\0\x04MQTT\x06\x02\0\0\0\x01c"),
            Reason::UnsupportedProtocolVersion
        );
        assert_eq!(
            refused(b"\0\x04HTTP\x04\x02\0\0\0\x01c"),
            Reason::UnsupportedProtocolVersion
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x03\0\0\0\x01c"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x42\0\0\0\x01c\0\x01p"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x0a\0\0\0\x01c"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x1e\0\0\0\x01c\0\x01w\0\0"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x02\0\0\0\x01cX"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x04\x02\0\0\0\x01\0"),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\x01c"),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(b"\0\x04MQTT\x05\x02\0\0\x02\x24\x01\0\x01c"),
            Reason::ProtocolError
        );
    }
}
