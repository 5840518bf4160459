//! MQTT 3.1.1, section by section.

pub(crate) mod client;
mod connect;
mod connect_fields;
mod delivery;
mod faults;
mod forwarding;
mod identifiers;
mod order;
mod overlaps;
pub(crate) mod packets;
mod publish;
mod redelivery;
mod retained;
mod sessions;
mod subscribe;
mod text;
mod topics;
mod unsubscribe;
mod websocket;
mod wills;
