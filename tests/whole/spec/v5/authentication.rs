//! Enhanced authentication (3.15, 4.12), which the gateway does not offer: it says so.

use super::{
    build::{Connect, auth},
    client::Client,
    prop,
    reason::{BAD_AUTHENTICATION_METHOD, MALFORMED, PROTOCOL_ERROR},
};
use crate::support::{gateway::Gateway, wire::packet};

const REAUTHENTICATE: u8 = 0x19;

/// That an accepted client that sends `bytes` is disconnected for one of `reasons`.
#[track_caller]
fn is_disconnected(gateway: &Gateway, bytes: &[u8], reasons: &[u8]) {
    let mut client = Client::connect(gateway, "client");
    client.send(bytes);
    client.is_disconnected(reasons);
}

#[test]
fn mqtt_3_15_1_1_reserved_flags_of_auth_are_malformed() {
    let gateway = Gateway::start("");
    let mut auth = auth(0x18, "method");
    for flags in 1..16 {
        auth[0] = 0xF0 | flags;
        is_disconnected(&gateway, &auth, &[MALFORMED]);
    }
}

#[test]
fn mqtt_3_15_2_1_an_auth_without_a_defined_reason_code_ends_the_connection() {
    let gateway = Gateway::start("");
    for code in [0x01, 0x17, 0x1A, 0x80, 0xFF] {
        let fits = [MALFORMED, PROTOCOL_ERROR];
        is_disconnected(&gateway, &auth(code, "method"), &fits);
    }
}

#[test]
fn mqtt_4_12_0_6_a_client_without_a_method_is_sent_no_auth_and_no_method() {
    let gateway = Gateway::start("");
    let connect = Connect::new("client")
        .user_name(b"name")
        .password(b"password");
    let (mut client, answer) = Client::accepted(&gateway, &connect);
    assert!(!answer.properties.has(prop::AUTHENTICATION_METHOD));
    client.pings();
}

#[test]
fn mqtt_4_12_0_7_an_auth_of_a_client_without_a_method_ends_the_connection() {
    let gateway = Gateway::start("");
    let fits = [PROTOCOL_ERROR, BAD_AUTHENTICATION_METHOD];
    is_disconnected(&gateway, &auth(0x18, "method"), &fits);
    is_disconnected(&gateway, &packet(0xF0, &[]), &fits);
}

#[test]
fn mqtt_4_12_1_2_an_authentication_that_fails_on_an_open_connection_closes_it() {
    let gateway = Gateway::start("");
    let fits = [PROTOCOL_ERROR, BAD_AUTHENTICATION_METHOD];
    is_disconnected(&gateway, &auth(REAUTHENTICATE, "method"), &fits);
}
