//! Properties as the tests send them, and their identifiers (2.2.2.2).

use super::build::variable;
use crate::support::wire::string;

pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0B;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const PROBLEM_INFORMATION: u8 = 0x17;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub(super) const RESPONSE_INFORMATION: u8 = 0x1A;
pub(super) const REASON_STRING: u8 = 0x1F;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

pub(super) fn byte(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

pub(super) fn two(id: u8, value: u16) -> Vec<u8> {
    [&[id], &value.to_be_bytes()[..]].concat()
}

pub(super) fn four(id: u8, value: u32) -> Vec<u8> {
    [&[id], &value.to_be_bytes()[..]].concat()
}

pub(super) fn text(id: u8, text: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![id], string(text.as_ref())].concat()
}

pub(super) fn user(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let (name, value) = (string(name.as_ref()), string(value.as_ref()));
    [vec![USER_PROPERTY], name, value].concat()
}

pub(super) fn subscription_id(id: usize) -> Vec<u8> {
    [vec![SUBSCRIPTION_ID], variable(id)].concat()
}

pub(super) fn session_expiry(seconds: u32) -> Vec<u8> {
    four(SESSION_EXPIRY, seconds)
}

pub(super) fn maximum_packet_size(bytes: u32) -> Vec<u8> {
    four(MAXIMUM_PACKET_SIZE, bytes)
}

pub(super) fn receive_maximum(publishes: u16) -> Vec<u8> {
    two(RECEIVE_MAXIMUM, publishes)
}
