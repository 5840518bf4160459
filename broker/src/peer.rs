//! The other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::hooks::Principal;

/// Where a client connects from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Peer {
    /// An address of a network.
    Ip(SocketAddr),
    /// This machine, through a Unix socket.
    Unix,
    /// None: the session was restored and its client has not come back.
    Away,
}

/// Where a connection comes from, and from whom.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: Peer,
    /// Who it is by its transport or its upgrade to a WebSocket.
    pub(crate) principal: Option<Arc<dyn Principal>>,
}

impl From<Peer> for Caller {
    fn from(peer: Peer) -> Caller {
        Caller {
            peer,
            principal: None,
        }
    }
}

impl Peer {
    /// The IP address, if it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix | Peer::Away => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Ip(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(formatter),
            Peer::Unix => formatter.write_str("unix"),
            Peer::Away => formatter.write_str("away"),
        }
    }
}
