//! What the fuzz targets in `fuzz/` run; tests run their seeds through the same functions.
//!
//! - [`packets`] takes any bytes for what clients send and for what the store gave back.
//! - [`session`] takes them for what several clients do to a whole broker.

mod cleanup;
mod client;
mod harness;
mod input;
mod packets;
#[cfg(test)]
mod seeds;
mod session;
pub(crate) mod wire;

use std::{path::Path, sync::Arc};

use tempfile::TempDir;
use tokio::io::DuplexStream;

pub use self::{packets::packets, session::session};
use crate::{compat::Compat, connection, core::Core, listener::Handshake, peer::Peer};

/// Serves a client at the other end of `stream`.
pub(crate) async fn serve(stream: DuplexStream, compat: Compat, core: Arc<Core>) {
    let handshake = Handshake::alone(core.limits.connect_timeout);
    connection::serve(stream, Peer::Unix.into(), compat, handshake, core).await;
}

/// A folder for a store that lasts no longer than its process: in memory where there is such a
/// place, so that nobody waits for a disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    folder.expect("there is room for a folder")
}
