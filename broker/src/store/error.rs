//! What can go wrong in the store; each error names the folder, queue or sequence.

use std::{error::Error, path::PathBuf};

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("cannot open the store in {}", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another store is open in the folder.
    #[error("the store in {} is in use: another gateway runs with the same data directory", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store was written by a version of this program that knows a newer format.
    #[error("the store in {} has format {found}, this version reads up to {known}: use a newer one", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format of the store.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// The catalog of the queues cannot be read from disk.
    #[error("cannot read the store's catalog of queues")]
    ReadMeta {
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An entry of the catalog of the queues makes no sense.
    #[error("the entry `{key}` in the store's catalog of queues is damaged")]
    Damaged {
        /// The entry's key.
        key: String,
    },
    /// An entry cannot be read from disk.
    #[error("cannot read the store's entries")]
    ReadEntries {
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A block of records cannot be read from disk.
    #[error("cannot read the records of queue `{queue}` at sequence {sequence}")]
    Read {
        /// The name of the queue.
        queue: String,
        /// The first sequence of the block.
        sequence: u64,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A block of records makes no sense.
    #[error("the records of queue `{queue}` at sequence {sequence} are damaged: {reason}")]
    Corrupt {
        /// The name of the queue.
        queue: String,
        /// The first sequence of the block.
        sequence: u64,
        /// What is wrong with the block.
        reason: &'static str,
    },
    /// A queue of the other kind has that name.
    #[error("the queue `{queue}` exists and is of the other kind")]
    OtherKind {
        /// The name of the queue.
        queue: String,
    },
    /// As many queues were created as there are ids.
    #[error("the store has no id left for another queue")]
    TooManyQueues,
    /// The queue was removed.
    #[error("the queue `{queue}` was removed")]
    Removed {
        /// The name of the queue.
        queue: String,
    },
    /// A write has failed.
    #[error("an earlier write failed; the store takes nothing until restart")]
    Poisoned,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
