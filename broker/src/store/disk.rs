//! The database: its settings, the layout of its keys, and the one place that writes.
//!
//! Keyspace `queues` holds blocks under queue id ‖ first sequence, both big-endian. Keyspace
//! `meta` is the [catalog](super::catalog), keyspace `entries` the [entries](super::entries).

use std::path::Path;

use bytes::Bytes;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode,
    config::CompressionPolicy,
};

use super::{
    Durability, StoreError,
    catalog::{self, Catalog, FORMAT, FORMAT_KEY},
    changes::Changes,
    entries::{given, stored},
    torn::open_without_torn,
};

const CACHE: u64 = 4 * 1024 * 1024;
const JOURNALS: u64 = 64 * 1024 * 1024;
/// Files that stay open to be read again: a process may have few, and each connection is one.
const OPEN_FILES: usize = 128;

/// The smallest block that is kept outside of tables.
const SEPARATED: u32 = 256;
const BLOB_FILE: u64 = 16 * 1024 * 1024;
/// The part of a file that is removed blocks when the others are written elsewhere; a file of
/// which all blocks are removed is deleted without that.
const MOSTLY_STALE: f32 = 0.75;

/// The open database.
pub(super) struct Disk {
    db: Database,
    queues: Keyspace,
    meta: Keyspace,
    entries: Keyspace,
    #[cfg(test)]
    pub(super) failing: super::failing::Failing,
    /// Writes that reached the disk.
    #[cfg(test)]
    pub(super) synced: std::sync::atomic::AtomicUsize,
}

/// How far a write has to get before it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// To the operating system: it survives the process.
    System,
    /// To the disk: it survives a power cut.
    Disk,
}

impl Disk {
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Disk, StoreError> {
        let failed = |error: fjall::Error| match error {
            fjall::Error::Locked => StoreError::InUse {
                path: path.to_owned(),
            },
            error => StoreError::Open {
                path: path.to_owned(),
                source: error.into(),
            },
        };
        let db = open_without_torn(path, durability, || database(path)).map_err(failed)?;
        let meta = db.keyspace("meta", options).map_err(failed)?;
        let separated = || options().with_kv_separation(Some(separation()));
        let disk = Disk {
            queues: db.keyspace("queues", separated).map_err(failed)?,
            entries: db.keyspace("entries", separated).map_err(failed)?,
            meta,
            db,
            #[cfg(test)]
            failing: Default::default(),
            #[cfg(test)]
            synced: Default::default(),
        };
        let found = disk.meta.get(FORMAT_KEY).map_err(failed)?;
        let found = found.map(|value| catalog::check_format(path, &value));
        if found.transpose()? != Some(FORMAT) {
            // Before anything that a version of the older format would misread.
            let mut changes = disk.changes();
            changes.set_format(FORMAT);
            disk.write(changes, Reach::Disk).map_err(failed)?;
        }
        Ok(disk)
    }

    #[cfg(test)]
    pub(super) fn format(&self) -> fjall::Result<Option<Vec<u8>>> {
        Ok(self.meta.get(FORMAT_KEY)?.map(|value| value.to_vec()))
    }

    /// All of `meta`, for opening.
    pub(super) fn catalog(&self) -> Result<Catalog, StoreError> {
        let mut catalog = Catalog::default();
        for item in self.meta.iter() {
            let (key, value) = item.into_inner().map_err(|error| StoreError::ReadMeta {
                source: error.into(),
            })?;
            catalog
                .read(&key, &value)
                .ok_or_else(|| catalog::damaged(&key))?;
        }
        Ok(catalog)
    }

    /// The block of `queue` whose first record is `first`.
    pub(super) fn block(&self, queue: u32, first: u64) -> fjall::Result<Option<Bytes>> {
        Ok(self.queues.get(block_key(queue, first))?.map(Bytes::from))
    }

    /// The last block of `queue` at or after `from`, with its first sequence; this is a scan.
    pub(super) fn last_block(&self, queue: u32, from: u64) -> fjall::Result<Option<(u64, Bytes)>> {
        self.block_before(queue, from, u64::MAX)
    }

    /// The last block of `queue` from `from` to `to`, with its first sequence; this is a scan.
    pub(super) fn block_before(
        &self,
        queue: u32,
        from: u64,
        to: u64,
    ) -> fjall::Result<Option<(u64, Bytes)>> {
        let range = block_key(queue, from)..=block_key(queue, to);
        let Some(last) = self.queues.range(range).next_back() else {
            return Ok(None);
        };
        let (key, value) = last.into_inner()?;
        Ok(first_sequence(&key).map(|first| (first, value.into())))
    }

