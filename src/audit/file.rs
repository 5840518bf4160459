//! The file of the audit log, and those before it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::line::Line;
use crate::config::AuditConfig;

/// The file that is written, and how many before it are kept.
///
/// It is opened for each piece, so that whoever moves or deletes it finds a new one.
pub(super) struct LogFile(AuditConfig);

impl LogFile {
    pub(super) fn new(config: AuditConfig) -> LogFile {
        LogFile(config)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Appends `lines`; how many of them are written, and what was wrong with the next one.
    pub(super) fn append(&self, lines: &[Line]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let mut piece = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let end = piece.len();
            // A line has nothing that JSON has no words for.
            if serde_json::to_writer(&mut piece, line).is_err() {
                piece.truncate(end);
                continue;
            }
            piece.push(b'\n');
            let is_last = at + 1 == lines.len();
            if !is_last && (piece.len() as u64) < self.0.max_size / 2 {
                continue;
            }
            if let Err(error) = self.write(&piece) {
                return (written, Err(error));
            }
            piece.clear();
            written = at + 1;
        }
        (lines.len(), Ok(()))
    }

    /// Appends whole lines, or none of them.
    fn write(&self, piece: &[u8]) -> io::Result<()> {
        let (mut file, mut size) = self.open()?;
        if size > 0 && size + piece.len() as u64 > self.0.max_size {
            self.rotate()?;
            (file, size) = self.open()?;
        }
        file.write_all(piece).inspect_err(|_| {
            // Half a line would spoil the next one; a disk that fails at this, too, may.
            file.set_len(size).ok();
        })
    }

    fn open(&self) -> io::Result<(File, u64)> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path())?;
        let mut size = file.metadata()?.len();
        if let Some(end) = size.checked_sub(1) {
            let mut last = [0];
            file.read_exact_at(&mut last, end)?;
            if last != *b"\n" {
                // A line that a power cut has cut short would take the next one with it.
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok((file, size))
    }

    /// Moves every file one place back; the last one makes room.
    fn rotate(&self) -> io::Result<()> {
        let files = self.0.files;
        if files == 0 {
            return fs::remove_file(self.path());
        }
        for number in (1..files).rev() {
            match fs::rename(self.earlier(number), self.earlier(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(self.path(), self.earlier(1))
    }

    fn earlier(&self, number: usize) -> PathBuf {
        let mut path = self.path().as_os_str().to_owned();
        path.push(format!(".{number}"));
        path.into()
    }
}
