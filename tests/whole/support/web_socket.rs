//! WebSocket byte by byte, for what no proper client sends.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::support::wire::{self, Packet};

/// The opcodes of frames, with the bit of a message's last frame.
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// A WebSocket connection of which the test decides every byte.
pub(crate) struct WebSocket<S = TcpStream> {
    stream: S,
    input: Vec<u8>,
    /// What binary frames brought and was not looked at.
    payload: Vec<u8>,
}

/// A request for a WebSocket by the book.
pub(crate) fn request(address: SocketAddr) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}

/// What is answered to `request`, to its end or to the end of the connection.
#[track_caller]
pub(crate) fn answer(address: SocketAddr, request: &str) -> String {
    WebSocket::open(address).ask(request)
}

impl WebSocket {
    /// Opens a connection and sends nothing.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway takes connections");
        wire::patient(&stream);
        Self::within(stream)
    }

    /// Opens a connection and shakes hands.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut socket = Self::open(address);
        socket.send(request(address).as_bytes());
        socket.accepted();
        socket
    }
}

impl<S: Read + Write> WebSocket<S> {
    /// Takes what is carried by a connection, which ends by itself when nothing comes.
    pub(crate) fn within(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// What is answered to `request`, to its end or to the end of the connection.
    #[track_caller]
    pub(crate) fn ask(mut self, request: &str) -> String {
        self.send(request.as_bytes());
        let is_open = self.read_head();
        while is_open && !self.input.starts_with(b"HTTP/1.1 101 ") && self.fill() {}
        String::from_utf8(self.input).expect("an answer in HTTP is a text")
    }

    /// Reads the answer to a request that is accepted.
    #[track_caller]
    pub(crate) fn accepted(&mut self) {
        assert!(self.read_head(), "the connection was closed");
        let end = head_end(&self.input).expect("a head");
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.input.drain(..end);
    }

    /// Sends `bytes` as they are; a gateway that has closed the connection is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// Sends a frame.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(&frame(first, payload));
    }

    /// The next MQTT packet in binary frames, however they cut it.
    #[track_caller]
    pub(crate) fn expect_packet(&mut self, what: &str) -> Packet {
        loop {
            if let Some(packet) = wire::take_packet(&mut self.payload) {
                return packet;
            }
            match self.receive_frame() {
                Some((BINARY, payload)) => self.payload.extend_from_slice(&payload),
                other => panic!("{other:?} came before {what}"),
            }
        }
    }

    /// The next frame; `None` when the gateway has closed the connection.
    #[track_caller]
    pub(crate) fn receive_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = take_frame(&mut self.input) {
                return Some(frame);
            }
            if !self.fill() {
                assert!(self.input.is_empty(), "half a frame: {:?}", self.input);
                return None;
            }
        }
    }

    /// The code with which the gateway closes, and that it does.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> Option<u16> {
        let (first, body) = self.receive_frame().expect("a Close");
        assert_eq!(first, CLOSE, "{body:?}");
        assert_eq!(self.receive_frame(), None);
        let code = body.get(..2)?;
        Some(u16::from_be_bytes([code[0], code[1]]))
    }

    /// Reads the head of an answer; false at the end of the connection.
    #[track_caller]
    fn read_head(&mut self) -> bool {
        while head_end(&self.input).is_none() {
            if !self.fill() {
                return false;
            }
        }
        true
    }

    /// Reads what comes next; false at the end of the connection.
    #[track_caller]
    fn fill(&mut self) -> bool {
        wire::read_more(&mut self.stream, &mut self.input)
    }
}

/// A frame as a client sends it, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// Takes a frame of the gateway, which masks nothing, off the front of `input`.
fn take_frame(input: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (*input.first()?, *input.get(1)?);
    let (length, header) = match second {
        126 => {
            let length = input.get(2..4)?;
            (usize::from(u16::from_be_bytes([length[0], length[1]])), 4)
        }
        0..126 => (usize::from(second), 2),
        _ => panic!("a frame of the gateway is masked or larger than it should be"),
    };
    if input.len() < header + length {
        return None;
    }
    let payload = input[header..header + length].to_vec();
    input.drain(..header + length);
    Some((first, payload))
}

fn head_end(input: &[u8]) -> Option<usize> {
    let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(end + 4)
}