    /// First sequences of up to `limit` blocks of `queue` at or after `from`; this is a scan.
    pub(super) fn block_firsts(
        &self,
        queue: u32,
        from: u64,
        limit: usize,
    ) -> fjall::Result<Vec<u64>> {
        let mut firsts = Vec::new();
        for item in self.queues.range(blocks(queue, from)).take(limit) {
            firsts.extend(first_sequence(&item.key()?));
        }
        Ok(firsts)
    }

    /// Visits the entries whose keys begin with `prefix`; this is a scan.
    pub(super) fn entries(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> fjall::Result<()> {
        for item in self.entries.prefix(stored(prefix)) {
            let (key, value) = item.into_inner()?;
            visit(given(&key), &value);
        }
        Ok(())
    }

    /// Changes to write together.
    pub(super) fn changes(&self) -> Changes {
        Changes::new(self.db.batch(), &self.queues, &self.meta, &self.entries)
    }

    /// Writes `changes` together, as far as `reach`.
    pub(super) fn write(&self, changes: Changes, reach: Reach) -> fjall::Result<()> {
        #[cfg(test)]
        self.failing.begin()?;
        let mode = match reach {
            Reach::System => PersistMode::Buffer,
            Reach::Disk => PersistMode::SyncData,
        };
        changes.batch.durability(Some(mode)).commit()?;
        #[cfg(test)]
        self.failing.end()?;
        #[cfg(test)]
        if reach == Reach::Disk {
            self.synced
                .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        Ok(())
    }

    /// Syncs all that was written.
    pub(super) fn sync(&self) -> fjall::Result<()> {
        #[cfg(test)]
        self.failing.sync()?;
        self.db.persist(PersistMode::SyncData)
    }

    /// Fails when the database has failed in the background.
    pub(super) fn check(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::Buffer)
    }

    /// The bytes in memory that are not in a table yet.
    pub(super) fn unflushed(&self) -> u64 {
        self.db.write_buffer_size()
    }

    /// Seals the memtables; the database's worker writes them out as tables.
    ///
    /// All at once: a journal is removed only when all it holds is in tables.
    pub(super) fn seal(&self) -> fjall::Result<()> {
        self.queues.rotate_memtable()?;
        self.meta.rotate_memtable()?;
        self.entries.rotate_memtable()?;
        Ok(())
    }

    /// The sealed memtables that are not tables yet.
    pub(super) fn sealed(&self) -> usize {
        let sealed = self.keyspaces().map(|each| each.sealed_memtable_count());
        sealed.into_iter().max().unwrap_or(0)
    }

    /// The tables that no compaction has merged yet.
    pub(super) fn unmerged(&self) -> usize {
        let unmerged = self.keyspaces().map(|each| each.l0_table_count());
        unmerged.into_iter().max().unwrap_or(0)
    }

    /// The sealed memtables that the worker has not begun with.
    pub(super) fn waiting(&self) -> usize {
        self.db.outstanding_flushes()
    }

    fn keyspaces(&self) -> [&Keyspace; 3] {
        [&self.queues, &self.meta, &self.entries]
    }
}

fn database(path: &Path) -> fjall::Result<Database> {
    Database::builder(path)
        .worker_threads(1)
        .cache_size(CACHE)
        .max_cached_files(Some(OPEN_FILES))
        .journal_compression(CompressionType::None)
        .max_journaling_size(JOURNALS)
        .manual_journal_persist(true)
        .open()
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        // The committer decides when a memtable is full: see `rotation`.
        .max_memtable_size(u64::MAX)
        .data_block_compression_policy(CompressionPolicy::disabled())
        .index_block_compression_policy(CompressionPolicy::disabled())
        .expect_point_read_hits(true)
}

/// Blocks are written out of memory once and stay where they are: a table holds where, so that
/// merging tables, which needs doing when several queues hold much, moves no records.
fn separation() -> KvSeparationOptions {
    KvSeparationOptions::default()
        .compression(CompressionType::None)
        .separation_threshold(SEPARATED)
        .file_target_size(BLOB_FILE)
        .staleness_threshold(MOSTLY_STALE)
}

/// The length of a block's key.
pub(super) const BLOCK_KEY: usize = 12;

pub(super) fn block_key(queue: u32, first: u64) -> [u8; BLOCK_KEY] {
    let mut key = [0; BLOCK_KEY];
    key[..4].copy_from_slice(&queue.to_be_bytes());
    key[4..].copy_from_slice(&first.to_be_bytes());
    key
}

fn blocks(queue: u32, from: u64) -> std::ops::RangeInclusive<[u8; BLOCK_KEY]> {
    block_key(queue, from)..=block_key(queue, u64::MAX)
}

fn first_sequence(key: &[u8]) -> Option<u64> {
    key.last_chunk().copied().map(u64::from_be_bytes)
}
