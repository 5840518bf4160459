//! The store: queues of records, and entries beside them, that survive a crash.
//!
//! - What is submitted gets a [`Ticket`]; it is durable once a commit covers it, and
//!   [`Durable`] tells when. Submissions gather while the commit before them is synced.
//! - A queue is read from its head in order. The head moves only past settled records, so a
//!   crash repeats records and never skips one. What is settled beyond the head stays settled.
//! - Every queue has limits; appending reserves room or says at once that there is none, or the
//!   oldest records make room.
//! - After a failed write or sync the store is poisoned and takes nothing more.
//! - Opening after a crash needs no repair.

mod block;
mod catalog;
mod changes;
mod committer;
mod disk;
mod entries;
mod error;
#[cfg(test)]
pub(crate) mod failing;
mod head;
mod pending;
mod purge;
mod queue;
mod ranges;
mod reader;
mod restore;
mod rotation;
mod settled;
mod ticket;
mod torn;
mod transaction;
mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use self::{
    block::Block,
    error::StoreError,
    queue::{Queue, QueueKind, QueueLimits, WhenFull},
    reader::Reader,
    ticket::{Durable, Ticket},
    transaction::{QueueFull, Transaction},
};
use self::{
    committer::Committer,
    disk::Disk,
    head::Heads,
    pending::Pending,
    purge::Purges,
    restore::{drop_transient, restore},
    ticket::{End, Publisher},
};

/// Bytes that wait for a commit at which the store is congested.
const CONGESTED: usize = 2 * 1024 * 1024;

/// How to open a store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreConfig {
    /// The folder that the store has to itself; it is made when it does not exist.
    pub path: PathBuf,
    /// When a ticket is durable.
    pub durability: Durability,
    /// Bytes of recent records to keep in memory; about three times as many when the disk is
    /// slow. [`StoreConfig::MEMORY`] suits a gateway.
    pub memory: u64,
}

impl StoreConfig {
    /// 8 MiB.
    pub const MEMORY: u64 = 8 * 1024 * 1024;
}

/// When a ticket is durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// When its commit is synced: it survives a power cut.
    Sync,
    /// When its commit is written: it survives the end of the process. A power cut loses what
    /// was written after the last sync, at most this long ago plus the time that a sync takes.
    Interval(Duration),
    /// When its commit is written: it survives the end of the process. A power cut loses what
    /// the operating system had not written, usually some tens of seconds.
    Os,
}

/// A handle to an open store; clones are the same store.
///
/// The folder can be opened again when all handles, queues and readers are dropped.
#[derive(Clone)]
pub struct Store {
    running: Arc<Running>,
}

impl Store {
    /// Opens the store in a folder, or makes one; this waits for the disk.
    ///
    /// # Errors
    /// The folder cannot be used, another process has it, or it was written by a newer version.
    pub fn open(config: StoreConfig) -> Result<Store, StoreError> {
        let disk = Disk::open(&config.path, config.durability)?;
        let catalog = disk.catalog()?;
        let doomed = drop_transient(&disk, &catalog).map_err(|error| StoreError::Open {
            path: config.path.clone(),
            source: error.into(),
        })?;
        let mut pending = Pending::new(catalog.next_id);
        let mut queues = Vec::new();
        for entry in &catalog.queues {
            if entry.kind == QueueKind::Durable {
                let queue = Arc::new(restore(&disk, entry)?);
                pending.adopt(Arc::clone(&queue), false);
                queues.push(queue);
            }
        }
        let (heads, purges) = (Heads::new(queues.into_iter()), Purges::new(doomed));
        let core = Arc::new(Core {
            disk,
            pending: Mutex::new(pending),
            wake: Condvar::new(),
            publisher: Publisher::new(),
            pending_bytes: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
            memory: config.memory,
        });
        let committer = Committer::new(Arc::clone(&core), config.durability, heads, purges)
            .spawn()
            .map_err(|error| StoreError::Open {
                path: config.path,
                source: error.into(),
            })?;
        let committer = Mutex::new(Some(committer));
        let running = Arc::new(Running { core, committer });
        Ok(Store { running })
    }

    /// Opens the queue `name` or creates it; the same name is the same queue, and its limits
    /// are those given last.
    ///
    /// # Errors
    /// A queue of the other kind has that name, or the store takes nothing more.
    pub fn queue(
        &self,
        name: &str,
        kind: QueueKind,
        limits: QueueLimits,
    ) -> Result<Queue, StoreError> {
        let state = lock(&self.core().pending).open(name, kind, limits)?;
        Ok(Queue::new(Arc::clone(self.core()), state))
    }

