//! The stored head of a queue follows the one that its users move, block by block.

use super::{
    block::{self, HEADER},
    disk::{Changes, Disk},
    queue::{QueueState, StoredHead, Tail},
};

/// Moves the stored head of `queue` towards its head, removes the blocks in between, of which
/// there may be `most`, and gives the bytes that this frees.
pub(super) fn move_head(
    disk: &Disk,
    queue: &QueueState,
    changes: &mut Changes,
    most: usize,
) -> fjall::Result<u64> {
    let to = queue.head();
    let start = queue.stored_head();
    let mut at = start;
    for _ in 0..most {
        if at.sequence >= to {
            break;
        }
        let (end, value) = block_end(disk, queue, at)?;
        if to < end.sequence {
            let offset = HEADER + at.offset as usize;
            let offset = block::skip(&value, offset, to - at.sequence).unwrap_or(offset);
            at.sequence = to;
            at.offset = (offset - HEADER) as u64;
        } else {
            changes.remove_block(queue.id, at.block);
            at = StoredHead {
                block: end.sequence,
                position: end.position,
                sequence: end.sequence,
                offset: 0,
            };
        }
    }
    if at != start {
        changes.set_head(queue.id, at.block, at.sequence);
        // Before the blocks are gone: a reader that misses one looks here.
        queue.store_head(at);
    }
    let freed = (at.position + at.offset).saturating_sub(start.position + start.offset);
    Ok(freed)
}

/// Where the block at `head` ends, and its value.
///
/// A damaged block, of which a user has settled all, ends where the next one begins.
fn block_end(
    disk: &Disk,
    queue: &QueueState,
    head: StoredHead,
) -> fjall::Result<(Tail, bytes::Bytes)> {
    let value = disk.block(queue.id, head.block)?.unwrap_or_default();
    if let Ok(header) = block::Header::decode(&value) {
        let end = Tail {
            sequence: head.block + u64::from(header.count),
            position: header.position + (value.len() - HEADER) as u64,
        };
        return Ok((end, value));
    }
    let tail = queue.tail();
    let next = disk.block_firsts(queue.id, head.block + 1, 1)?;
    let Some(&sequence) = next.first().filter(|next| **next < tail.sequence) else {
        return Ok((tail, value));
    };
    let next = disk.block(queue.id, sequence)?.unwrap_or_default();
    let position = block::Header::decode(&next).map_or(head.position, |header| header.position);
    Ok((Tail { sequence, position }, value))
}
