//! A second connection with the same client identifier (3.1.4).

use super::{build::Connect, client::Client, prop, read::Packet, reason::SESSION_TAKEN_OVER};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_3_1_4_3_a_second_client_with_the_same_identifier_replaces_the_first() {
    let gateway = Gateway::start("");
    let mut bystander = Client::connect(&gateway, "bystander");
    let (mut first, _) = Client::resume(&gateway, "client");
    for connect in [Connect::resuming("client"), Connect::new("client")] {
        let (mut second, _) = Client::accepted(&gateway, &connect);
        first.is_disconnected(&[SESSION_TAKEN_OVER]);
        second.pings();
        first = second;
    }
    bystander.pings();
}

#[test]
fn mqtt_3_14_2_2_the_gateways_disconnect_has_no_session_expiry_interval() {
    let gateway = Gateway::start("");
    // Any property that does not belong into a server's DISCONNECT fails the reading of it.
    let (mut replaced, _) = Client::resume(&gateway, "client");
    let (mut breaches, _) = Client::resume(&gateway, "client");
    breaches.send(&[0x00, 0x00]);
    for client in [&mut replaced, &mut breaches] {
        match client.expect() {
            Packet::Disconnect { properties, .. } => {
                assert!(!properties.has(prop::SESSION_EXPIRY));
            }
            other => panic!("DISCONNECT and not {other:?}"),
        }
    }
}