    /// The durable queue `name`, if there is one; its limits stay as they are.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Queue> {
        let state = lock(&self.core().pending).find(name, QueueKind::Durable)?;
        Some(Queue::new(Arc::clone(self.core()), state))
    }

    /// The durable queues that exist, in no order.
    #[must_use]
    pub fn queue_names(&self) -> Vec<String> {
        lock(&self.core().pending).names(QueueKind::Durable)
    }

    /// Removes a queue and all that it holds; what is appended to it later is dropped.
    ///
    /// # Errors
    /// The store takes nothing more.
    pub fn remove(&self, queue: &Queue) -> Result<Ticket, StoreError> {
        let (ticket, bytes) = {
            let mut pending = lock(&self.core().pending);
            let removed = pending.remove(queue.state())?;
            self.core().wake(pending);
            removed
        };
        self.core().subtract_pending(bytes);
        Ok(ticket)
    }

    /// An empty transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new()
    }

    /// Hands a transaction to the committer; records get their place in their queues here.
    ///
    /// An empty one gets the ticket that it follows, or [`Ticket::DONE`].
    ///
    /// # Errors
    /// The store takes nothing more, be it nothing: whoever confirms something because nothing
    /// had to be written may build on what was refused.
    pub fn submit(&self, mut transaction: Transaction) -> Result<Ticket, StoreError> {
        if transaction.is_empty() {
            self.core().check()?;
            return Ok(transaction.followed());
        }
        let mut pending = lock(&self.core().pending);
        let submitted = pending.submit(&mut transaction)?;
        // Before the committer can subtract them.
        self.core()
            .pending_bytes
            .fetch_add(submitted.bytes, Ordering::Relaxed);
        self.core().wake(pending);
        self.core().subtract_pending(submitted.freed);
        Ok(submitted.ticket)
    }

    /// Visits the committed entries whose keys begin with `prefix`, in the order of their keys.
    ///
    /// This waits for the disk; it is meant for opening.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn entries(
        &self,
        prefix: &[u8],
        visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let visited = self.core().disk.entries(prefix, visit);
        visited.map_err(|error| StoreError::ReadEntries {
            source: error.into(),
        })
    }

    /// A view of how far the store has come.
    #[must_use]
    pub fn durable(&self) -> Durable {
        self.core().publisher.subscribe()
    }

    /// Whether so much waits for a commit that callers should wait for theirs before they
    /// bring more.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.core().pending_bytes.load(Ordering::Relaxed) > CONGESTED
    }

    /// Whether a write has failed, so that nothing is taken until restart.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.core().is_poisoned()
    }

    /// Commits and syncs what is pending and ends the committer; this waits for the disk.
    ///
    /// # Errors
    /// The store was poisoned before all was on disk.
    pub fn close(self) -> Result<(), StoreError> {
        self.running.stop();
        if self.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        Ok(())
    }

    fn core(&self) -> &Arc<Core> {
        &self.running.core
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

/// The store's committer, which ends with the last handle.
struct Running {
    core: Arc<Core>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    fn stop(&self) {
        self.core.wake(self.core.close(End::Closed));
        // The lock is held meanwhile, so that whoever stops second waits too.
        let mut committer = lock(&self.committer);
        if let Some(committer) = committer.take()
            && committer.join().is_err()
        {
            tracing::error!("the store's committer has panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What handles, readers and the committer share.
struct Core {
    disk: Disk,
    pending: Mutex<Pending>,
    /// The committer waits here when it is idle.
    wake: Condvar,
    publisher: Publisher,
    pending_bytes: AtomicUsize,
    /// Whether nothing more is taken, to be read without the lock.
    has_ended: AtomicBool,
    memory: u64,
}

impl Core {
    /// Takes nothing more from here on; the first reason given stays.
    fn close(&self, end: End) -> MutexGuard<'_, Pending> {
        let mut pending = lock(&self.pending);
        pending.end.get_or_insert(end);
        // Before the lock is let go of: who was refused once is refused from then on.
        self.has_ended.store(true, Ordering::Release);
        pending
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.has_ended.load(Ordering::Acquire) {
            true => lock(&self.pending).check(),
            false => Ok(()),
        }
    }

    /// Lets go of the lock and wakes the committer if it is waiting.
    fn wake(&self, mut pending: MutexGuard<'_, Pending>) {
        let idle = std::mem::take(&mut pending.idle);
        drop(pending);
        if idle {
            self.wake.notify_one();
        }
    }

    fn subtract_pending(&self, bytes: usize) {
        self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn end(&self) -> Option<End> {
        self.publisher.end()
    }

    fn is_poisoned(&self) -> bool {
        self.end() == Some(End::Poisoned)
    }
}

/// A lock that a panic has poisoned is taken all the same: the committer ends the store then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
