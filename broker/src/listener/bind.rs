//! A listening socket, from its address to its end.

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream};

use super::{Bound, ListenAddress, ListenError, transport::Transport};
use crate::peer::Peer;

/// Connections that the system holds until they are accepted; it may hold fewer.
const BACKLOG: u32 = 4096;

/// A socket that clients connect to.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Listens on `address`.
    pub(crate) async fn bind(address: &ListenAddress) -> Result<Listener, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(address) => tcp(*address).map(Listener::Tcp),
            ListenAddress::Unix { path, mode } => unix(path, *mode).await,
        };
        bound.map_err(|source| ListenError {
            address: address.clone(),
            source,
        })
    }

    /// Where it is.
    pub(crate) fn bound(&self) -> io::Result<Bound> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Bound::Tcp),
            Listener::Unix(_, file) => Ok(Bound::Unix(file.path.clone())),
        }
    }

    /// The next connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((stream.into(), address.into()))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Peer::Unix))
            }
        }
    }
}

/// The file of a Unix socket, which goes when the listener goes.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Tells the file from one that another process has made since.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A file that stays is replaced by the next start.
            fs::remove_file(&self.path).ok();
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn unix(path: &Path, mode: u32) -> io::Result<Listener> {
    make_way(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path)?,
    };
    // Before anybody can connect.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(Listener::Unix(socket.listen(BACKLOG)?, file))
}

/// Removes the socket that a dead process left at `path`.
async fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let in_use = |what| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !found.file_type().is_socket() {
        return in_use("there is a file that is not a socket");
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => in_use("the address is in use: another process listens there"),
    }
}

/// The device and the number of a file.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
