//! The file of the admin socket.
//!
//! A socket's name has room for about a hundred bytes, and a data directory may lie deeper: then
//! the name goes through the directory's handle.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            self,
            fs::{FileTypeExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::socket_path;

/// Only the gateway's own user may connect.
const MODE: u32 = 0o600;

/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 16;

/// The file, which goes when the server goes.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that stays is replaced by the next start.
        fs::remove_file(&self.0).ok();
    }
}

/// Listens in `data_dir`. Whoever has its store open has the socket too, so one that is
/// there is a dead process's.
pub(super) fn listen(data_dir: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let path = socket_path(data_dir);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
        Ok(_) => {
            let problem = "there is a file that is not a socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
    }
    let name = Name::of(&path)?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(&name.path)?;
    let file = SocketFile(path);
    // Before anybody can connect.
    fs::set_permissions(&file.0, Permissions::from_mode(MODE))?;
    Ok((socket.listen(BACKLOG)?, file))
}

/// Connects to the gateway of `data_dir`.
pub(super) async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let name = Name::of(&socket_path(data_dir))?;
    UnixStream::connect(&name.path).await
}

/// A path that is short enough for a socket.
struct Name {
    path: PathBuf,
    /// The path goes through it.
    _directory: Option<File>,
}

impl Name {
    fn of(path: &Path) -> io::Result<Self> {
        if unix::net::SocketAddr::from_pathname(path).is_ok() {
            return Ok(Self {
                path: path.to_owned(),
                _directory: None,
            });
        }
        let (Some(directory), Some(file)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = File::open(directory)?;
        let handle = format!("/proc/self/fd/{}", directory.as_raw_fd());
        Ok(Self {
            path: Path::new(&handle).join(file),
            _directory: Some(directory),
        })
    }
}
