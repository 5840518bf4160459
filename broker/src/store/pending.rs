//! What has been submitted since the committer took the last batch.
//!
//! Everything here is behind one lock: it orders submissions, gives out sequences, and
//! gathers the next batch while the committer writes the one before.

use std::{collections::HashMap, sync::Arc};

use super::{
    StoreError,
    entries::Entries,
    queue::{QueueKind, QueueLimits, QueueState, TRANSIENT},
    settled::Settled,
    ticket::{End, Ticket},
    transaction::{Settlement, Transaction},
    work::{Item, Progress, Work},
};

/// Buffers kept for reuse, and the largest that is kept.
const SPARES: usize = 16;
const LARGEST_SPARE: usize = 512 * 1024;

/// How many ranges beyond a queue's head are written; the highest others are not.
const MOST_RANGES: usize = 1024;

/// The queues and the batch that is being gathered.
#[derive(Debug)]
pub(super) struct Pending {
    /// Why nothing more is taken.
    pub(super) end: Option<End>,
    /// The committer waits to be woken.
    pub(super) idle: bool,
    /// Somebody holds a ticket of the batch that is being gathered.
    wanted: bool,
    gathering: Ticket,
    /// Without the bit of transient queues.
    next_id: u32,
    names: HashMap<Arc<str>, u32>,
    queues: HashMap<u32, Gathering>,
    changed: Vec<u32>,
    removed: Vec<Arc<QueueState>>,
    entries: Entries,
    spares: Vec<Vec<u8>>,
}

/// A queue and what the next batch does to it.
#[derive(Debug)]
struct Gathering {
    state: Arc<QueueState>,
    records: Vec<u8>,
    count: u64,
    /// Something was settled.
    settled: bool,
    /// The catalog may have ranges that are settled beyond the head.
    has_beyond: bool,
    created: bool,
    changed: bool,
}

/// What became of a transaction.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) ticket: Ticket,
    /// The bytes that it brought.
    pub(super) bytes: usize,
    /// Gathered bytes that it made needless.
    pub(super) freed: usize,
}

impl Pending {
    pub(super) fn new(next_id: u32) -> Pending {
        Pending {
            end: None,
            idle: false,
            wanted: false,
            gathering: Ticket(1),
            next_id,
            names: HashMap::new(),
            queues: HashMap::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            entries: Entries::default(),
            spares: Vec::new(),
        }
    }

    /// Takes in a queue that the store holds.
    pub(super) fn adopt(&mut self, state: Arc<QueueState>, created: bool) {
        let id = state.id;
        self.names.insert(Arc::from(&*state.name), id);
        let mut queue = Gathering {
            has_beyond: !created,
            state,
            records: Vec::new(),
            count: 0,
            settled: false,
            created,
            changed: false,
        };
        if created {
            queue.mark(&mut self.changed);
        }
        self.queues.insert(id, queue);
    }

    /// Finds or creates the queue `name`; a new one is written with the next batch.
    pub(super) fn open(
        &mut self,
        name: &str,
        kind: QueueKind,
        limits: QueueLimits,
    ) -> Result<Arc<QueueState>, StoreError> {
        self.check()?;
        if let Some(queue) = self.names.get(name).and_then(|id| self.queues.get(id)) {
            if queue.state.kind != kind {
                return Err(StoreError::OtherKind { queue: name.into() });
            }
            queue.state.limit(limits);
            return Ok(Arc::clone(&queue.state));
        }
        if self.next_id == TRANSIENT {
            return Err(StoreError::TooManyQueues);
        }
        let id = match kind {
            QueueKind::Durable => self.next_id,
            QueueKind::Transient => self.next_id | TRANSIENT,
        };
        self.next_id += 1;
        let settled = Settled::below(0);
        let (head, tail) = Default::default();
        let state = Arc::new(QueueState::new(id, name, kind, head, settled, tail));
        state.limit(limits);
        self.adopt(Arc::clone(&state), true);
        Ok(state)
    }

    /// The queue `name` of `kind`, if there is one.
    pub(super) fn find(&self, name: &str, kind: QueueKind) -> Option<Arc<QueueState>> {
        let queue = self.names.get(name).and_then(|id| self.queues.get(id))?;
        (queue.state.kind == kind).then(|| Arc::clone(&queue.state))
    }

    /// The names of the queues of `kind`.
    pub(super) fn names(&self, kind: QueueKind) -> Vec<String> {
        let queues = self.queues.values();
        queues
            .filter(|queue| queue.state.kind == kind)
            .map(|queue| queue.state.name.to_string())
            .collect()
    }

    /// Takes in a transaction.
    pub(super) fn submit(
        &mut self,
        transaction: &mut Transaction,
    ) -> Result<Submitted, StoreError> {
        self.check()?;
        let (mut bytes, mut freed) = (0, 0);
        transaction.take_records(|state, count, records| {
            if self.append(state, count, records) {
                bytes += records.len();
            } else {
                // The queue was removed: its records go with it.
                state.release(count, records.len() as u64);
            }
        });
        for settlement in transaction.take_settlements() {
            self.settle(&settlement);
        }
        for queue in transaction.take_removals() {
            freed += self.drop_queue(&queue).map_or(0, |dropped| dropped.bytes);
        }
        for change in transaction.take_entries() {
            bytes += self.entries.take_in(change);
        }
        self.wanted = true;
        Ok(Submitted {
            ticket: self.gathering,
            bytes,
            freed,
        })
    }

