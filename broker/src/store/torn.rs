//! A power cut in the middle of a write: what the journal's last batch can look like then.
//!
//! The journal is a file of fixed size that is filled, and the disk may have taken the end of
//! a batch and not its middle. The database notices by the checksum and refuses to open. That
//! batch was not synced, so nobody was told that it is durable: it is cut off.
//!
//! A checksum can also be wrong because the disk has lost what it held. To tell the two apart,
//! only the last batches are taken for torn, and when the database does not open without them
//! either, they are put back.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fjall::JournalRecoveryError::ChecksumMismatch;

use super::Durability;

/// The end that each batch in the journal has.
const MAGIC: &[u8] = b"FJL\x03";

/// Opens with `open`; when the journal's last batches are torn, without them.
pub(super) fn open_without_torn<T>(
    folder: &Path,
    durability: Durability,
    mut open: impl FnMut() -> fjall::Result<T>,
) -> fjall::Result<T> {
    // Of several commits without a sync between them, more than the last can be torn.
    let most = match durability {
        Durability::Sync => 1,
        Durability::Interval(_) | Durability::Os => 16,
    };
    let refused = match open() {
        Err(error @ fjall::Error::JournalRecovery(ChecksumMismatch)) => error,
        other => return other,
    };
    let Some(journal) = newest_journal(folder)? else {
        return Err(refused);
    };
    let bytes = fs::read(&journal)?;
    let batches = batches(&bytes);
    for &start in batches.iter().rev().take(most) {
        truncate(&journal, start)?;
        match open() {
            Ok(opened) => {
                tracing::warn!(
                    journal = %journal.display(),
                    at = start,
                    "the last write was torn by a power cut and is left out"
                );
                return Ok(opened);
            }
            Err(fjall::Error::JournalRecovery(ChecksumMismatch)) => {}
            Err(_) => break,
        }
    }
    restore(&journal, &bytes)?;
    Err(refused)
}

/// The journal that is being written: the one with the highest number.
fn newest_journal(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(OsStr::to_str);
        if path.extension() == Some(OsStr::new("jnl"))
            && let Some(number) = number.and_then(|number| number.parse::<u64>().ok())
        {
            newest = newest.max(Some((number, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn truncate(journal: &Path, length: usize) -> io::Result<()> {
    let file = fs::File::options().write(true).open(journal)?;
    file.set_len(length as u64)?;
    file.sync_all()
}

fn restore(journal: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs::File::options().write(true).open(journal)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()
}

/// Where each complete batch of a journal starts.
fn batches(journal: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut at, mut start) = (0, 0);
    while let Some((kind, length)) = journal.get(at..).and_then(entry) {
        if kind == Kind::Start {
            start = at;
        }
        at += length;
        if kind == Kind::End {
            starts.push(start);
        }
    }
    starts
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Start,
    Within,
    End,
}

/// The kind and length of the entry that `bytes` begin with, when it is complete.
///
/// Numbers are little-endian. Start: number of items (4), sequence (8). Item: type (1),
/// compression (1, always none here), keyspace (8), length of key (2), length of value (4),
/// its length on disk (4), key, value. End: checksum (8), [`MAGIC`]. Clear: keyspace (8).
fn entry(bytes: &[u8]) -> Option<(Kind, usize)> {
    let (kind, length) = match bytes.first()? {
        1 => (Kind::Start, 13),
        2 => {
            let [k0, k1, _, _, _, _, v0, v1, v2, v3] = *bytes.get(11..)?.first_chunk()?;
            let key = usize::from(u16::from_le_bytes([k0, k1]));
            let value = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
            (Kind::Within, 21 + key + value)
        }
        3 if bytes.get(9..)?.starts_with(MAGIC) => (Kind::End, 9 + MAGIC.len()),
        4 => (Kind::Within, 9),
        _ => return None,
    };
    (length <= bytes.len()).then_some((kind, length))
}
