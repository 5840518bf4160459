//! Where clients come in: what a listener is told, and the parts that it is made of.
//!
//! - Nothing that a client can delay runs in an accept loop: who it is and what it speaks is
//!   found out in its own task, within one deadline.
//! - Whoever does not get past its CONNECT holds a place that another may take.

mod accept;
mod admission;
mod bind;
mod connect_rate;
mod handshakes;
mod open;
mod prefixed;
mod secure;
#[cfg(test)]
mod tests;
mod transport;

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{compat::Compat, hooks::Principal};

pub(crate) use accept::{Acceptor, Served};
pub(crate) use admission::Admission;
pub(crate) use bind::Listener;
pub(crate) use handshakes::Handshake;
pub use secure::{Application, Secure, Secured, Stream, Web};
pub use transport::Transport;

/// What a listener serves, where and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerConfig {
    /// Where clients find it.
    pub address: ListenAddress,
    /// What clients speak there.
    pub protocol: Protocol,
    /// Whose differences from MQTT it keeps.
    pub compat: Compat,
    /// Which web pages may connect to it.
    pub origins: Origins,
}

impl ListenerConfig {
    /// A listener on `address` for MQTT and WebSocket, as they are specified.
    #[must_use]
    pub fn new(address: ListenAddress) -> ListenerConfig {
        ListenerConfig {
            address,
            protocol: Protocol::Any,
            compat: Compat::None,
            origins: Origins::default(),
        }
    }
}

/// What connections pass on a listener before they speak MQTT.
#[derive(Clone, Default)]
pub struct Gate {
    /// Makes them secure; without it they come in the clear.
    pub secure: Option<Arc<dyn Secure>>,
    /// Serves requests in HTTP that are not about MQTT; without it there are none.
    pub web: Option<Arc<dyn Web>>,
    /// Who a client is that shows nothing.
    pub principal: Option<Arc<dyn Principal>>,
}

/// Where a listener is to be found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAddress {
    /// An address of this machine; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// The file that it is made as; one that a dead process left is replaced.
        path: PathBuf,
        /// The permissions of the file; whoever may write to it may connect.
        mode: u32,
    },
}

impl ListenAddress {
    /// A Unix socket for programs of the same user.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> ListenAddress {
        ListenAddress::Unix {
            path: path.into(),
            mode: 0o600,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(formatter),
            ListenAddress::Unix { path, .. } => path.display().fmt(formatter),
        }
    }
}

/// What clients speak on a listener.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// MQTT and nothing else.
    Mqtt,
    /// HTTP: MQTT in WebSocket messages at the path `/mqtt`, and what else is served beside it.
    WebSocket,
    /// Either, told apart by what was chosen within TLS, or else by the first byte.
    #[default]
    Any,
}

/// Which web pages may connect over WebSocket: a browser lets every page that it shows connect
/// to every address that it reaches, this machine's included, and says which page it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origins {
    /// All.
    Any,
    /// Those with one of these origins, such as `https://dashboard.example`, and those that come
    /// from the listener's own host and port.
    Listed(Vec<String>),
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::Listed(Vec::new())
    }
}

/// Where a listener is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bound {
    /// An address, with the port that was chosen.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl Bound {
    /// The address of a network, if it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Bound::Tcp(address) => Some(*address),
            Bound::Unix(_) => None,
        }
    }

    /// The file, if it is a Unix socket.
    #[must_use]
    pub fn unix(&self) -> Option<&Path> {
        match self {
            Bound::Tcp(_) => None,
            Bound::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(address) => address.fmt(formatter),
            Bound::Unix(path) => path.display().fmt(formatter),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: ListenAddress,
    /// The cause.
    pub source: io::Error,
}
