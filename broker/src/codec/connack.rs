//! CONNACK (3.2).

use super::{
    QoS, Reason, Version,
    cursor::{put_binary, put_variable, variable_len},
    properties::id,
};

/// A CONNACK packet.
///
/// A refusal has the reason and its string alone. Retained messages, wildcards and shared
/// subscriptions are available, which is what a CONNACK says without a word.
#[derive(Clone, Debug)]
pub(crate) struct ConnAck<'a> {
    pub(crate) session_present: bool,
    pub(crate) reason: Reason,
    pub(crate) reason_string: Option<&'a str>,
    /// Seconds that the session outlives the connection, where it is not what the client asked for.
    pub(crate) session_expiry: Option<u32>,
    /// Publishes at QoS 1 and 2 that the broker takes at once.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    pub(crate) maximum_packet_size: u32,
    pub(crate) assigned_client_id: Option<&'a str>,
    /// The highest topic alias that the broker takes; zero for none.
    pub(crate) topic_alias_maximum: u16,
    pub(crate) subscription_identifiers_available: bool,
    /// Seconds, where it is not what the client asked for.
    pub(crate) server_keep_alive: Option<u16>,
}

impl ConnAck<'_> {
    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let is_accepted = self.reason == Reason::Success;
        let session_present = u8::from(self.session_present && is_accepted);
        match version {
            Version::V31 | Version::V311 => {
                // The specification of 3.1 reserves the byte.
                let flags = if version == Version::V31 {
                    0
                } else {
                    session_present
                };
                if let Some(code) = self.reason.connack_v3() {
                    out.extend_from_slice(&[0x20, 2, flags, code]);
                }
            }
            Version::V5 => {
                let mut properties = Vec::new();
                if is_accepted {
                    self.encode_session(&mut properties);
                    self.encode_server(&mut properties);
                }
                if let Some(text) = self.reason_string {
                    properties.push(id::REASON_STRING);
                    put_binary(&mut properties, text.as_bytes());
                }
                let length = properties.len();
                out.push(0x20);
                put_variable(out, 2 + variable_len(length) + length);
                out.extend_from_slice(&[session_present, self.reason.code()]);
                put_variable(out, length);
                out.extend_from_slice(&properties);
            }
        }
    }

    /// What the client gets in place of what it asked for.
    fn encode_session(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.session_expiry {
            out.push(id::SESSION_EXPIRY_INTERVAL);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        if let Some(client_id) = self.assigned_client_id {
            out.push(id::ASSIGNED_CLIENT_IDENTIFIER);
            put_binary(out, client_id.as_bytes());
        }
        if let Some(seconds) = self.server_keep_alive {
            out.push(id::SERVER_KEEP_ALIVE);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }

    /// What the server takes, where it is not what a client assumes.
    fn encode_server(&self, out: &mut Vec<u8>) {
        out.push(id::RECEIVE_MAXIMUM);
        out.extend_from_slice(&self.receive_maximum.to_be_bytes());
        out.push(id::MAXIMUM_PACKET_SIZE);
        out.extend_from_slice(&self.maximum_packet_size.to_be_bytes());
        if self.maximum_qos < QoS::ExactlyOnce {
            out.extend_from_slice(&[id::MAXIMUM_QOS, self.maximum_qos as u8]);
        }
        if self.topic_alias_maximum > 0 {
            out.push(id::TOPIC_ALIAS_MAXIMUM);
            out.extend_from_slice(&self.topic_alias_maximum.to_be_bytes());
        }
        if !self.subscription_identifiers_available {
            out.extend_from_slice(&[id::SUBSCRIPTION_IDENTIFIER_AVAILABLE, 0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connack(reason: Reason) -> ConnAck<'static> {
        ConnAck {
            session_present: true,
            reason,
            reason_string: None,
            session_expiry: None,
            receive_maximum: 3,
            maximum_qos: QoS::ExactlyOnce,
            maximum_packet_size: 4,
            assigned_client_id: None,
            topic_alias_maximum: 0,
            subscription_identifiers_available: true,
            server_keep_alive: None,
        }
    }

    fn encoded(connack: &ConnAck<'_>, version: Version) -> Vec<u8> {
        let mut wire = Vec::new();
        connack.encode(version, &mut wire);
        wire
    }

    #[test]
    fn a_connack_says_nothing_that_a_client_assumes() {
        assert_eq!(
            encoded(&connack(Reason::Success), Version::V5),
            b"\x20\x0b\x01\0\x08\x21\0\x03\x27\0\0\0\x04"
        );
        let restricted = ConnAck {
            maximum_qos: QoS::AtLeastOnce,
            subscription_identifiers_available: false,
            ..connack(Reason::Success)
        };
        assert_eq!(
            encoded(&restricted, Version::V5),
            b"\x20\x0f\x01\0\x0c\x21\0\x03\x27\0\0\0\x04\x24\x01\x29\0"
        );
    }

    #[test]
    fn a_refusal_has_its_reason_alone() {
        let refusal = ConnAck {
            reason_string: Some("why"),
            ..connack(Reason::Banned)
        };
        assert_eq!(
            encoded(&refusal, Version::V5),
            b"\x20\x09\0\x8a\x06\x1f\0\x03why"
        );
        assert_eq!(encoded(&refusal, Version::V311), [0x20, 2, 0, 5]);
    }

    #[test]
    fn only_mqtt_3_1_does_not_hear_of_its_session() {
        let accepted = connack(Reason::Success);
        assert_eq!(encoded(&accepted, Version::V31), [0x20, 2, 0, 0]);
        assert_eq!(encoded(&accepted, Version::V311), [0x20, 2, 1, 0]);
    }
}
