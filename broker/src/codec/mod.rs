//! The wire format of MQTT 3.1, 3.1.1 and 5, as a server reads and writes it.
//!
//! Decoding borrows from the read buffer and checks everything that the
//! specifications call malformed; encoding appends to the write buffer.

mod acks;
mod connack;
mod connect;
mod cursor;
mod disconnect;
mod frame;
mod properties;
mod publish;
mod reason;
#[cfg(test)]
mod round_trips;
mod subscribe;
#[cfg(test)]
mod tests;

pub(crate) use acks::{Ack, AckKind};
pub(crate) use connack::ConnAck;
pub(crate) use connect::{Connect, Will};
pub(crate) use disconnect::Disconnect;
pub(crate) use frame::{Frame, PacketType};
pub(crate) use publish::{Outgoing, Publish};
pub use reason::Reason;
pub(crate) use subscribe::{
    RetainHandling, Subscribe, SubscriptionOptions, Unsubscribe, answer_len, encode_suback,
    encode_unsuback,
};

/// The protocol that a client chose in its CONNECT packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// MQTT 3.1 (`MQIsdp`, level 3).
    V31,
    /// MQTT 3.1.1 (level 4).
    V311,
    /// MQTT 5 (level 5).
    V5,
}

/// How often a message may and must arrive.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum QoS {
    /// QoS 0.
    #[default]
    AtMostOnce = 0,
    /// QoS 1.
    AtLeastOnce = 1,
    /// QoS 2.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS with this number; 3 and above are none.
    pub fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }
}

/// A packet that breaks the specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct DecodeError {
    /// The MQTT 5 reason code for it.
    pub(crate) reason: Reason,
    /// What is wrong, for the log.
    pub(crate) what: &'static str,
}

impl DecodeError {
    pub(crate) fn malformed(what: &'static str) -> DecodeError {
        DecodeError {
            reason: Reason::MalformedPacket,
            what,
        }
    }

    pub(crate) fn protocol(what: &'static str) -> DecodeError {
        DecodeError {
            reason: Reason::ProtocolError,
            what,
        }
    }
}
