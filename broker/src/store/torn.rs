//! A power cut in the middle of a write: what the journal's last batches can look like then.
//!
//! The journal is a file of fixed size that is filled, and the disk may have taken the end of
//! a batch and not its middle. The database notices by the checksum and refuses to open. Such a
//! batch was not synced, so nobody was told that it is durable: the journal is cut off before it.
//!
//! A checksum can also be wrong because the disk has lost what it held. To tell the two apart,
//! only batches that no sync can have covered are taken for torn, and when the database does not
//! open without them either, they are put back.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fjall::JournalRecoveryError::ChecksumMismatch;

use super::{Durability, catalog::PROMISE_KEY, disk::BLOCK_KEY, queue::TRANSIENT};

/// The end that each batch in the journal has.
const MAGIC: &[u8] = b"FJL\x03";

/// Opens with `open`; when the journal's last batches are torn, without them.
pub(super) fn open_without_torn<T>(
    folder: &Path,
    durability: Durability,
    mut open: impl FnMut() -> fjall::Result<T>,
) -> fjall::Result<T> {
    let refused = match open() {
        Err(error @ fjall::Error::JournalRecovery(ChecksumMismatch)) => error,
        other => return other,
    };
    let Some(journal) = newest_journal(folder)? else {
        return Err(refused);
    };
    let bytes = fs::read(&journal)?;
    for start in cuts(&batches(&bytes), durability) {
        truncate(&journal, start)?;
        match open() {
            Ok(opened) => {
                tracing::warn!(
                    journal = %journal.display(),
                    at = start,
                    "the last writes were torn by a power cut and are left out"
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

/// A complete batch of a journal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Batch {
    start: usize,
    /// Whether it holds something that somebody may have been told is durable.
    is_promise: bool,
}

/// Where the journal may be cut off, the shortest cut first.
///
/// A commit with a promise is synced before the next one is written, unless the durability says
/// otherwise; so only the last batch can be torn, and before it a run of batches that settle,
/// which is done again, write to transient queues, which opening drops, or change entries lazily.
fn cuts(batches: &[Batch], durability: Durability) -> Vec<usize> {
    const MOST: usize = 16;
    let starts = batches.iter().rev().map(|batch| batch.start);
    if durability != Durability::Sync {
        return starts.take(MOST).collect();
    }
    let Some((last, before)) = batches.split_last() else {
        return Vec::new();
    };
    let unsynced = before.iter().rev().take_while(|batch| !batch.is_promise);
    let first = unsynced.last().map(|batch| batch.start);
    [last.start].into_iter().chain(first).collect()
}

fn batches(journal: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch = Batch {
        start: 0,
        is_promise: false,
    };
    let mut at = 0;
    while let Some((kind, length)) = journal.get(at..).and_then(entry) {
        match kind {
            Kind::Start => {
                batch = Batch {
                    start: at,
                    is_promise: false,
                }
            }
            Kind::Promise => batch.is_promise = true,
            Kind::Other => {}
            Kind::End => batches.push(batch),
        }
        at += length;
    }
    batches
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Start,
    /// A block of a durable queue, or the catalog's word that the batch is a promise.
    Promise,
    /// Anything else within a batch.
    Other,
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
            let is_promise = value > 0 && bytes.get(21..21 + key).is_some_and(is_promise);
            let kind = if is_promise {
                Kind::Promise
            } else {
                Kind::Other
            };
            (kind, 21 + key + value)
        }
        3 if bytes.get(9..)?.starts_with(MAGIC) => (Kind::End, 9 + MAGIC.len()),
        4 => (Kind::Other, 9),
        _ => return None,
    };
    (length <= bytes.len()).then_some((kind, length))
}

/// Whether a value under `key` shows that its batch is a promise.
///
/// The keys of `meta` are shorter than a block's, and those of `entries` begin as the blocks of
/// transient queues do.
fn is_promise(key: &[u8]) -> bool {
    let is_transient = |first: &u8| u32::from(*first) << 24 & TRANSIENT != 0;
    key == PROMISE_KEY || key.len() == BLOCK_KEY && !key.first().is_some_and(is_transient)
}
