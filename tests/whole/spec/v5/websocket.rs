//! MQTT over WebSocket (6).

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::{
    build::{Connect, Publish, subscribe},
    read::{self, Packet},
};
use crate::support::{gateway::Gateway, wait::PATIENCE};

// Opcodes (RFC 6455, 5.2).
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;

/// A WebSocket connection of which the test decides every frame.
struct WebSocket {
    stream: TcpStream,
    /// MQTT that came in binary frames and was not read yet.
    input: Vec<u8>,
}

impl WebSocket {
    /// Opens a connection and offers `protocols`; also gives the head of the answer.
    #[track_caller]
    fn offering(gateway: &Gateway, protocols: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(gateway.address()).expect("a connection");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\n\r\n",
            gateway.address()
        );
        stream
            .write_all(request.as_bytes())
            .expect("the request is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let input = Vec::new();
        (Self { stream, input }, head)
    }

    /// Opens a connection that an MQTT client is accepted on.
    #[track_caller]
    fn connect(gateway: &Gateway) -> Self {
        let (mut socket, _) = Self::offering(gateway, "mqtt");
        socket.send(BINARY, true, &Connect::new("client").encode());
        let Some(Packet::ConnAck(answer)) = socket.receive() else {
            panic!("CONNACK");
        };
        assert_eq!(answer.reason, 0);
        socket
    }

    /// Sends one frame; a gateway that has closed the connection is no error.
    fn send(&mut self, opcode: u8, is_last: bool, payload: &[u8]) {
        let mut frame = vec![u8::from(is_last) << 7 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        let mask = [0x12, 0x34, 0x56, 0x78];
        frame.extend_from_slice(&mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).ok();
    }

    /// The next MQTT packet; `None` when the connection ends.
    #[track_caller]
    fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some((length, size)) = self.input.get(1..).and_then(read::variable) {
                let end = 1 + size + length as usize;
                if let Some(body) = self.input.get(1 + size..end) {
                    let packet = read::packet(self.input[0], body);
                    self.input.drain(..end);
                    return Some(packet);
                }
            }
            let (opcode, payload) = self.frame()?;
            match opcode {
                BINARY | CONTINUATION => self.input.extend_from_slice(&payload),
                CLOSE => return None,
                other => panic!("MQTT is in binary frames and not in those of type {other}"),
            }
        }
    }

    /// The next frame; `None` at the end of the connection.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        assert_eq!(head[0] & 0x70, 0, "no extension was negotiated");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).ok()?;
                u16::from_be_bytes(length).into()
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length).ok()?;
                u64::from_be_bytes(length) as usize
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[0] & 0x0F, payload))
    }

    #[track_caller]
    fn takes(&mut self, text: &str) {
        match self.receive() {
            Some(Packet::Publish(publish)) => assert_eq!(publish.text(), text),
            other => panic!("PUBLISH and not {other:?}"),
        }
    }
}

#[test]
fn mqtt_6_0_0_1_mqtt_is_in_binary_frames_and_other_data_ends_the_connection() {
    let gateway = Gateway::start("");
    let mut socket = WebSocket::connect(&gateway);
    socket.send(BINARY, true, &[0xC0, 0]);
    assert_eq!(socket.receive(), Some(Packet::PingResp));
    // The same bytes, which are text as well as MQTT.
    socket.send(TEXT, true, &Publish::new("t", "").encode());
    socket.send(BINARY, true, &[0xC0, 0]);
    assert_eq!(socket.receive(), None);

    let (mut socket, _) = WebSocket::offering(&gateway, "mqtt");
    socket.send(TEXT, true, &Connect::new("client").encode());
    assert_eq!(socket.receive(), None);
}

#[test]
fn mqtt_6_0_0_2_packets_begin_and_end_anywhere_in_frames() {
    let gateway = Gateway::start("");
    let mut socket = WebSocket::connect(&gateway);
    let text = "x".repeat(300);
    let packets = [
        subscribe(1, &[], &[("t", 0)]),
        vec![0xC0, 0],
        Publish::new("t", &text).encode(),
    ]
    .concat();
    let answered = |socket: &mut WebSocket| {
        assert!(matches!(socket.receive(), Some(Packet::SubAck(_))));
        assert_eq!(socket.receive(), Some(Packet::PingResp));
        socket.takes(&text);
    };
    // All in one frame, one byte in each, and in between.
    for size in [packets.len(), 1, 2, 7, 100] {
        for piece in packets.chunks(size) {
            socket.send(BINARY, true, piece);
        }
        answered(&mut socket);
    }
    // In the fragments of one message, with an empty one.
    let (head, tail) = packets.split_at(20);
    socket.send(BINARY, false, head);
    socket.send(CONTINUATION, false, &[]);
    socket.send(CONTINUATION, true, tail);
    answered(&mut socket);
}

#[test]
fn mqtt_6_0_0_4_the_subprotocol_that_is_returned_is_mqtt() {
    let gateway = Gateway::start("");
    for protocols in ["mqtt", "other, mqtt", "mqtt, other"] {
        let (_, head) = WebSocket::offering(&gateway, protocols);
        let returned: Vec<&str> = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))
            .map(|(_, value)| value.trim())
            .collect();
        assert_eq!(returned, ["mqtt"], "{protocols}");
    }
}
