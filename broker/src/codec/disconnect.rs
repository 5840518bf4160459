//! DISCONNECT (3.14).

use super::{
    DecodeError, Reason, Version,
    cursor::Cursor,
    properties::{Properties, id, misplaced},
};

/// A DISCONNECT packet from a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Disconnect {
    /// Whether the client wants its will published all the same (0x04, or an error).
    pub(crate) publishes_will: bool,
}

impl Disconnect {
    pub(crate) fn decode(body: &[u8], version: Version) -> Result<Disconnect, DecodeError> {
        let mut cursor = Cursor::new(body);
        let mut reason = 0;
        if version == Version::V5 && !cursor.is_empty() {
            reason = cursor.u8()?;
            let mut properties = Properties::take_optional(&mut cursor)?;
            while let Some(property) = properties.next()? {
                if !matches!(
                    property.id,
                    id::SESSION_EXPIRY_INTERVAL | id::REASON_STRING | id::USER_PROPERTY
                ) {
                    return Err(misplaced());
                }
            }
        }
        cursor.end()?;
        Ok(Disconnect {
            publishes_will: reason != 0,
        })
    }

    /// Appends the server's DISCONNECT, which only MQTT 5 has.
    pub(crate) fn encode(reason: Reason, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 {
            out.extend_from_slice(&[0xE0, 2, reason.code(), 0]);
        }
    }
}
