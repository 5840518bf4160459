//! Everything that must be refused: with the right code, without a word of it reaching others,
//! and with a gateway behind it that serves its devices as before.

mod handshakes;
mod logins;
mod names;
mod noise;
mod signatures;
mod topics;

use std::net::SocketAddr;

use crate::support::{
    site::{Device, Site},
    tls::TlsClient,
    version::Version::{self, V5, V311},
    wire::{self, Wire},
};

/// The reasons in CONNACK, in MQTT 3.1.1 and 5.
const NOT_AUTHORIZED: [u8; 2] = [5, 0x87];
const BAD_USER_NAME_OR_PASSWORD: [u8; 2] = [4, 0x86];
const ACCEPTED: [u8; 2] = [0, 0];

/// What `client` is answered in MQTT 3.1.1 and 5 to the CONNECT that `connect` makes.
#[track_caller]
fn connack(
    client: &TlsClient,
    address: SocketAddr,
    connect: impl Fn(Version) -> Vec<u8>,
) -> [u8; 2] {
    [V311, V5].map(|version| {
        let mut wire = client.open(address);
        wire.send(&connect(version));
        let answer = wire.expect("CONNACK");
        assert_eq!((answer.first, answer.body[0]), (0x20, 0), "{answer:?}");
        if answer.body[1] != 0 {
            assert_eq!(wire.receive(), None, "a client stays that is refused");
        }
        answer.body[1]
    })
}

/// The same to the name of `device` as the client identifier.
#[track_caller]
fn connack_as(client: &TlsClient, address: SocketAddr, client_id: &str) -> [u8; 2] {
    connack(client, address, |version| wire::connect(version, client_id))
}

/// Sees to it that `device` is served.
#[track_caller]
fn assert_served(site: &Site, device: &Device) {
    let client = TlsClient::of(device);
    let addresses = site.addresses();
    for address in [addresses.mqtt, addresses.shared] {
        assert_eq!(connack_as(&client, address, &device.name), ACCEPTED);
    }
}

/// A client of this machine that sees everything.
#[track_caller]
fn watcher(site: &Site) -> Wire {
    let mut watcher = Wire::connect(site.addresses().plain, V311, "watcher");
    watcher.subscribe(V311, "#", 0);
    watcher
}

/// The topics that `watcher` has seen before a marker that it publishes.
#[track_caller]
fn seen(watcher: &mut Wire) -> Vec<String> {
    watcher.send(&wire::publish(V311, 0, 0, b"marker", b""));
    let mut topics = Vec::new();
    loop {
        let topic = topic(&watcher.expect("the marker").body);
        if topic == "marker" {
            return topics;
        }
        topics.push(topic);
    }
}

/// The topic at the beginning of a PUBLISH.
fn topic(body: &[u8]) -> String {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    String::from_utf8(body[2..2 + length].to_vec()).expect("a topic is a text")
}
