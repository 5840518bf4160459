//! The light MQTT 3.1.1 client: one connection of a load.
//!
//! - Nothing here waits, except for the handshake.
//! - One read takes what is there and one write sends what has gathered.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use mio::{Interest, Registry, Token, event::Event};

use crate::{
    inbox::{Inbox, Packet},
    wire::{append_ack, broken, packet, push_text},
};

/// The longest that a broker may take for one step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Long enough that nobody needs a PINGREQ; rumqttd refuses 0.
const KEEP_ALIVE: u16 = 3600;

/// Connects a clean session under `client_id` and makes its socket non-blocking.
pub(crate) fn connect(
    address: SocketAddr,
    client_id: &str,
    subscription: Option<(&str, u8)>,
) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, HANDSHAKE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE))?;
    stream.write_all(&connect_packet(client_id))?;
    expect(&mut stream, &[0x20, 2, 0, 0], "CONNACK")?;
    if let Some((filter, qos)) = subscription {
        stream.write_all(&subscribe_packet(filter, qos))?;
        expect(&mut stream, &[0x90, 3, 0, 1, qos], "SUBACK")?;
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn expect(stream: &mut TcpStream, wanted: &[u8], name: &str) -> io::Result<()> {
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

fn connect_packet(client_id: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\x02".to_vec();
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
    stream: mio::net::TcpStream,
    inbox: Inbox,
    /// What is to be sent; whoever appends calls `flush`.
    pub(crate) outbox: Vec<u8>,
    flushed: usize,
    readable: bool,
    closing: bool,
}

impl Client {
    /// Takes over the socket of a finished handshake.
    pub(crate) fn new(stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = mio::net::TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
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
        self.outbox.is_empty()
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
        Ok(())
    }
}
