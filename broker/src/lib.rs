//! An MQTT server with hooks and a durable store.
//!
//! The broker knows no cloud: through its [`Hooks`] the gateway decides who may
//! do what, and takes from messages the records that must be durable before
//! their acknowledgement leaves.

mod acks;
mod aliases;
mod broker;
mod clock;
mod codec;
mod compat;
mod complaints;
mod connection;
mod core;
mod counters;
#[cfg(test)]
mod fault_tests;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod handshake;
mod hooks;
mod housekeeper;
mod inbound;
mod keep_alive;
mod limits;
mod listener;
mod mailbox;
mod message;
#[cfg(test)]
mod model_tests;
mod peer;
#[cfg(test)]
mod random_cases;
mod rate;
mod retained;
mod router;
mod session;
mod sessions;
mod socket;
pub mod store;
mod stored;
mod sys;
mod websocket;
mod will;
mod window;

pub use broker::{Broker, Publisher, Rechecker};
pub use codec::{QoS, Reason, Version};
pub use compat::Compat;
pub use counters::BrokerCounters;
pub use hooks::{Answer, Client, Connecting, Hooks, Intake, Intakes, Message, Principal, Upgrade};
pub use limits::{Limits, QueueFullPolicy};
pub use listener::{
    Application, Bound, Gate, ListenAddress, ListenError, ListenerConfig, Origins, Protocol,
    Secure, Secured, Stream, Transport, Web,
};
pub use peer::Peer;
