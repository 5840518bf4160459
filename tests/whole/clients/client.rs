//! What is asked of a client, whoever wrote it.

use serde::{Deserialize, Serialize};

/// A client of one kind: a library or a program, with one version of MQTT over one transport.
pub(super) trait Client {
    /// Connects; is accepted, and subscribed to what it wants, when it returns.
    fn connect(&self, how: &Connect<'_>) -> Box<dyn Peer>;

    /// What it does in its own way.
    fn habits(&self) -> Habits;
}

/// A client that is connected.
pub(super) trait Peer {
    /// Whether the gateway said that it has kept the session, for a client that tells.
    fn session_present(&self) -> Option<bool>;

    /// Publishes, one payload after the other; everything is acknowledged when it returns.
    fn publish(&mut self, publish: &Publish<'_>);

    /// All messages so far.
    fn messages(&self) -> Vec<Message>;

    /// Says goodbye and ends, without an error.
    fn leave(self: Box<Self>);

    /// Ends without a word.
    fn kill(self: Box<Self>);
}

/// Where clients differ from each other with good reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// Takes topic aliases from the gateway and finds the topics for them, below QoS 2: there
    /// MQTT.js 5.16 hands out the empty topic of the packet.
    pub(super) resolves_aliases: bool,
    /// Its goodbye is a DISCONNECT with reason 0x04, which asks for the will.
    pub(super) leaves_with_will: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Connect<'a> {
    pub(super) client_id: &'a str,
    /// For how many seconds the session outlives the connection; below MQTT 5 it does so
    /// for any number. It goes on with what an earlier connection left. Without this it does
    /// neither.
    pub(super) kept: Option<u32>,
    /// A filter, and the QoS that is asked for.
    pub(super) subscribe: Option<(&'a str, u8)>,
    /// The topic at which its will is published at QoS 1; the payload is the client identifier.
    pub(super) will: Option<&'a str>,
    /// Topic aliases that it takes.
    pub(super) aliases: u16,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Publish<'a> {
    pub(super) topic: &'a str,
    /// Each is a message.
    pub(super) payloads: Vec<String>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) properties: Properties,
    /// From the second message on an alias stands for the topic.
    pub(super) alias: bool,
}

/// What arrived, and how.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) retain: bool,
    #[serde(default)]
    pub(super) properties: Properties,
    /// The alias that the gateway has sent along.
    pub(super) alias: Option<u16>,
}

/// The properties of MQTT 5 that an application uses.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Properties {
    /// Those with the same name stand together, since some clients sort them so.
    pub(super) user: Vec<(String, String)>,
    pub(super) response_topic: Option<String>,
    pub(super) correlation_data: Option<String>,
    pub(super) content_type: Option<String>,
}
