//! A client that does exactly what a test says, and checks all that it is sent.

mod steps;

use std::{
    collections::{HashMap, VecDeque},
    io::Write,
    net::TcpStream,
};

use super::{
    build::Connect,
    read::{self, ConnAck, Packet},
};
use crate::support::{gateway::Gateway, wire};

/// A connection to the gateway.
pub(super) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    /// Publishes that came before an answer that was waited for.
    set_aside: VecDeque<Packet>,
    /// What the gateway has set topic aliases to.
    aliases: HashMap<u32, String>,
    /// The packet identifier of the packet that was sent last.
    packet_id: u16,
    /// The size of the largest packet so far.
    pub(super) largest: usize,
}

impl Client {
    /// Opens a connection and sends nothing.
    pub(super) fn open(gateway: &Gateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).expect("the gateway takes connections");
        wire::patient(&stream);
        Self {
            stream,
            input: Vec::new(),
            set_aside: VecDeque::new(),
            aliases: HashMap::new(),
            packet_id: 0,
            largest: 0,
        }
    }

    /// Connects with a clean start and is accepted.
    #[track_caller]
    pub(super) fn connect(gateway: &Gateway, id: &str) -> Self {
        Self::accepted(gateway, &Connect::new(id)).0
    }

    /// Connects to a session that outlives the connection; the flag tells whether it was there.
    #[track_caller]
    pub(super) fn resume(gateway: &Gateway, id: &str) -> (Self, bool) {
        let (client, answer) = Self::accepted(gateway, &Connect::resuming(id));
        (client, answer.session_present)
    }

    /// Sends CONNECT and is accepted.
    #[track_caller]
    pub(super) fn accepted(gateway: &Gateway, connect: &Connect) -> (Self, ConnAck) {
        let mut client = Self::open(gateway);
        client.send(&connect.encode());
        let answer = client.connack();
        assert_eq!(answer.reason, 0, "{answer:?}");
        (client, answer)
    }

    /// Sends CONNECT and is refused for one of `reasons`, after which the connection ends.
    #[track_caller]
    pub(super) fn refused(gateway: &Gateway, connect: &[u8], reasons: &[u8]) -> ConnAck {
        let mut client = Self::open(gateway);
        client.send(connect);
        let answer = client.connack();
        assert!(reasons.contains(&answer.reason), "{answer:?}");
        assert_eq!(client.receive(), None);
        answer
    }

    /// Sends a broken CONNECT, or none: it is told one of `reasons`, or nothing, and the
    /// connection ends.
    #[track_caller]
    pub(super) fn turned_away(gateway: &Gateway, bytes: &[u8], reasons: &[u8]) {
        let mut client = Self::open(gateway);
        client.send(bytes);
        match client.receive() {
            None => return,
            Some(Packet::ConnAck(answer)) if reasons.contains(&answer.reason) => {}
            Some(other) => panic!("CONNACK for one of {reasons:02x?} and not {other:?}"),
        }
        assert_eq!(client.receive(), None);
    }

    /// Sends `bytes` as they are; a gateway that has closed the connection is no error.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// The next packet; `None` when the gateway has closed the connection.
    ///
    /// # Panics
    /// Neither happens in time, or the packet breaks the specification.
    #[track_caller]
    pub(super) fn receive(&mut self) -> Option<Packet> {
        self.set_aside.pop_front().or_else(|| self.read())
    }

    #[track_caller]
    fn read(&mut self) -> Option<Packet> {
        loop {
            if let Some((length, size)) = self.input.get(1..).and_then(read::variable) {
                let (start, end) = (1 + size, 1 + size + length as usize);
                if let Some(body) = self.input.get(start..end) {
                    let packet = read::packet(self.input[0], body);
                    self.input.drain(..end);
                    self.largest = self.largest.max(end);
                    return Some(packet);
                }
            }
            if !self.fill() {
                assert!(self.input.is_empty(), "half a packet: {:?}", self.input);
                return None;
            }
        }
    }

    /// All that comes until the gateway closes the connection, whatever it is.
    #[track_caller]
    pub(super) fn receive_bytes(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.input)
    }

    /// Reads what comes next; false at the end of the connection.
    #[track_caller]
    fn fill(&mut self) -> bool {
        wire::read_more(&mut self.stream, &mut self.input)
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub(super) fn expect(&mut self) -> Packet {
        self.receive().expect("the connection is open")
    }

    /// The next packet that is not a PUBLISH; those before it stay to be received.
    #[track_caller]
    fn answer(&mut self) -> Packet {
        loop {
            match self.read().expect("the connection is open") {
                publish @ Packet::Publish(_) => self.set_aside.push_back(publish),
                answer => return answer,
            }
        }
    }
}
