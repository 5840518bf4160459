//! DISCONNECT (3.14).

use super::{
    DecodeError, Reason, Version,
    cursor::{Cursor, binary_len, put_binary, put_variable, variable_len},
    properties::{Properties, Value, id, misplaced},
};

/// A DISCONNECT packet from a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Disconnect {
    /// The reason code; zero below MQTT 5.
    pub(crate) reason: u8,
    /// Whether the client wants its will published all the same (0x04, or an error).
    pub(crate) publishes_will: bool,
    /// Seconds that the session outlives the connection, in place of what CONNECT said.
    pub(crate) session_expiry: Option<u32>,
}

impl Disconnect {
    pub(crate) fn decode(body: &[u8], version: Version) -> Result<Disconnect, DecodeError> {
        let mut cursor = Cursor::new(body);
        let (mut reason, mut session_expiry) = (0, None);
        if version == Version::V5 && !cursor.is_empty() {
            reason = cursor.u8()?;
            let mut properties = Properties::take_optional(&mut cursor)?;
            while let Some(property) = properties.next()? {
                match (property.id, property.value) {
                    (id::SESSION_EXPIRY_INTERVAL, Value::Number(seconds)) => {
                        session_expiry = Some(seconds);
                    }
                    (id::REASON_STRING | id::USER_PROPERTY, _) => {}
                    _ => return Err(misplaced()),
                }
            }
        }
        cursor.end()?;
        if !may_say(reason) {
            return Err(DecodeError::protocol(
                "a DISCONNECT has a reason code that a client must not use",
            ));
        }
        Ok(Disconnect {
            reason,
            publishes_will: reason != 0,
            session_expiry,
        })
    }

    /// Appends the server's DISCONNECT, which only MQTT 5 has.
    pub(crate) fn encode(
        reason: Reason,
        reason_string: Option<&str>,
        version: Version,
        out: &mut Vec<u8>,
    ) {
        if version != Version::V5 {
            return;
        }
        let properties = reason_string.map_or(0, |text| 1 + binary_len(text.as_bytes()));
        out.push(0xE0);
        put_variable(out, 1 + variable_len(properties) + properties);
        out.push(reason.code());
        put_variable(out, properties);
        if let Some(text) = reason_string {
            out.push(id::REASON_STRING);
            put_binary(out, text.as_bytes());
        }
    }
}

/// Whether a client may disconnect with this reason code (3.14.2.1); the others are a server's.
fn may_say(reason: u8) -> bool {
    matches!(
        reason,
        0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &[u8], version: Version) -> Reason {
        Disconnect::decode(body, version).unwrap_err().reason
    }

    #[test]
    fn a_goodbye_says_what_becomes_of_the_will_and_the_session() {
        let plain = Disconnect {
            reason: 0,
            publishes_will: false,
            session_expiry: None,
        };
        assert_eq!(Disconnect::decode(b"", Version::V311), Ok(plain));
        assert_eq!(Disconnect::decode(b"", Version::V5), Ok(plain));
        assert_eq!(Disconnect::decode(b"\0", Version::V5), Ok(plain));
        assert_eq!(
            Disconnect::decode(b"\x04\x05\x11\0\0\x01\0", Version::V5),
            Ok(Disconnect {
                reason: 4,
                publishes_will: true,
                session_expiry: Some(256),
            })
        );
    }

    #[test]
    fn a_client_has_its_own_reason_codes() {
        let allowed: Vec<u8> = (0..=u8::MAX)
            .filter(|code| Disconnect::decode(&[*code], Version::V5).is_ok())
            .collect();
        assert_eq!(
            allowed,
            [
                0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99
            ]
        );
        assert_eq!(refused(b"\x8e", Version::V5), Reason::ProtocolError);
    }

    #[test]
    fn broken_goodbyes_are_refused() {
        assert_eq!(refused(b"\0", Version::V311), Reason::MalformedPacket);
        assert_eq!(refused(b"\0\0\0", Version::V5), Reason::MalformedPacket);
        let server_reference = b"\0\x04\x1c\0\x01s";
        assert_eq!(
            refused(server_reference, Version::V5),
            Reason::ProtocolError
        );
        let expiry_twice = b"\0\x0a\x11\0\0\0\x01\x11\0\0\0\x01";
        assert_eq!(refused(expiry_twice, Version::V5), Reason::ProtocolError);
    }

    #[test]
    fn the_server_says_why_only_to_clients_that_can_hear_it() {
        let mut wire = Vec::new();
        Disconnect::encode(Reason::ServerBusy, Some("why"), Version::V311, &mut wire);
        assert_eq!(wire, []);
        Disconnect::encode(Reason::ServerBusy, None, Version::V5, &mut wire);
        assert_eq!(wire, [0xE0, 2, 0x89, 0]);
        wire.clear();
        Disconnect::encode(Reason::ServerBusy, Some("why"), Version::V5, &mut wire);
        assert_eq!(wire, b"\xe0\x08\x89\x06\x1f\0\x03why");
    }
}
