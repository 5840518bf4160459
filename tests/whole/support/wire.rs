//! MQTT byte by byte, for what no proper client sends.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::support::{version::Version, wait::PATIENCE};

/// A connection of which the test decides every byte.
pub(crate) struct Wire<S = TcpStream> {
    stream: S,
    input: Vec<u8>,
}

/// A packet from the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Packet {
    /// The packet type and its flags.
    pub(crate) first: u8,
    /// All behind the fixed header.
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// Opens a connection and sends nothing.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the gateway takes connections"))
    }

    /// Takes a connection that is there.
    pub(crate) fn over(stream: TcpStream) -> Self {
        patient(&stream);
        Self::within(stream)
    }

    /// Opens a connection with a clean session, and is accepted.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, version: Version, client_id: &str) -> Self {
        let mut wire = Self::open(address);
        wire.greet(version, client_id);
        wire
    }

    /// Whether the gateway has closed the connection; does not wait.
    pub(crate) fn has_ended(&mut self) -> bool {
        let mut byte = [0];
        self.stream.set_nonblocking(true).expect("a socket option");
        let peeked = self.stream.peek(&mut byte);
        self.stream.set_nonblocking(false).expect("a socket option");
        match peeked {
            // What was said before the end is read first.
            Ok(1..) => self.fill() && self.has_ended(),
            Ok(0) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}

impl<S: Read + Write> Wire<S> {
    /// Takes what is carried by a connection, which ends by itself when nothing comes.
    pub(crate) fn within(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
        }
    }

    /// Sends CONNECT and is accepted.
    #[track_caller]
    pub(crate) fn greet(&mut self, version: Version, client_id: &str) {
        self.send(&connect(version, client_id));
        let answer = self.expect("CONNACK");
        assert_eq!(
            (answer.first, &answer.body[..2]),
            (0x20, &[0, 0][..]),
            "{answer:?}"
        );
    }

    /// Subscribes to `filter` and is granted `qos`.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, version: Version, filter: &str, qos: u8) {
        self.send(&subscribe(version, 1, filter.as_bytes(), qos));
        let answer = self.expect("SUBACK");
        assert_eq!(
            (answer.first, answer.body.last()),
            (0x90, Some(&qos)),
            "{answer:?}"
        );
    }

    /// Sends `bytes` as they are; a gateway that has closed the connection is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub(crate) fn expect(&mut self, what: &str) -> Packet {
        self.receive()
            .unwrap_or_else(|| panic!("the connection was closed before {what}"))
    }

    /// The next packet; `None` when the gateway has closed the connection.
    ///
    /// # Panics
    /// Neither happens in time.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.buffered() {
                return Some(packet);
            }
            if !self.fill() {
                assert!(self.input.is_empty(), "half a packet: {:?}", self.input);
                return None;
            }
        }
    }

    /// The next packet that is here already.
    pub(crate) fn buffered(&mut self) -> Option<Packet> {
        take_packet(&mut self.input)
    }

    /// Reads what comes next; false at the end of the connection.
    #[track_caller]
    pub(crate) fn fill(&mut self) -> bool {
        read_more(&mut self.stream, &mut self.input)
    }
}

/// Gives up on a gateway that says nothing or takes nothing.
pub(crate) fn patient(stream: &TcpStream) {
    stream.set_nodelay(true).expect("a socket option");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    stream
        .set_write_timeout(Some(PATIENCE))
        .expect("a socket option");
}

/// Adds to `input` what comes next on a connection; false at its end.
///
/// # Panics
/// A [`patient`] stream has waited in vain.
#[track_caller]
pub(crate) fn read_more(stream: &mut impl Read, input: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            input.extend_from_slice(&buffer[..count]);
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("the gateway neither answered nor closed the connection in {PATIENCE:?}")
        }
        // A reset is a close.
        Err(_) => false,
    }
}

