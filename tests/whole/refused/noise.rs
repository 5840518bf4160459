//! Those who do not speak TLS on its ports, or hardly.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::{assert_served, seen, watcher};
use crate::support::{
    site::Site,
    tls::TlsClient,
    version::Version::{V5, V311},
    wire::{self, patient},
};

/// Short, so that those who never go on are gone soon.
const SOON: &str = "[limits]\nconnect_timeout = \"1s\"\n";

/// The silent ones, who are all there while a device connects.
const SILENT: usize = 100;

/// Sends `bytes` and reads until the gateway closes the connection.
#[track_caller]
fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let is_reset = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(is_reset, "the gateway does not close: {error}");
    }
    answer
}

/// The first bytes of a ClientHello in TLS 1.2 that says to be longer.
fn half_a_client_hello() -> Vec<u8> {
    let mut hello = vec![
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03,
    ];
    hello.extend([0x5A; 20]);
    hello
}

/// A record of the largest length that can be written, which is more than TLS allows.
fn oversized_record() -> Vec<u8> {
    let mut record = vec![0x16, 0x03, 0x01, 0xFF, 0xFF];
    record.extend([0x01; 0xFFFF]);
    record
}

#[test]
fn whatever_is_not_tls_is_answered_with_an_alert_or_nothing_and_closed() {
    let mut site = Site::with(SOON);
    let device = site.thing("sensor", &["default"]);
    site.start();
    let addresses = site.addresses();
    let mut watcher = watcher(&site);
    let mqtt = [
        wire::connect(V311, "sensor"),
        wire::publish(V311, 0, 0, b"kinesisfirehose/message", b"{}"),
    ];
    let noise = [
        mqtt.concat(),
        wire::connect(V5, "sensor"),
        b"GET /greengrass/discover/thing/sensor HTTP/1.1\r\n\r\n".to_vec(),
        b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        vec![0; 4096],
        vec![0xFF; 4096],
        half_a_client_hello(),
        oversized_record(),
        vec![0x16, 0x03, 0x01, 0x00, 0x00],
        // SSL 2, and the heart that bled.
        vec![0x80, 0x2E, 0x01, 0x00, 0x02],
        vec![0x18, 0x03, 0x02, 0x00, 0x03, 0x01, 0x40, 0x00],
    ];
    for address in [addresses.mqtt, addresses.https, addresses.shared] {
        for bytes in &noise {
            let answer = answer(address, bytes);
            let is_alert = answer.len() == 7 && answer[0] == 0x15;
            assert!(answer.is_empty() || is_alert, "{bytes:.20?}: {answer:?}");
        }
    }
    assert_served(&site, &device);
    assert!(seen(&mut watcher).is_empty());
}

#[test]
fn silent_clients_delay_nobody_and_are_closed_when_their_time_is_over() {
    let mut site = Site::with(SOON);
    let device = site.thing("sensor", &["default"]);
    site.start();
    let hello = half_a_client_hello();
    let mut silent = Vec::new();
    for address in [site.addresses().mqtt, site.addresses().shared] {
        for number in 0..SILENT {
            let mut stream = TcpStream::connect(address).unwrap();
            patient(&stream);
            if number % 2 == 0 {
                stream.write_all(&hello).unwrap();
            }
            silent.push(stream);
        }
    }
    assert_served(&site, &device);
    for mut stream in silent {
        let mut rest = Vec::new();
        // A reset is a close.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    assert_served(&site, &device);
}

#[test]
fn noise_within_tls_is_closed_as_it_is_without() {
    let mut site = Site::with(SOON);
    let device = site.thing("sensor", &["default"]);
    site.start();
    let client = TlsClient::of(&device);
    let addresses = site.addresses();
    let http = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (address, bytes) in [
        (addresses.mqtt, &http[..]),
        (addresses.mqtt, &[0xFF; 2048]),
        (addresses.mqtt, &[]),
        (addresses.shared, &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
    ] {
        let mut wire = client.open(address);
        wire.send(bytes);
        assert_eq!(wire.receive(), None, "{bytes:.20?}");
    }
    // MQTT is no request in HTTP.
    let connect = String::from_utf8(wire::connect(V311, "sensor")).unwrap();
    let answer = client.web(addresses.https).ask(&connect);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
    assert_served(&site, &device);
}
