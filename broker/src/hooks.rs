//! Where the gateway decides and takes records, without the broker knowing why.

use std::sync::Arc;

use bytestring::ByteString;
use perennial_rules::{TopicFilter, TopicName};

use crate::{
    codec::{QoS, Reason, Version},
    peer::Peer,
    store::Transaction,
};

/// What the broker asks on behalf of a client.
///
/// Answers about topics are remembered per connection, so they depend on the
/// client and the topic alone.
pub trait Hooks: Send + Sync + 'static {
    /// Whether `client` may connect.
    ///
    /// # Errors
    /// The reason for the CONNACK.
    fn connect(&self, client: &Client, password: Option<&[u8]>) -> Result<(), Reason>;

    /// Whether `client` may publish to `topic`, and who takes what it publishes there.
    ///
    /// # Errors
    /// The reason for the acknowledgement; below MQTT 5 the connection is closed.
    fn publish(&self, client: &Client, topic: &TopicName) -> Result<Vec<Arc<dyn Intake>>, Reason>;

    /// Whether `client` may subscribe to `filter`.
    ///
    /// # Errors
    /// The reason for the SUBACK.
    fn subscribe(&self, client: &Client, filter: &TopicFilter) -> Result<(), Reason>;

    /// Whether `client` may see messages on `topic`.
    fn deliver(&self, client: &Client, topic: &TopicName) -> bool;
}

/// Takes records from messages that are published to a topic.
pub trait Intake: Send + Sync {
    /// Appends what must be durable before `message` is acknowledged.
    ///
    /// # Errors
    /// The reason for which the message is refused; nothing of it may have been appended.
    fn take(
        &self,
        client: &Client,
        message: &Message<'_>,
        transaction: &mut Transaction,
    ) -> Result<(), Reason>;
}

/// A connected client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client identifier, also when the broker has assigned it.
    pub id: ByteString,
    /// The user name in its CONNECT packet.
    pub user_name: Option<String>,
    /// Where it connects from.
    pub peer: Peer,
    /// The protocol that it speaks.
    pub version: Version,
}

/// A message on its way through the broker.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The topic that it was published to.
    pub topic: &'a TopicName,
    /// The application message.
    pub payload: &'a [u8],
    /// The QoS that it was published with.
    pub qos: QoS,
}