    fn append(&mut self, state: &Arc<QueueState>, count: u64, records: &[u8]) -> bool {
        let Some(queue) = find(&mut self.queues, state) else {
            return false;
        };
        if queue.records.capacity() == 0
            && let Some(spare) = self.spares.pop()
        {
            queue.records = spare;
        }
        queue.records.extend_from_slice(records);
        queue.count += count;
        queue.mark(&mut self.changed);
        true
    }

    fn settle(&mut self, settlement: &Settlement) {
        let Some(queue) = find(&mut self.queues, &settlement.queue) else {
            return;
        };
        let range = &settlement.sequences;
        let readable = queue.state.tail().sequence;
        let range = range.start..range.end.min(readable);
        if queue.state.settle(range) > 0 {
            queue.settled = true;
            queue.mark(&mut self.changed);
        }
    }

    /// Removes a queue; gives the ticket and how many gathered bytes are not needed any more.
    pub(super) fn remove(
        &mut self,
        state: &Arc<QueueState>,
    ) -> Result<(Ticket, usize), StoreError> {
        self.check()?;
        let Some(dropped) = self.drop_queue(state) else {
            return Ok((Ticket::DONE, 0));
        };
        if !dropped.is_written {
            return Ok((Ticket::DONE, dropped.bytes));
        }
        self.wanted = true;
        Ok((self.gathering, dropped.bytes))
    }

    fn drop_queue(&mut self, state: &Arc<QueueState>) -> Option<Dropped> {
        find(&mut self.queues, state)?;
        let queue = self.queues.remove(&state.id)?;
        self.names.remove(&*state.name);
        state.mark_removed();
        let dropped = Dropped {
            bytes: queue.records.len(),
            is_written: !queue.created,
        };
        self.keep(queue.records);
        if dropped.is_written {
            self.removed.push(queue.state);
        }
        Some(dropped)
    }

    /// Whether the committer has to write now.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Moves what was gathered into `work` and begins the next batch.
    pub(super) fn take(&mut self, work: &mut Work) {
        work.ticket = self.gathering;
        self.gathering = Ticket(self.gathering.0 + 1);
        self.wanted = false;
        for id in self.changed.drain(..) {
            work.items
                .extend(self.queues.get_mut(&id).map(Gathering::take));
        }
        work.removed.append(&mut self.removed);
        work.entries = std::mem::take(&mut self.entries);
    }

    /// Keeps an emptied buffer for reuse.
    pub(super) fn keep(&mut self, mut buffer: Vec<u8>) {
        let fits = (1..=LARGEST_SPARE).contains(&buffer.capacity());
        if fits && self.spares.len() < SPARES {
            buffer.clear();
            self.spares.push(buffer);
        }
    }

    /// Makes all readers that wait look again.
    pub(super) fn wake_readers(&self) {
        for queue in self.queues.values() {
            queue.state.grown.notify_waiters();
        }
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.end.map_or(Ok(()), |end| Err(end.into()))
    }
}

/// A queue that is not gathered for any more.
struct Dropped {
    /// What was gathered of it.
    bytes: usize,
    /// The store has something of it.
    is_written: bool,
}

impl Gathering {
    fn mark(&mut self, changed: &mut Vec<u32>) {
        if !self.changed {
            self.changed = true;
            changed.push(self.state.id);
        }
    }

    fn take(&mut self) -> Item {
        self.changed = false;
        Item {
            queue: Arc::clone(&self.state),
            created: std::mem::take(&mut self.created),
            records: std::mem::take(&mut self.records),
            count: std::mem::take(&mut self.count),
            settled: std::mem::take(&mut self.settled).then(|| self.progress()),
        }
    }

    fn progress(&mut self) -> Progress {
        let (head, beyond) = self.state.settled(MOST_RANGES);
        // A transient queue is not there to be read again.
        let has_beyond = !beyond.is_empty() && self.state.kind == QueueKind::Durable;
        let had_beyond = std::mem::replace(&mut self.has_beyond, has_beyond);
        let beyond = (has_beyond || had_beyond).then_some(beyond);
        Progress { head, beyond }
    }
}

/// The queue of this very state: a handle can be older than the queue that has its name.
fn find<'a>(
    queues: &'a mut HashMap<u32, Gathering>,
    state: &Arc<QueueState>,
) -> Option<&'a mut Gathering> {
    queues
        .get_mut(&state.id)
        .filter(|queue| Arc::ptr_eq(&queue.state, state))
}

#[cfg(test)]
mod tests {
    use super::{
        super::queue::{Tail, WhenFull},
        *,
    };

    #[test]
    fn a_batch_has_nothing_that_was_settled_after_it_was_taken() {
        let limits = QueueLimits {
            records: 10,
            bytes: 100,
            when_full: WhenFull::Refuse,
        };
        let mut pending = Pending::new(0);
        let queue = pending.open("q", QueueKind::Durable, limits).unwrap();
        (0..10).for_each(|_| queue.reserve(10).unwrap());
        queue.move_tail(Tail {
            sequence: 10,
            position: 100,
        });
        let settlement = |sequences| Settlement {
            queue: Arc::clone(&queue),
            sequences,
        };
        pending.settle(&settlement(0..2));
        pending.settle(&settlement(5..6));
        pending.settle(&settlement(7..8));
        let mut work = Work::empty();
        pending.take(&mut work);
        pending.settle(&settlement(2..4));
        pending.settle(&settlement(8..9));

        let progress = work.items[0].settled.as_ref().unwrap();
        assert_eq!(progress.head, 2);
        assert_eq!(progress.beyond, Some(vec![5..6, 7..8]));
        assert_eq!(queue.settled(9), (4, vec![5..6, 7..9]));
    }
}
