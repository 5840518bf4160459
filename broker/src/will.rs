//! Wills: messages that the broker publishes for clients that go without a word.

use bytestring::ByteString;
use perennial_rules::TopicName;

use crate::{
    codec::{self, QoS},
    hooks::{Client, Hooks},
};

/// A will that outlives the read buffer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Will {
    pub(crate) topic: TopicName,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Encoded properties that its receivers see.
    pub(crate) properties: Vec<u8>,
    /// Seconds from its publication that it is worth delivering.
    pub(crate) expiry: Option<u32>,
    /// Seconds from the end of the connection to its publication, unless the session ends first.
    pub(crate) delay: u32,
}

impl Will {
    /// The will of a CONNECT packet; `None` when its topic is not a topic name.
    pub(crate) fn new(will: &codec::Will<'_>) -> Option<Will> {
        Some(Will {
            topic: TopicName::parse(ByteString::from(will.topic)).ok()?,
            payload: will.payload.to_vec(),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.clone(),
            expiry: will.expiry,
            delay: will.delay,
        })
    }

    /// Whether `client` may publish it, as things are.
    pub(crate) fn may_be_published(&self, client: &Client, hooks: &dyn Hooks) -> bool {
        hooks.publish(client, &self.topic).is_ok()
            && (!self.retain || hooks.retain(client, &self.topic).is_ok())
    }
}
