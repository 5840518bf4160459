//! Where the gateway decides and takes records, without the broker knowing why.

#[cfg(test)]
mod tests;

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc};

use bytestring::ByteString;
use perennial_rules::{TopicFilter, TopicName};

use crate::{
    codec::{QoS, Reason, Version},
    peer::Peer,
    store::Transaction,
};

/// What a hook answers when it has thought about it.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the broker asks on behalf of a client.
///
/// Answers about topics are remembered per connection until [`Rechecker::recheck`] is called,
/// so they depend on the client and the topic alone.
///
/// [`Rechecker::recheck`]: crate::Rechecker::recheck
pub trait Hooks: Send + Sync + 'static {
    /// Whether a request may become a WebSocket, and who the client is by it; by default who it
    /// is already.
    ///
    /// # Errors
    /// What the answer `403 Forbidden` says.
    fn upgrade(&self, request: &Upgrade<'_>) -> Result<Option<Arc<dyn Principal>>, String> {
        Ok(request.principal.cloned())
    }

    /// Whether a client may connect, and who it is from here on.
    ///
    /// # Errors
    /// The reason for the CONNACK.
    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>>;

    /// Whether `client`, who was admitted, may stay when the rules have changed.
    fn stays(&self, client: &Client) -> bool {
        let _ = client;
        true
    }

    /// Whether `client` may publish to `topic`, and who takes what it publishes there.
    ///
    /// # Errors
    /// The reason for the acknowledgement; below MQTT 5 the connection is closed.
    fn publish(&self, client: &Client, topic: &TopicName) -> Result<Intakes, Reason>;

    /// Whether `client`, who may publish to `topic`, may have messages retained there.
    ///
    /// # Errors
    /// As for a publish.
    fn retain(&self, client: &Client, topic: &TopicName) -> Result<(), Reason>;

    /// Whether `client` may subscribe to `filter`.
    ///
    /// # Errors
    /// The reason for the SUBACK.
    fn subscribe(&self, client: &Client, filter: &TopicFilter) -> Result<(), Reason>;

    /// Whether `client` may see messages on `topic` that `publisher` sends; no publisher is
    /// known of messages that were retained or waited in the client's queue.
    ///
    /// A client that has been away since the gateway started has no principal: what may be kept
    /// for it is asked again when it is back.
    fn deliver(&self, client: &Client, topic: &TopicName, publisher: Option<&Client>) -> bool;
}

/// Who takes records of the messages on a topic.
pub type Intakes = Vec<Arc<dyn Intake>>;

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

/// Who a client is, in the words of the hooks; the broker hands it on and looks at nothing in it.
pub trait Principal: Any + fmt::Debug + Send + Sync {}

impl dyn Principal {
    /// The principal as what it was made as.
    #[must_use]
    pub fn downcast_ref<T: Principal>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
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
    /// Who it is; until its CONNECT is accepted, who it is by its transport.
    pub principal: Option<Arc<dyn Principal>>,
}

/// A CONNECT that is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Connecting<'a> {
    /// The client that sends it.
    pub client: &'a Client,
    /// Its password.
    pub password: Option<&'a [u8]>,
    /// Whether it asks for a session that outlives the connection.
    pub is_persistent: bool,
    /// Whether it leaves a will.
    pub has_will: bool,
}

/// A request for a WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// The path with the query, as it was sent.
    pub target: &'a str,
    /// The headers with their names, both as they were sent.
    pub headers: &'a [(&'a str, &'a str)],
    /// Where the client connects from.
    pub peer: Peer,
    /// Who it is by its transport.
    pub principal: Option<&'a Arc<dyn Principal>>,
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
