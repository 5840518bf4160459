//! The light MQTT 3.1.1 client: one connection of a load.
//!
//! - Nothing here waits, except for the handshake.
//! - One read takes what is there and one write sends what has gathered.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use mio::{Interest, Registry, Token, event::Event};

use crate::{
    endpoint::{Endpoint, Stream},
    inbox::{Inbox, Packet},
    wire::{append_ack, broken, packet, push_text},
};

/// The longest that a broker may take for one step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Long enough that nobody needs a PINGREQ; rumqttd refuses 0.
const KEEP_ALIVE: u16 = 3600;

/// The CONNACK of a session that begins.
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The CONNACK of a session that was kept.
const CONNACK_SESSION_PRESENT: [u8; 4] = [0x20, 2, 1, 0];

/// Connects a clean session under `client_id` and makes its socket non-blocking.
pub(crate) fn connect(
    address: SocketAddr,
    client_id: &str,
    subscription: Option<(&str, u8)>,
) -> io::Result<TcpStream> {
    let mut stream = dial(address)?;
    greet(&mut stream, &connect_packet(client_id, true), &CONNACK)?;
    if let Some((filter, qos)) = subscription {
        subscribe(&mut stream, filter, qos)?;
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// As [`connect`], in the way that `endpoint` is reached.
pub(crate) fn connect_to(
    endpoint: &Endpoint,
    client_id: &str,
    subscription: Option<(&str, u8)>,
) -> io::Result<Stream<TcpStream>> {
    let mut stream = endpoint.open(dial(endpoint.address())?)?;
    greet(&mut stream, &connect_packet(client_id, true), &CONNACK)?;
    if let Some((filter, qos)) = subscription {
        subscribe(&mut stream, filter, qos)?;
    }
    stream.socket().set_nonblocking(true)?;
    Ok(stream)
}

/// Connects a clean session and leaves it; returns when the broker has closed the connection.
pub(crate) fn visit(endpoint: &Endpoint, client_id: &str) -> io::Result<Stream<TcpStream>> {
    let mut stream = endpoint.open(dial(endpoint.address())?)?;
    greet(&mut stream, &connect_packet(client_id, true), &CONNACK)?;
    stream.write_all(&DISCONNECT)?;
    match stream.read(&mut [0]) {
        Ok(0) => Ok(stream),
        // mosquitto says no goodbye within TLS.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(stream),
        Ok(_) => Err(broken("a message for a client that has left".to_owned())),
        Err(error) => Err(error),
    }
}

/// Leaves a session behind that is subscribed to `filter` and outlives its connection.
pub(crate) fn leave_session(
    address: SocketAddr,
    client_id: &str,
    filter: &str,
    qos: u8,
) -> io::Result<()> {
    let mut stream = dial(address)?;
    greet(&mut stream, &connect_packet(client_id, false), &CONNACK)?;
    subscribe(&mut stream, filter, qos)?;
    stream.write_all(&DISCONNECT)?;
    stream.shutdown(Shutdown::Write)?;
    // The broker has handled the DISCONNECT when it closes.
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(broken("a message for a client that has left".to_owned())),
    }
}

/// Comes back to a session that was left behind; an error where the broker has not kept it.
pub(crate) fn resume_session(address: SocketAddr, client_id: &str) -> io::Result<TcpStream> {
    let mut stream = dial(address)?;
    let connect = connect_packet(client_id, false);
    greet(&mut stream, &connect, &CONNACK_SESSION_PRESENT)?;
    Ok(stream)
}

fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, HANDSHAKE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE))?;
    Ok(stream)
}

fn greet(stream: &mut (impl Read + Write), connect: &[u8], answer: &[u8]) -> io::Result<()> {
    stream.write_all(connect)?;
    expect(stream, answer, "CONNACK")
}

fn subscribe(stream: &mut (impl Read + Write), filter: &str, qos: u8) -> io::Result<()> {
    stream.write_all(&subscribe_packet(filter, qos))?;
    expect(stream, &[0x90, 3, 0, 1, qos], "SUBACK")
}

fn expect(stream: &mut impl Read, wanted: &[u8], name: &str) -> io::Result<()> {
    let mut found = vec![0; wanted.len()];
    match stream.read_exact(&mut found) {
        Ok(()) if found == wanted => Ok(()),
        Ok(()) => Err(broken(format!("{name} is {found:02x?}, not {wanted:02x?}"))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("no {name} within {HANDSHAKE:?}"),
        )),
        Err(error) => Err(error),
    }
}

/// CONNECT; a session that is not clean outlives its connection.
pub(crate) fn connect_packet(client_id: &str, clean: bool) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04".to_vec();
    body.push(if clean { 0x02 } else { 0x00 });
    body.extend(KEEP_ALIVE.to_be_bytes());
    push_text(&mut body, client_id);
    packet(0x10, &body)
}

fn subscribe_packet(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    push_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// A connection that is read and written when its socket is ready.
pub(crate) struct Client {
    stream: Stream<mio::net::TcpStream>,
    inbox: Inbox,
    /// What is to be sent; whoever appends calls `flush`.
    pub(crate) outbox: Vec<u8>,
    flushed: usize,
    readable: bool,
    closing: bool,
}

impl Client {
    /// Takes over the socket of a finished handshake.
    pub(crate) fn new(
        stream: impl Into<Stream<TcpStream>>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut stream = stream.into().map(mio::net::TcpStream::from_std);
        let interests = Interest::READABLE | Interest::WRITABLE;
        registry.register(stream.socket_mut(), token, interests)?;
        Ok(Self {
            stream,
            inbox: Inbox::new(),
            outbox: Vec::new(),
            flushed: 0,
            readable: true,
            closing: false,
        })
    }

    /// Remembers what the socket is ready for; readiness is reported once.
    pub(crate) fn notice(&mut self, event: &Event) {
        self.readable |= event.is_readable();
        self.closing |= event.is_read_closed();
    }

    /// The next packet that is here, reading when the buffer has none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.inbox.next()? {
                return Ok(Some(packet));
            }
            if !self.readable {
                return Ok(None);
            }
            // A read that leaves room has emptied the socket, and whatever comes later is
            // reported anew; only the end of the stream is not.
            self.readable = self.inbox.read(&mut self.stream)? || self.closing;
        }
    }

    /// Queues the PUBACK for `packet_id`.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) {
        append_ack(packet_id, &mut self.outbox);
    }

    /// True if all that was queued has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && !self.stream.holds_back()
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.flushed < self.outbox.len() {
            match self.stream.write(&self.outbox[self.flushed..]) {
                Ok(written) => self.flushed += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.outbox.clear();
        self.flushed = 0;
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
