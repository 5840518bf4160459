//! Clients that are not ours: each takes part in the same story.
//!
//! paho-mqtt, MQTT.js and rumqttc do so over TCP and over WebSocket, in MQTT 3.1.1 and 5.
//! `mosquitto_pub` and `mosquitto_sub` know no WebSocket as Debian builds them, so they
//! do so over TCP alone.

mod client;
mod mosquitto;
mod rumqttc;
mod script;
mod story;

use std::{fmt, net::SocketAddr, panic, thread};

use self::{
    client::Client,
    mosquitto::Mosquitto,
    rumqttc::Rumqttc,
    script::{Library, Script},
};
use crate::support::{
    gateway::Gateway,
    version::Version::{self, V5, V311},
};

/// What MQTT is carried by.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Tcp,
    WebSocket,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        })
    }
}

#[test]
fn paho_finds_everything_as_promised_over_tcp() {
    in_both_versions(script(Library::Paho, Transport::Tcp));
}

#[test]
fn paho_finds_everything_as_promised_over_websocket() {
    in_both_versions(script(Library::Paho, Transport::WebSocket));
}

#[test]
fn mqtt_js_finds_everything_as_promised_over_tcp() {
    in_both_versions(script(Library::MqttJs, Transport::Tcp));
}

#[test]
fn mqtt_js_finds_everything_as_promised_over_websocket() {
    in_both_versions(script(Library::MqttJs, Transport::WebSocket));
}

#[test]
fn rumqttc_finds_everything_as_promised_over_tcp() {
    in_both_versions(rumqttc(Transport::Tcp));
}

#[test]
fn rumqttc_finds_everything_as_promised_over_websocket() {
    in_both_versions(rumqttc(Transport::WebSocket));
}

#[test]
fn mosquitto_finds_everything_as_promised_over_tcp() {
    in_both_versions(|address, version| Mosquitto { address, version });
}

fn script(library: Library, transport: Transport) -> impl Fn(SocketAddr, Version) -> Script {
    move |address, version| Script {
        library,
        address,
        version,
        transport,
    }
}

fn rumqttc(transport: Transport) -> impl Fn(SocketAddr, Version) -> Rumqttc {
    move |address, version| Rumqttc {
        address,
        version,
        transport,
    }
}

/// Tells the story in both versions at the same time, each with a gateway of its own.
#[track_caller]
fn in_both_versions<C: Client>(client: impl Fn(SocketAddr, Version) -> C + Sync) {
    thread::scope(|scope| {
        let tellings = [V311, V5].map(|version| {
            let client = &client;
            let tell = move || {
                let gateway = Gateway::start("");
                story::tell(&client(gateway.address(), version), version);
            };
            let thread = thread::Builder::new().name(format!("MQTT {version}"));
            thread.spawn_scoped(scope, tell).expect("a thread")
        });
        for telling in tellings {
            if let Err(failure) = telling.join() {
                panic::resume_unwind(failure);
            }
        }
    });
}
