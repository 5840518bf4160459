//! From the head of a queue to where it ended: every record that is on disk, settled or not.

use bytes::Bytes;
use perennial_broker::store::{Block, Queue, Reader, StoreError};
use tokio::task;

/// Bytes of blocks that are read in one go.
const BYTES: usize = 1 << 20;

/// A record of a queue.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) bytes: Bytes,
    pub(super) is_settled: bool,
}

/// Reads what a queue holds, and nothing that comes meanwhile: who moves records to its end
/// does not meet them again.
pub(super) struct Walk {
    queue: Queue,
    /// `None` when there is nothing more.
    reader: Option<Reader>,
    begin: u64,
    end: u64,
}

impl Walk {
    /// The queue from its head.
    pub(super) fn of(queue: &Queue) -> Self {
        Self::below(queue, queue.end())
    }

    /// The queue from its head up to `end`.
    pub(super) fn below(queue: &Queue, end: u64) -> Self {
        Self {
            queue: queue.clone(),
            reader: Some(queue.reader()),
            begin: 0,
            end,
        }
    }

    /// The queue from `begin`.
    pub(super) async fn from(queue: &Queue, begin: u64) -> Result<Self, StoreError> {
        let own = queue.clone();
        let reader = off_thread(move || own.reader_from(begin)).await??;
        Ok(Self {
            reader: Some(reader),
            begin,
            ..Self::of(queue)
        })
    }

    /// The next records; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Place>>, StoreError> {
        let (Some(mut reader), end) = (self.reader.take(), self.end) else {
            return Ok(None);
        };
        let reading = off_thread(move || read(&mut reader, end).map(|blocks| (reader, blocks)));
        let (reader, blocks) = reading.await??;
        let Some(last) = blocks.last() else {
            return Ok(None);
        };
        if last.first() + (last.len() as u64) < self.end {
            self.reader = Some(reader);
        }
        let records = blocks.iter().flat_map(Block::records);
        let within = records.filter(|(sequence, _)| (self.begin..self.end).contains(sequence));
        let places = within.map(|(sequence, bytes)| Place {
            sequence,
            bytes,
            is_settled: self.queue.is_settled(sequence),
        });
        Ok(Some(places.collect()))
    }
}

/// Some blocks that begin before `end`.
fn read(reader: &mut Reader, end: u64) -> Result<Vec<Block>, StoreError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    while bytes < BYTES
        && let Some(block) = reader.try_next()?
        && block.first() < end
    {
        bytes += block
            .records()
            .map(|(_, record)| record.len())
            .sum::<usize>();
        let is_last = block.first() + block.len() as u64 >= end;
        blocks.push(block);
        if is_last {
            break;
        }
    }
    Ok(blocks)
}

/// Reads where waiting for the disk keeps nobody else waiting.
pub(super) async fn off_thread<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    match task::spawn_blocking(read).await {
        Ok(read) => Ok(read),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(StoreError::Closed),
        },
    }
}
