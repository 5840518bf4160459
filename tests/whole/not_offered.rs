//! What the gateway does not offer: it says so, and never pretends.

use crate::support::{
    gateway::Gateway,
    version::Version::{V5, V31, V311},
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
fn a_session_that_outlives_its_connection_is_not_promised() {
    let gateway = Gateway::start("");
    for version in [V31, V311] {
        let answer = refusal(&gateway, &wire::connect_with(version, 0x00, &[]));
        assert_eq!(
            (answer.first, answer.body.as_slice()),
            (0x20, &[0, 3][..]),
            "MQTT {version}"
        );
    }
    let mut client = Wire::open(gateway.address());
    client.send(&wire::connect_with(V5, 0x02, &[0x11, 0, 0, 1, 0]));
    let answer = client.expect("CONNACK");
    assert_eq!(answer.body[..2], [0, 0]);
    let ends_with_connection = [0x11, 0, 0, 0, 0];
    assert!(
        answer
            .body
            .windows(5)
            .any(|property| property == ends_with_connection),
        "{answer:?}"
    );
}

#[test]
fn retained_messages_are_refused() {
    let gateway = Gateway::start("");
    let mut client = Wire::connect(gateway.address(), V5, "client");
    let mut retained = wire::publish(V5, 1, 1, b"t", b"kept");
    retained[0] |= 1;
    client.send(&retained);
    let farewell = client.expect("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x9A));
    assert_eq!(client.receive(), None);

    let mut client = Wire::connect(gateway.address(), V311, "client");
    let mut retained = wire::publish(V311, 1, 1, b"t", b"kept");
    retained[0] |= 1;
    client.send(&retained);
    assert_eq!(client.receive(), None);

    let answer = refusal(&gateway, &wire::connect_with(V5, 0x26, &[]));
    assert_eq!(answer.body[1], 0x9A);
    let answer = refusal(&gateway, &wire::connect_with(V311, 0x26, &[]));
    assert_eq!(answer.body, [0, 3]);
}

#[test]
fn shared_subscriptions_and_subscription_identifiers_are_refused() {
    let gateway = Gateway::start("");
    for (version, refused) in [(V311, 0x80), (V5, 0x9E)] {
        let mut client = Wire::connect(gateway.address(), version, "client");
        client.send(&wire::subscribe(version, 1, b"$share/group/t", 1));
        assert_eq!(
            client.expect("SUBACK").body.last(),
            Some(&refused),
            "MQTT {version}"
        );
        client.subscribe(version, "t", 1);
    }
    let mut client = Wire::connect(gateway.address(), V5, "client");
    let mut body = vec![0, 1, 2, 0x0B, 7];
    body.extend_from_slice(&wire::string(b"t"));
    body.push(1);
    client.send(&wire::packet(0x82, &body));
    assert_eq!(client.expect("SUBACK").body.last(), Some(&0xA1));
}

#[test]
fn enhanced_authentication_is_refused() {
    let gateway = Gateway::start("");
    let mut properties = vec![0x15];
    properties.extend_from_slice(&wire::string(b"SCRAM-SHA-1"));
    let answer = refusal(&gateway, &wire::connect_with(V5, 0x02, &properties));
    assert_eq!((answer.first, answer.body[1]), (0x20, 0x8C));
}
