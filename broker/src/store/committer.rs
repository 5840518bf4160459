//! The committer: the one thread that writes.
//!
//! While it writes and syncs one batch, the next gathers in [`Pending`](super::pending::Pending);
//! so under light load a message has a sync of its own and under heavy load thousands share one,
//! without any timer. After a failed write or sync it poisons the store and ends.

use std::{
    io, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Core, Durability, block,
    changes::Changes,
    disk::Reach,
    head::{Heads, Moved},
    lock,
    purge::Purges,
    queue::{TRANSIENT, Tail},
    rotation::Rotation,
    ticket::End,
    work::{Item, Work},
};

/// Blocks that one commit removes at most, of each queue whose head moves and of removed ones.
pub(super) const REMOVALS: usize = 1024;

/// Writes batch after batch until the store ends.
pub(super) struct Committer {
    core: Arc<Core>,
    durability: Durability,
    rotation: Rotation,
    work: Work,
    heads: Heads,
    purges: Purges,
    /// Since when there is something that was not synced.
    unsynced: Option<Instant>,
}

/// What the committer does next.
enum Step {
    Commit,
    Sync,
    Stop,
}

impl Committer {
    pub(super) fn new(
        core: Arc<Core>,
        durability: Durability,
        heads: Heads,
        purges: Purges,
    ) -> Committer {
        Committer {
            durability,
            rotation: Rotation::new(core.memory, core.disk.unflushed()),
            work: Work::empty(),
            heads,
            purges,
            unsynced: None,
            core,
        }
    }

    pub(super) fn spawn(self) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new()
            .name("store".into())
            .spawn(|| self.run())
    }

    fn run(mut self) {
        let mut ending = Ending {
            core: Arc::clone(&self.core),
            end: End::Poisoned,
        };
        match self.work_until_closed() {
            Ok(()) => ending.end = End::Closed,
            Err(error) => {
                tracing::error!(%error, "the store cannot write and takes nothing until restart");
            }
        }
    }

    fn work_until_closed(&mut self) -> fjall::Result<()> {
        loop {
            match self.next_step() {
                Step::Commit => self.commit()?,
                Step::Sync => self.sync()?,
                Step::Stop => {
                    // Queues that were created and not used yet are in here.
                    self.commit()?;
                    return self.sync();
                }
            }
        }
    }

    /// Waits for something to do; when that is a commit, `work` is filled.
    fn next_step(&mut self) -> Step {
        let mut pending = lock(&self.core.pending);
        for item in self.work.items.drain(..) {
            pending.keep(item.records);
        }
        self.work.removed.clear();
        loop {
            let wait = self.sync_is_due_in();
            if wait == Some(Duration::ZERO) {
                return Step::Sync;
            }
            let unfinished = !self.heads.is_empty() || !self.purges.is_empty();
            let stops = pending.end.is_some();
            if pending.is_wanted() || unfinished || stops {
                let last = stops && !pending.is_wanted();
                pending.take(&mut self.work);
                return if last { Step::Stop } else { Step::Commit };
            }
            pending.idle = true;
            pending = match wait {
                None => recover(self.core.wake.wait(pending)),
                Some(wait) => recover(self.core.wake.wait_timeout(pending, wait)).0,
            };
            pending.idle = false;
        }
    }

    fn sync_is_due_in(&self) -> Option<Duration> {
        match self.durability {
            Durability::Interval(interval) => self
                .unsynced
                .map(|since| interval.saturating_sub(since.elapsed())),
            Durability::Sync | Durability::Os => None,
        }
    }

    fn sync(&mut self) -> fjall::Result<()> {
        self.core.disk.sync()?;
        self.unsynced = None;
        Ok(())
    }

    fn commit(&mut self) -> fjall::Result<()> {
        self.rotation.keep_up(&self.core.disk)?;
        let mut work = mem::replace(&mut self.work, Work::empty());
        let disk = &self.core.disk;
        let mut changes = disk.changes();
        let moves = self.heads.advance(disk, &work.items, &mut changes)?;
        let tails: Vec<Tail> = work
            .items
            .iter()
            .zip(&moves)
            .map(|(item, moved)| write_item(item, moved, &mut changes))
            .collect();
        if let Some(created) = work.items.iter().rev().find(|item| item.created) {
            // Ids rise from queue to queue.
            changes.set_next_id((created.queue.id & !TRANSIENT) + 1);
        }
        self.purges.add(&work.removed, &mut changes);
        self.purges.go_on(disk, &mut changes)?;
        work.entries.write(&mut changes);
        self.write(changes, work.needs_sync())?;

        let mut bytes = work.entries.bytes();
        for (item, tail) in work.items.iter().zip(tails) {
            bytes += item.records.len();
            if item.count > 0 {
                item.queue.move_tail(tail);
            }
        }
        for moved in moves {
            moved.queue.free(moved.freed, moved.to);
        }
        // Before the ticket: whoever waits because of congestion looks again when it is durable.
        self.core.subtract_pending(bytes);
        self.core.publisher.reach(work.ticket);
        // Its buffers are used again.
        self.work = work;
        Ok(())
    }

    fn write(&mut self, mut changes: Changes, needs_sync: bool) -> fjall::Result<()> {
        if needs_sync {
            changes.promise();
        }
        self.rotation.count(changes.bytes());
        let reach = match self.durability {
            Durability::Sync if needs_sync => Reach::Disk,
            _ => Reach::System,
        };
        self.core.disk.write(changes, reach)?;
        if needs_sync && reach == Reach::System {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        Ok(())
    }
}

/// Poisons the store when the committer ends in any way but the good one.
struct Ending {
    core: Arc<Core>,
    end: End,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Who learns of the end can rely on nothing being taken any more, and readers that are
        // woken on finding it.
        drop(self.core.close(self.end));
        self.core.publisher.finish(self.end);
        lock(&self.core.pending).wake_readers();
    }
}

/// Writes what is new in a queue but for what is dropped at once, and gives its new end.
fn write_item(item: &Item, moved: &Moved, changes: &mut Changes) -> Tail {
    let queue = &item.queue;
    if item.created {
        changes.insert_queue(&queue.name, queue.id, queue.kind);
    }
    if let Some(beyond) = item.settled.as_ref().and_then(|it| it.beyond.as_ref()) {
        changes.set_beyond(queue.id, beyond);
    }
    let Tail { sequence, position } = moved.skipped;
    let mut tail = queue.tail().after(sequence, position);
    for (count, records) in block::cut(&item.records[position as usize..]) {
        let value = block::encode(tail.position, count, records);
        changes.insert_block(queue.id, tail.sequence, value);
        tail.sequence += u64::from(count);
        tail.position += records.len() as u64;
    }
    tail
}

/// A lock that a panic has poisoned is taken all the same: [`Ending`] ends the store then.
fn recover<T>(locked: std::sync::LockResult<T>) -> T {
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}
