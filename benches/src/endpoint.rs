//! How a load reaches a broker: in the clear, or within TLS.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, HandshakeKind, pki_types::ServerName};

/// What the brokers' certificates call them.
pub(crate) const NAME: &str = "localhost";

/// Where a broker is reached, and how.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    pub(crate) fn secure(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self {
            address,
            tls: Some(config),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does what comes before MQTT over a blocking socket.
    pub(crate) fn open(&self, mut socket: TcpStream) -> io::Result<Stream<TcpStream>> {
        let Some(config) = &self.tls else {
            return Ok(Stream::from(socket));
        };
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name);
        let mut session = Box::new(session.map_err(io::Error::other)?);
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Stream {
            session: Some(session),
            socket,
        })
    }
}

/// Bytes to and from a broker over a socket, which may block or not.
pub(crate) struct Stream<S> {
    session: Option<Box<ClientConnection>>,
    socket: S,
}

impl From<TcpStream> for Stream<TcpStream> {
    fn from(socket: TcpStream) -> Self {
        Self {
            session: None,
            socket,
        }
    }
}

impl<S> Stream<S> {
    /// The same over another kind of socket.
    pub(crate) fn map<T>(self, change: impl FnOnce(S) -> T) -> Stream<T> {
        Stream {
            session: self.session,
            socket: change(self.socket),
        }
    }

    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Whether something was written that the socket has not taken.
    pub(crate) fn holds_back(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.wants_write())
    }

    /// Whether an earlier session was resumed.
    pub(crate) fn is_resumed(&self) -> bool {
        let session = self.session.as_ref();
        session.and_then(|session| session.handshake_kind()) == Some(HandshakeKind::Resumed)
    }
}

impl<S: Read> Read for Stream<S> {
    /// Fills `bytes`, so that room is left only where the socket has no more.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.socket.read(bytes);
        };
        let mut filled = 0;
        while filled < bytes.len() {
            match session.reader().read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match session.read_tls(&mut self.socket) {
                Ok(_) => {
                    session.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<S: Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What was written before goes first.
        self.flush()?;
        let Some(session) = &mut self.session else {
            return self.socket.write(bytes);
        };
        let written = session.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.session {
            while session.wants_write() {
                session.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}