/// Takes the first packet off `input`, when it is there whole.
pub(crate) fn take_packet(input: &mut Vec<u8>) -> Option<Packet> {
    let (length, header) = remaining_length(input)?;
    if input.len() < header + length {
        return None;
    }
    let body = input[header..header + length].to_vec();
    let first = input[0];
    input.drain(..header + length);
    Some(Packet { first, body })
}

/// A packet of any kind.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend_from_slice(body);
    packet
}

/// CONNECT with a clean session and without a keep-alive.
pub(crate) fn connect(version: Version, client_id: &str) -> Vec<u8> {
    let (name, level) = version.protocol();
    let mut body = string(name.as_bytes());
    body.extend_from_slice(&[level, 0x02, 0, 0]);
    body.extend_from_slice(no_properties(version));
    body.extend_from_slice(&string(client_id.as_bytes()));
    packet(0x10, &body)
}

/// CONNECT with these flags and, for MQTT 5, properties; a will is `gone` on the topic `will`.
pub(crate) fn connect_with(version: Version, flags: u8, properties: &[u8]) -> Vec<u8> {
    let (name, level) = version.protocol();
    let mut body = string(name.as_bytes());
    body.extend_from_slice(&[level, flags, 0, 0]);
    if version == Version::V5 {
        body.push(properties.len() as u8);
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&string(b"client"));
    if flags & 0x04 != 0 {
        if version == Version::V5 {
            body.push(0);
        }
        body.extend_from_slice(&string(b"will"));
        body.extend_from_slice(&string(b"gone"));
    }
    packet(0x10, &body)
}

/// CONNECT of `client_id` with these flags, and the fields that they announce.
pub(crate) fn connect_as(
    version: Version,
    client_id: &str,
    flags: u8,
    fields: &[&[u8]],
) -> Vec<u8> {
    let (name, level) = version.protocol();
    let mut body = string(name.as_bytes());
    body.extend_from_slice(&[level, flags, 0, 0]);
    body.extend_from_slice(no_properties(version));
    body.extend_from_slice(&string(client_id.as_bytes()));
    for field in fields {
        body.extend_from_slice(&string(field));
    }
    packet(0x10, &body)
}

/// PUBLISH; the packet identifier is left out at QoS 0.
pub(crate) fn publish(
    version: Version,
    qos: u8,
    packet_id: u16,
    topic: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut body = string(topic);
    if qos > 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.extend_from_slice(no_properties(version));
    body.extend_from_slice(payload);
    packet(0x30 | qos << 1, &body)
}

/// SUBSCRIBE with one filter.
pub(crate) fn subscribe(version: Version, packet_id: u16, filter: &[u8], qos: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend_from_slice(no_properties(version));
    body.extend_from_slice(&string(filter));
    body.push(qos);
    packet(0x82, &body)
}

/// PUBACK that says nothing but yes.
pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

/// The packet identifier at the beginning of an acknowledgement.
pub(crate) fn acknowledged(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet.body[0], packet.body[1]])
}

/// The packet identifier and the payload of a PUBLISH at QoS 1 from the gateway.
pub(crate) fn delivered(version: Version, packet: &Packet) -> (u16, &[u8]) {
    assert_eq!(packet.first & 0xF6, 0x32, "a PUBLISH at QoS 1: {packet:?}");
    let topic = usize::from(u16::from_be_bytes([packet.body[0], packet.body[1]]));
    let rest = &packet.body[2 + topic..];
    let packet_id = u16::from_be_bytes([rest[0], rest[1]]);
    match version {
        Version::V31 | Version::V311 => (packet_id, &rest[2..]),
        Version::V5 => (packet_id, &rest[3 + usize::from(rest[2])..]),
    }
}

/// A length of two bytes, then `bytes`.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut string = (bytes.len() as u16).to_be_bytes().to_vec();
    string.extend_from_slice(bytes);
    string
}

fn no_properties(version: Version) -> &'static [u8] {
    if version == Version::V5 { &[0] } else { &[] }
}

/// The remaining length and the size of the fixed header, when both are here.
fn remaining_length(input: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (index, byte) in input.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, index + 2));
        }
    }
    None
}
