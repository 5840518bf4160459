//! MQTT 5.
//!
//! `client` is what speaks to the gateway, `build` what it sends, `read` how strictly it
//! reads; each of the other modules is about one subject of the specification.

mod build;
mod client;
mod prop;
mod properties;
mod read;

mod acknowledgements;
mod authentication;
mod connack;
mod connect_format;
mod disconnect;
mod encoding;
mod errors;
mod expiry;
mod flow_control;
mod forwarding;
mod identifiers;
mod keep_alive;
mod ordering;
mod publish;
mod qos_1;
mod qos_2;
mod redelivery;
mod retained;
mod session;
mod shared;
mod subscribe;
mod subscription_ids;
mod takeover;
mod topic_aliases;
mod topics;
mod unsubscribe;
mod websocket;
mod wills;

/// The reason codes (2.4) that several tests expect.
mod reason {
    pub(super) const MALFORMED: u8 = 0x81;
    pub(super) const PROTOCOL_ERROR: u8 = 0x82;
    pub(super) const UNSUPPORTED_VERSION: u8 = 0x84;
    pub(super) const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub(super) const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub(super) const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub(super) const TOPIC_FILTER_INVALID: u8 = 0x8F;
    pub(super) const TOPIC_NAME_INVALID: u8 = 0x90;
    pub(super) const NOT_FOUND: u8 = 0x92;
    pub(super) const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub(super) const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub(super) const PACKET_TOO_LARGE: u8 = 0x95;
    pub(super) const QOS_NOT_SUPPORTED: u8 = 0x9B;
}
