//! The directory of the file upstream: append, sync, rotate.
//!
//! - Whatever goes wrong, the file is closed; the next append opens it again and
//!   begins at the end of its last whole line.
//! - A directory has one writer: it is locked while it is open.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

const ACTIVE: &str = "records.ndjson";
const PREFIX: &str = "records-";
const SUFFIX: &str = ".ndjson";

/// How much is read at a time to find the last line's beginning.
const BLOCK: usize = 64 << 10;

/// Appends lines to the active file of a directory.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    rotate_size: u64,
    keep: Option<u64>,
    /// `None` until the first append, and after one that failed.
    active: Option<Active>,
}

impl Writer {
    /// A writer that opens its directory when there is something to write.
    pub(super) fn new(directory: PathBuf, rotate_size: u64, keep: Option<u64>) -> Self {
        Self {
            directory,
            rotate_size,
            keep,
            active: None,
        }
    }

    /// Appends `lines`, which end with a newline; they are on the disk when it returns.
    ///
    /// # Errors
    /// None of the lines counts as written.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        // Taken out, so that every way out but the last leaves the file closed.
        let mut active = match self.active.take() {
            Some(active) if active.is_what_it_was() => active,
            other => {
                // The lock of the stale one goes first.
                drop(other);
                Active::open(&self.directory)?
            }
        };
        if active.len > 0 && active.len + lines.len() as u64 > self.rotate_size {
            active = active.rotate(&self.directory, self.keep)?;
        }
        active.append(lines)?;
        self.active = Some(active);
        Ok(())
    }
}

/// The open directory and its active file.
#[derive(Debug)]
struct Active {
    /// Locked against a second writer; syncing it makes new and renamed files durable.
    directory: File,
    path: PathBuf,
    file: File,
    identity: (u64, u64),
    len: u64,
}

impl Active {
    fn open(directory: &Path) -> Result<Self, WriteError> {
        let failed = |action| move |source| WriteError::new(action, directory, source);
        create_durably(directory).map_err(failed("make the directory"))?;
        let handle = File::open(directory).map_err(failed("open the directory"))?;
        handle.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => failed("lock the directory")(error),
            TryLockError::WouldBlock => failed("lock the directory")(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another connector or process writes to it; give each its own `path`",
            )),
        })?;
        Self::open_file(handle, directory.join(ACTIVE))
    }

    fn open_file(directory: File, path: PathBuf) -> Result<Self, WriteError> {
        let opened = (|| {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)?;
            let metadata = file.metadata()?;
            let len = end_of_last_line(&file, metadata.len())?;
            if len < metadata.len() {
                file.set_len(len)?;
                file.sync_data()?;
            }
            directory.sync_all()?;
            Ok((file, (metadata.dev(), metadata.ino()), len))
        })();
        match opened {
            Ok((file, identity, len)) => Ok(Self {
                directory,
                path,
                file,
                identity,
                len,
            }),
            Err(source) => Err(WriteError::new("open", &path, source)),
        }
    }

    /// Whether the path still leads to this file and nobody else has changed its length.
    fn is_what_it_was(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| {
            (metadata.dev(), metadata.ino()) == self.identity && metadata.len() == self.len
        })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.len += lines.len() as u64;
                Ok(())
            }
            Err(source) => {
                // A sync that failed once says nothing when it succeeds later: the lines go,
                // and are written anew. Where even this fails, opening cuts the torn line.
                let action = match self.file.set_len(self.len) {
                    Ok(()) => "write to",
                    Err(_) => "write to or cut back",
                };
                Err(WriteError::new(action, &self.path, source))
            }
        }
    }

    /// Moves the active file aside and begins a new one.
    fn rotate(self, directory: &Path, keep: Option<u64>) -> Result<Self, WriteError> {
        let failed = |action| move |source| WriteError::new(action, directory, source);
        let mut numbers = rotated_files(directory).map_err(failed("list"))?;
        let next = numbers.last().map_or(1, |last| last + 1);
        fs::rename(&self.path, rotated_path(directory, next)).map_err(failed("rotate in"))?;
        let fresh = Self::open_file(self.directory, self.path)?;
        numbers.push(next);
        let kept = keep.map_or(numbers.len(), |keep| {
            usize::try_from(keep).unwrap_or(usize::MAX)
        });
        for number in &numbers[..numbers.len().saturating_sub(kept)] {
            fs::remove_file(rotated_path(directory, *number)).map_err(failed("delete from"))?;
        }
        Ok(fresh)
    }
}

/// The numbers of the rotated files, in order.
fn rotated_files(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| {
                name.strip_prefix(PREFIX)?
                    .strip_suffix(SUFFIX)?
                    .parse()
                    .ok()
            })
            .filter(|&number| name == *rotated_name(number));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn rotated_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(rotated_name(number))
}

fn rotated_name(number: u64) -> String {
    format!("{PREFIX}{number:08}{SUFFIX}")
}

/// Makes a directory and those above it, each synced into the one that holds it.
fn create_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

/// Where the last whole line of a file of `len` bytes ends. What follows was never
/// reported as delivered.
fn end_of_last_line(file: &File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(newline) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// A file or directory that did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub(super) struct WriteError {
    action: &'static str,
    path: PathBuf,
    pub(super) source: io::Error,
}

impl WriteError {
    fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
