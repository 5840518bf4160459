//! Reading a queue: from the head, block by block, by point reads only.
//!
//! A scan would open a snapshot of the database, which holds back its garbage collection;
//! the next block's key is known, so none is needed.

use std::{pin::pin, sync::Arc};

use super::{
    Core, StoreError,
    block::{self, Block},
    disk::Disk,
    queue::{Queue, QueueState, StoredHead},
};

/// Reads a queue in order, each record once until it is told to go back.
///
/// Several readers of a queue know nothing of each other: what one has read and not settled,
/// another reads, too.
#[derive(Debug)]
pub struct Reader {
    queue: Queue,
    cursor: Cursor,
}

/// The next block to read.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    block: u64,
    position: u64,
}

impl Reader {
    pub(super) fn new(queue: Queue) -> Reader {
        let cursor = Cursor::at(queue.state().stored_head());
        Reader { queue, cursor }
    }

    /// A reader of what is committed from here on, and the first sequence of that.
    pub(super) fn from_end(queue: Queue) -> (Reader, u64) {
        // A commit begins a block, so there is one at the tail or there will be.
        let tail = queue.state().tail();
        let cursor = Cursor {
            block: tail.sequence,
            position: tail.position,
        };
        (Reader { queue, cursor }, tail.sequence)
    }

    pub(super) fn from(queue: Queue, sequence: u64) -> Result<Reader, StoreError> {
        let mut reader = Reader::new(queue);
        let state = reader.queue.state();
        if sequence <= reader.cursor.block {
            return Ok(reader);
        }
        let disk = &reader.queue.core().disk;
        let found = disk
            .block_before(state.id, reader.cursor.block, sequence)
            .map_err(|error| StoreError::Read {
                queue: state.name.to_string(),
                sequence,
                source: error.into(),
            })?;
        // Where none is, the head has moved on meanwhile and the reader follows it.
        if let Some((block, value)) = found {
            reader.cursor.block = block;
            if let Ok(header) = block::Header::decode(&value) {
                reader.cursor.position = header.position;
            }
        }
        Ok(reader)
    }

    /// The next block, when there are committed records after the last one; waits for them.
    ///
    /// Cancel-safe: what was not returned is returned by the next call.
    ///
    /// # Errors
    /// The block cannot be read or makes no sense, the queue was removed, or the store is
    /// poisoned or closed.
    pub async fn next(&mut self) -> Result<Block, StoreError> {
        let state = Arc::clone(self.queue.state());
        loop {
            // Listening begins before looking, so that a commit in between is not missed.
            let mut grown = pin!(state.grown.notified());
            grown.as_mut().enable();
            let end = self.queue.core().end();
            let read = if self.is_far_behind() {
                self.read_elsewhere().await?
            } else {
                read(self.queue.core(), &state, self.cursor)?
            };
            if let Some(block) = self.advance(read) {
                return Ok(block);
            }
            if let Some(end) = end {
                return Err(end.into());
            }
            grown.await;
        }
    }

    /// The next block, when there is one already; this can wait for the disk.
    ///
    /// # Errors
    /// As for [`Reader::next`].
    pub fn try_next(&mut self) -> Result<Option<Block>, StoreError> {
        let read = read(self.queue.core(), self.queue.state(), self.cursor)?;
        Ok(self.advance(read))
    }

    /// Goes back to the head: what is not settled is read again.
    ///
    /// So is what is settled beyond the head; [`Queue::is_settled`] tells the two apart.
    pub fn rewind(&mut self) {
        self.cursor = Cursor::at(self.queue.state().stored_head());
    }

    fn advance(&mut self, read: Option<(Block, Cursor)>) -> Option<Block> {
        let (block, cursor) = read?;
        self.cursor = cursor;
        Some(block)
    }

    /// Whether the next block is likely on disk and not in memory.
    fn is_far_behind(&self) -> bool {
        let state = self.queue.state();
        let tail = state.tail();
        let behind = tail.position.saturating_sub(self.cursor.position);
        let exists = self.cursor.block < tail.sequence;
        exists && (self.cursor.block < state.opened_at || behind > self.queue.core().memory)
    }

    async fn read_elsewhere(&self) -> Result<Option<(Block, Cursor)>, StoreError> {
        let core = Arc::clone(self.queue.core());
        let state = Arc::clone(self.queue.state());
        let cursor = self.cursor;
        let reading = tokio::task::spawn_blocking(move || read(&core, &state, cursor));
        match reading.await {
            Ok(read) => read,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(StoreError::Closed),
            },
        }
    }
}

impl Cursor {
    fn at(head: StoredHead) -> Cursor {
        Cursor {
            block: head.block,
            position: head.position,
        }
    }
}

fn read(
    core: &Core,
    queue: &QueueState,
    mut cursor: Cursor,
) -> Result<Option<(Block, Cursor)>, StoreError> {
    loop {
        if queue.is_removed() {
            return Err(StoreError::Removed {
                queue: queue.name.to_string(),
            });
        }
        if core.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        if cursor.block >= queue.tail().sequence {
            return Ok(None);
        }
        let Some(value) = fetch(&core.disk, queue, cursor.block)? else {
            cursor = overtaken(queue, cursor)?;
            continue;
        };
        let malformed = |block::Malformed(reason)| StoreError::Corrupt {
            queue: queue.name.to_string(),
            sequence: cursor.block,
            reason,
        };
        let header = block::Header::decode(&value).map_err(malformed)?;
        let next = Cursor {
            block: cursor.block + u64::from(header.count),
            position: cursor.position + (value.len() - block::HEADER) as u64,
        };
        match Block::decode(cursor.block, value, queue.head()).map_err(malformed)? {
            Some(block) => return Ok(Some((block, next))),
            None => cursor = next,
        }
    }
}

fn fetch(disk: &Disk, queue: &QueueState, first: u64) -> Result<Option<bytes::Bytes>, StoreError> {
    disk.block(queue.id, first)
        .map_err(|error| StoreError::Read {
            queue: queue.name.to_string(),
            sequence: first,
            source: error.into(),
        })
}

/// A block that is not there was settled without having been read: the head is beyond it.
///
/// The committer moves the stored head before it removes blocks, so it is visible here.
fn overtaken(queue: &QueueState, cursor: Cursor) -> Result<Cursor, StoreError> {
    let head = Cursor::at(queue.stored_head());
    if head.block > cursor.block {
        return Ok(head);
    }
    // The removal of the queue can have come in between.
    if queue.is_removed() {
        return Ok(cursor);
    }
    Err(StoreError::Corrupt {
        queue: queue.name.to_string(),
        sequence: cursor.block,
        reason: "it is missing",
    })
}
