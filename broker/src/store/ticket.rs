//! Tickets: how a caller learns that what it submitted is on disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::StoreError;

/// The commit that holds what was submitted.
///
/// Tickets are ordered: when one is durable, so are all before it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    /// The ticket of something that needs no commit; it is durable.
    pub const DONE: Ticket = Ticket(0);
}

/// A view of how far the store has come.
#[derive(Clone, Debug)]
pub struct Durable {
    reached: Arc<AtomicU64>,
    progress: watch::Receiver<Progress>,
}

impl Durable {
    /// Whether what `ticket` stands for is durable.
    #[must_use]
    pub fn has_reached(&self, ticket: Ticket) -> bool {
        ticket.0 <= self.reached.load(Ordering::Acquire)
    }

    /// Waits until what `ticket` stands for is durable; cancel-safe.
    ///
    /// # Errors
    /// The store is poisoned or closed and `ticket` will never be durable.
    pub async fn reached(&mut self, ticket: Ticket) -> Result<(), StoreError> {
        if self.has_reached(ticket) {
            return Ok(());
        }
        let progress = self
            .progress
            .wait_for(|progress| ticket <= progress.durable || progress.end.is_some())
            .await
            .map_err(|_| StoreError::Closed)?;
        if ticket <= progress.durable {
            return Ok(());
        }
        progress.end.map_or(Ok(()), |end| Err(end.into()))
    }

    /// Waits for a commit that this view has not seen and gives its ticket; cancel-safe.
    ///
    /// # Errors
    /// The store is poisoned or closed: there will be no further commit.
    pub async fn changed(&mut self) -> Result<Ticket, StoreError> {
        let seen = *self.progress.borrow();
        if let Some(end) = seen.end {
            // The end may have been seen already, and nothing comes after it.
            return Err(end.into());
        }
        let changed = self.progress.changed().await;
        changed.map_err(|_| StoreError::Closed)?;
        let progress = *self.progress.borrow_and_update();
        match progress.end {
            Some(end) => Err(end.into()),
            None => Ok(progress.durable),
        }
    }
}

/// Where the committer says how far it has come.
#[derive(Debug)]
pub(super) struct Publisher {
    reached: Arc<AtomicU64>,
    progress: watch::Sender<Progress>,
}

impl Publisher {
    pub(super) fn new() -> Publisher {
        let progress = Progress {
            durable: Ticket::DONE,
            end: None,
        };
        Publisher {
            reached: Arc::default(),
            progress: watch::Sender::new(progress),
        }
    }

    pub(super) fn subscribe(&self) -> Durable {
        Durable {
            reached: Arc::clone(&self.reached),
            progress: self.progress.subscribe(),
        }
    }

    pub(super) fn end(&self) -> Option<End> {
        self.progress.borrow().end
    }

    /// Everything up to `ticket` is durable.
    pub(super) fn reach(&self, ticket: Ticket) {
        self.reached.store(ticket.0, Ordering::Release);
        self.progress
            .send_modify(|progress| progress.durable = ticket);
    }

    /// Nothing more will become durable; the first reason given stays.
    pub(super) fn finish(&self, end: End) {
        self.progress.send_modify(|progress| {
            progress.end.get_or_insert(end);
        });
    }
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    durable: Ticket,
    end: Option<End>,
}

/// Why a store takes nothing more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Poisoned,
    Closed,
}

impl From<End> for StoreError {
    fn from(end: End) -> StoreError {
        match end {
            End::Poisoned => StoreError::Poisoned,
            End::Closed => StoreError::Closed,
        }
    }
}
