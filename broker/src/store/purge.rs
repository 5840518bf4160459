//! Blocks of removed queues leave the disk some with each commit.

use std::{collections::VecDeque, mem, sync::Arc};

use super::{changes::Changes, committer::REMOVALS, disk::Disk, queue::QueueState};

/// The removed queues that have blocks left.
#[derive(Debug)]
pub(super) struct Purges(VecDeque<Purge>);

#[derive(Debug)]
struct Purge {
    id: u32,
    from: u64,
    /// The catalog says so too.
    recorded: bool,
}

impl Purges {
    /// Goes on with the queues that the catalog says were removed.
    pub(super) fn new(doomed: Vec<u32>) -> Purges {
        let purges = doomed.into_iter().map(|id| Purge {
            id,
            from: 0,
            recorded: true,
        });
        Purges(purges.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes queues out of the catalog; their blocks are to be removed.
    pub(super) fn add(&mut self, removed: &[Arc<QueueState>], changes: &mut Changes) {
        for queue in removed {
            changes.remove_queue(queue.id);
            let from = queue.stored_head().block;
            if from < queue.tail().sequence {
                self.0.push_back(Purge {
                    id: queue.id,
                    from,
                    recorded: false,
                });
            }
        }
    }

    /// Removes as many blocks as one commit does; the catalog knows of those that are left.
    pub(super) fn go_on(&mut self, disk: &Disk, changes: &mut Changes) -> fjall::Result<()> {
        let mut room = REMOVALS;
        while room > 0
            && let Some(purge) = self.0.front_mut()
        {
            let firsts = disk.block_firsts(purge.id, purge.from, room)?;
            room -= firsts.len();
            for first in firsts {
                changes.remove_block(purge.id, first);
                purge.from = first + 1;
            }
            if room > 0 {
                if purge.recorded {
                    changes.remove_doomed(purge.id);
                }
                self.0.pop_front();
            }
        }
        // New ones are at the end.
        for purge in self.0.iter_mut().rev() {
            if mem::replace(&mut purge.recorded, true) {
                break;
            }
            changes.insert_doomed(purge.id);
        }
        Ok(())
    }
}
