//! 6: MQTT over WebSocket.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use super::packets::{Connect, PINGREQ, PUBACK, ack, connack, publish, suback, subscribe};
use crate::support::{gateway::Gateway, wait::PATIENCE};

// Opcodes of RFC 6455, 5.2.
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// The key of the example in RFC 6455, 1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A WebSocket of which the test decides every frame.
struct WebSocket {
    stream: TcpStream,
    /// What the gateway answered to the upgrade.
    response: String,
    /// MQTT that came in binary frames.
    received: Vec<u8>,
    is_within_message: bool,
}

impl WebSocket {
    /// Upgrades a connection to the subprotocols that are offered.
    #[track_caller]
    fn open(gateway: &Gateway, subprotocols: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.address()).expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Sec-WebSocket-Protocol: {subprotocols}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the request");
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            response.push(byte[0]);
        }
        let response = String::from_utf8(response).expect("HTTP is text");
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        assert!(response.contains(ACCEPT), "{response}");
        Self {
            stream,
            response,
            received: Vec::new(),
            is_within_message: false,
        }
    }

    /// A header of the response.
    fn header(&self, name: &str) -> Option<&str> {
        self.response.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Sends a frame; one that is not the last of its message is `more`.
    fn send(&mut self, opcode: u8, more: bool, payload: &[u8]) {
        const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let mut frame = vec![opcode | if more { 0 } else { 0x80 }];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
        // A gateway that has closed the connection is no error.
        self.stream.write_all(&frame).ok();
    }

    /// The next MQTT is these bytes, in binary frames.
    #[track_caller]
    fn expect(&mut self, expected: &[u8]) {
        while self.received.len() < expected.len() {
            let (first, payload) = self.frame().expect("a frame, not the end");
            match first & 0x0F {
                BINARY => assert!(!self.is_within_message, "{first:x}"),
                CONTINUATION => assert!(self.is_within_message, "{first:x}"),
                PING => continue,
                other => panic!("a frame with opcode {other:x}: {payload:x?}"),
            }
            self.is_within_message = first & 0x80 == 0;
            self.received.extend_from_slice(&payload);
        }
        let found: Vec<_> = self.received.drain(..expected.len()).collect();
        assert_eq!(found, expected);
    }

    /// The gateway closes the connection, and says nothing more in MQTT.
    #[track_caller]
    fn expect_end(&mut self) {
        assert!(self.received.is_empty(), "{:x?}", self.received);
        while let Some((first, payload)) = self.frame() {
            assert_eq!(first & 0x0F, CLOSE, "{payload:x?}");
        }
    }

    /// The next frame; `None` at the end.
    #[track_caller]
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length] = self.take()?;
        let length = match length {
            126 => usize::from(u16::from_be_bytes(self.take()?)),
            127 => u64::from_be_bytes(self.take()?) as usize,
            // A mask would make it 128 and more, which is not for servers.
            _ => usize::from(length),
        };
        assert!(length < 1 << 20, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        Some((first, payload))
    }

    #[track_caller]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("neither a frame nor the end came in {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }
}

#[test]
fn mqtt_6_0_0_1_mqtt_comes_in_binary_frames_and_a_text_frame_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut client = WebSocket::open(&gateway, "mqtt");
    client.send(BINARY, false, &Connect::new("client").bytes());
    client.expect(&connack(false, 0));
    client.send(BINARY, false, &PINGREQ);
    client.expect(&[0xD0, 0]);
    client.send(TEXT, false, &PINGREQ);
    client.expect_end();

    let mut client = WebSocket::open(&gateway, "mqtt");
    client.send(TEXT, false, &Connect::new("client").bytes());
    client.expect_end();
}

#[test]
fn mqtt_6_0_0_2_packets_and_frames_need_not_begin_together() {
    let gateway = Gateway::start("");
    let mut bytes = Connect::new("client").bytes();
    bytes.extend_from_slice(&subscribe(1, &[(b"t", 0)]));
    bytes.extend_from_slice(&publish(1, 2, "t", "x".repeat(300)));
    bytes.extend_from_slice(&PINGREQ);
    let mut expected = connack(false, 0);
    expected.extend_from_slice(&suback(1, &[0]));
    let mut others = [
        publish(0, 0, "t", "x".repeat(300)),
        ack(PUBACK, 2),
        vec![0xD0, 0],
    ]
    .concat();
    others.sort_unstable();

    for size in [1, 2, 3, 10, 50, bytes.len()] {
        for is_one_message in [false, true] {
            let mut client = WebSocket::open(&gateway, "mqtt");
            let mut parts = bytes.chunks(size).enumerate().peekable();
            while let Some((number, part)) = parts.next() {
                let opcode = match number {
                    1.. if is_one_message => CONTINUATION,
                    _ => BINARY,
                };
                let more = is_one_message && parts.peek().is_some();
                client.send(opcode, more, part);
            }
            client.expect(&expected);
            // The message and the two answers come in any order.
            while client.received.len() < others.len() {
                let (_, payload) = client.frame().expect("a frame, not the end");
                client.received.extend_from_slice(&payload);
            }
            client.received.sort_unstable();
            assert_eq!(client.received, others);
        }
    }
}

#[test]
fn mqtt_6_0_0_4_the_subprotocol_that_is_selected_is_mqtt() {
    let gateway = Gateway::start("");
    for offered in ["mqtt", "mqtt, chat", "chat, mqtt", "superchat,mqtt"] {
        let client = WebSocket::open(&gateway, offered);
        let selected = client.header("Sec-WebSocket-Protocol");
        assert_eq!(selected, Some("mqtt"), "{offered}");
    }
}
