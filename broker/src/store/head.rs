//! The stored head of a queue follows the one that its users move, block by block, and in a
//! queue that drops its oldest records goes as far as its limits ask.

use std::{collections::HashMap, mem, sync::Arc};

use super::{
    block::{self, HEADER},
    changes::Changes,
    committer::REMOVALS,
    disk::Disk,
    queue::{QueueState, StoredHead, Tail},
    work::Item,
};

/// The heads that have further to go than one commit takes them.
#[derive(Debug, Default)]
pub(super) struct Heads(HashMap<u32, Behind>);

#[derive(Debug)]
struct Behind {
    queue: Arc<QueueState>,
    /// The sequence to get to.
    to: u64,
}

/// What a commit did to the head of a queue.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) queue: Arc<QueueState>,
    /// The bytes that the queue no longer holds.
    pub(super) freed: u64,
    /// Where those that it holds begin.
    pub(super) to: u64,
    /// What the commit brings and does not write, as it is dropped at once.
    pub(super) skipped: Tail,
}

impl Heads {
    /// Goes on with queues that were found settled further than their stored heads are.
    pub(super) fn new(queues: impl Iterator<Item = Arc<QueueState>>) -> Heads {
        let mut heads = Heads::default();
        for queue in queues {
            let to = queue.head();
            if queue.stored_head().sequence < to {
                heads.0.insert(queue.id, Behind { queue, to });
            }
        }
        heads
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves the stored heads of the queues in `items`, in their order, and then those that were
    /// left behind.
    pub(super) fn advance(
        &mut self,
        disk: &Disk,
        items: &[Item],
        changes: &mut Changes,
    ) -> fjall::Result<Vec<Moved>> {
        let mut behind = mem::take(&mut self.0);
        let mut moves = Vec::with_capacity(items.len() + behind.len());
        for item in items {
            let left = behind.remove(&item.queue.id).map_or(0, |left| left.to);
            let settled = item.settled.as_ref().map_or(0, |settled| settled.head);
            let to = left.max(settled);
            moves.push(self.advance_one(
                disk,
                &item.queue,
                to,
                &item.records,
                item.count,
                changes,
            )?);
        }
        for Behind { queue, to } in behind.into_values() {
            moves.push(self.advance_one(disk, &queue, to, &[], 0, changes)?);
        }
        Ok(moves)
    }

    /// Moves the stored head of `queue` to what is settled below `to`, and further when the
    /// queue drops its oldest records and has no room for `count` more in `records`.
    fn advance_one(
        &mut self,
        disk: &Disk,
        queue: &Arc<QueueState>,
        to: u64,
        records: &[u8],
        count: u64,
        changes: &mut Changes,
    ) -> fjall::Result<Moved> {
        let mut moved = Moved {
            queue: Arc::clone(queue),
            freed: 0,
            to: 0,
            skipped: Tail::default(),
        };
        let tail = queue.tail();
        let goal = queue.room_goal(tail.after(count, records.len() as u64));
        let goal = Tail {
            sequence: goal.sequence.max(to),
            ..goal
        };
        let start = queue.stored_head();
        if queue.is_removed() || is_reached(goal, start) {
            return Ok(moved);
        }
        let mut at = pass_blocks(disk, queue, start, goal, changes)?;
        if at.sequence == tail.sequence {
            at = pass_records(records, at, goal);
            moved.skipped = Tail {
                sequence: at.sequence - tail.sequence,
                position: at.position - tail.position,
            };
        }
        let sequence = at.sequence.max(goal.sequence);
        changes.set_head(queue.id, at.block, sequence);
        let settled = queue.drop_below(sequence);
        // Before the blocks are gone: a reader that misses one looks here.
        queue.store_head(at);
        let has_more = !is_reached(goal, at) && at.sequence < tail.sequence;
        if has_more || settled > sequence {
            let queue = Arc::clone(queue);
            let to = sequence.max(settled);
            self.0.insert(queue.id, Behind { queue, to });
        }
        moved.to = at.sequence;
        moved.freed = (at.position + at.offset).saturating_sub(start.position + start.offset);
        Ok(moved)
    }
}

fn is_reached(goal: Tail, at: StoredHead) -> bool {
    at.sequence >= goal.sequence && at.position + at.offset >= goal.position
}

/// Goes from `at` to `goal` or the last block's end, and removes the blocks in between, of which
/// there may be [`REMOVALS`].
fn pass_blocks(
    disk: &Disk,
    queue: &QueueState,
    mut at: StoredHead,
    goal: Tail,
    changes: &mut Changes,
) -> fjall::Result<StoredHead> {
    for _ in 0..REMOVALS {
        if is_reached(goal, at) || at.sequence >= queue.tail().sequence {
            break;
        }
        let (end, value) = block_end(disk, queue, at)?;
        if let Some(inside) = stop_within(&value, at, end, goal) {
            return Ok(inside);
        }
        changes.remove_block(queue.id, at.block);
        at = StoredHead {
            block: end.sequence,
            position: end.position,
            sequence: end.sequence,
            offset: 0,
        };
    }
    Ok(at)
}

/// The record in the block at `at` with which `goal` is reached; `None` when that is none.
fn stop_within(value: &[u8], mut at: StoredHead, end: Tail, goal: Tail) -> Option<StoredHead> {
    if end.sequence <= goal.sequence || end.position <= goal.position {
        return None;
    }
    while !is_reached(goal, at) {
        if let Ok(next) = block::skip(value, HEADER + at.offset as usize, 1) {
            at.sequence += 1;
            at.offset = (next - HEADER) as u64;
        } else if at.position + at.offset >= goal.position {
            // Damaged, and its user has settled a part of it.
            at.sequence = goal.sequence;
        } else {
            return None;
        }
    }
    (at.sequence < end.sequence).then_some(at)
}

/// Goes from the queue's end into `records` that are not written yet, as far as `goal`.
fn pass_records(records: &[u8], mut at: StoredHead, goal: Tail) -> StoredHead {
    let mut passed = 0;
    while !is_reached(goal, at)
        && let Ok(next) = block::skip(records, passed, 1)
    {
        at.sequence += 1;
        at.position += (next - passed) as u64;
        passed = next;
    }
    at.block = at.sequence;
    at
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
