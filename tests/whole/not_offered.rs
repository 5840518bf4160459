//! What the gateway does not offer: it says so, and never pretends.

use crate::support::{
    gateway::Gateway,
    version::Version::V5,
    wire::{self, Packet, Wire},
};

/// The answer to a CONNECT, after which the connection is closed.
fn refusal(gateway: &Gateway, connect: &[u8]) -> Packet {
    let mut wire = Wire::open(gateway.address());
    wire.send(connect);
    let answer = wire.expect("CONNACK");
    assert_eq!(wire.receive(), None);
    answer
}

#[test]
fn enhanced_authentication_is_refused() {
    let gateway = Gateway::start("");
    let mut properties = vec![0x15];
    properties.extend_from_slice(&wire::string(b"SCRAM-SHA-1"));
    let answer = refusal(&gateway, &wire::connect_with(V5, 0x02, &properties));
    assert_eq!((answer.first, answer.body[1]), (0x20, 0x8C));
}
