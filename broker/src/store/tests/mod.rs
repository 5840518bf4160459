//! The store as its users see it, on a real database in a temporary folder.

mod crash;
mod entries;
mod eviction;
mod flow;
mod limits;
mod looking;
mod model;
mod poison;
mod stress;
mod torn;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Instant, SystemTime},
};

use super::{failing::Writes, *};

const UNLIMITED: QueueLimits = QueueLimits {
    records: u64::MAX,
    bytes: u64::MAX,
    when_full: WhenFull::Refuse,
};

fn config(path: &Path) -> StoreConfig {
    StoreConfig {
        path: path.to_owned(),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    }
}

/// Opens the store in `path`; it survives the process and not a power cut.
pub(crate) fn open(path: &Path) -> Store {
    Store::open(config(path)).unwrap()
}

/// Lets every write from here on fail.
pub(crate) fn fail_writes(store: &Store) {
    set_writes(store, Writes::Fail);
}

/// Lets writes from here on fare as `writes` says.
pub(crate) fn set_writes(store: &Store, writes: Writes) {
    store.core().disk.failing.set(writes);
}

/// How writes fare.
pub(crate) fn writes(store: &Store) -> Writes {
    store.core().disk.failing.writes()
}

fn durable(store: &Store, name: &str) -> Queue {
    store.queue(name, QueueKind::Durable, UNLIMITED).unwrap()
}

/// Submits one transaction with these records.
fn append(store: &Store, queue: &Queue, records: &[&[u8]]) -> Ticket {
    let mut transaction = store.transaction();
    for record in records {
        transaction
            .append(queue, |buffer| buffer.extend_from_slice(record))
            .unwrap();
    }
    store.submit(transaction).unwrap()
}

fn settle(store: &Store, queue: &Queue, sequences: std::ops::Range<u64>) -> Ticket {
    let mut transaction = store.transaction();
    transaction.settle(queue, sequences);
    store.submit(transaction).unwrap()
}

/// Waits until `ticket` is durable.
fn wait(store: &Store, ticket: Ticket) {
    block_on(store.durable().reached(ticket)).unwrap();
}

/// Runs `future`, for at most as long as a test may take.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async {
            tokio::time::timeout(Duration::from_secs(60), future)
                .await
                .expect("it takes too long")
        })
}

/// All that a reader from the head sees, each record with its sequence.
fn contents(queue: &Queue) -> Vec<(u64, Vec<u8>)> {
    let mut reader = queue.reader();
    let mut records = Vec::new();
    while let Some(block) = reader.try_next().unwrap() {
        records.extend(block.records().map(|(at, record)| (at, record.to_vec())));
    }
    records
}

/// A copy of the folder as a kill of the process would leave it.
///
/// A file that changes meanwhile would make it a mixture of two moments, so that it is made
/// again until none did; the database writes out its memory in the background.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = files(from);
        let copied = before
            .as_ref()
            .is_ok_and(|files| copy(files, from, to).is_ok());
        if copied && before.ok() == files(from).ok() {
            return;
        }
        assert!(Instant::now() < deadline, "the folder is never at rest");
        if to.exists() {
            std::fs::remove_dir_all(to).unwrap();
        }
    }
}

/// All files with length and time of their last change.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.insert(path, (metadata.len(), metadata.modified()?));
        }
    }
    Ok(found)
}

fn copy(files: &BTreeMap<PathBuf, (u64, SystemTime)>, from: &Path, to: &Path) -> io::Result<()> {
    for path in files.keys() {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap())?;
        std::fs::copy(path, target)?;
    }
    Ok(())
}

/// Where the journal's last byte is; behind it the file is zeros.
fn journal_end(folder: &Path) -> u64 {
    let journal = std::fs::read(folder.join("0.jnl")).unwrap();
    journal.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}
