//! Acknowledgements that wait for the disk.

use std::collections::VecDeque;

use crate::store::Ticket;

/// Packets of one connection that may wait for their answers before it is not read from.
const MAX_OPEN: usize = 4096;
/// Groups of them, each with a buffer of its own.
const MAX_GROUPS: usize = 1024;

/// Encoded acknowledgements, and other answers, in the order of what they answer.
///
/// Each group leaves when its ticket is durable and everything before it has
/// left ([MQTT-4.6.0-2]).
#[derive(Debug, Default)]
pub(crate) struct PendingAcks {
    groups: VecDeque<Group>,
    open: Count,
}

#[derive(Debug)]
struct Group {
    ticket: Ticket,
    acks: Vec<u8>,
    count: Count,
}

/// How many acknowledgements there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    /// Of any kind.
    pub(crate) all: usize,
    /// PUBACK alone, with which a publish is over.
    pub(crate) pubacks: usize,
}

impl PendingAcks {
    /// Adds encoded acknowledgements that leave when `ticket` is durable.
    pub(crate) fn push(&mut self, ticket: Ticket, acks: Vec<u8>, count: Count) {
        // What waits for nothing waits for those before it.
        let ticket = self.last().map_or(ticket, |last| last.max(ticket));
        self.open.all += count.all;
        self.open.pubacks += count.pubacks;
        self.groups.push_back(Group {
            ticket,
            acks,
            count,
        });
    }

    /// Moves what may leave to `out`.
    pub(crate) fn release(&mut self, is_durable: impl Fn(Ticket) -> bool, out: &mut Vec<u8>) {
        while let Some(group) = self.groups.front() {
            if !is_durable(group.ticket) {
                return;
            }
            out.extend_from_slice(&group.acks);
            self.open.all -= group.count.all;
            self.open.pubacks -= group.count.pubacks;
            self.groups.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.all >= MAX_OPEN || self.groups.len() >= MAX_GROUPS
    }

    /// How many wait.
    pub(crate) fn open(&self) -> Count {
        self.open
    }

    /// The ticket behind which nothing waits.
    pub(crate) fn last(&self) -> Option<Ticket> {
        self.groups.back().map(|group| group.ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::store::{self, QueueKind, QueueLimits, WhenFull};

    const ONE: Count = Count { all: 1, pubacks: 1 };

    /// Two tickets of a real store, the first one earlier.
    fn tickets() -> [Ticket; 2] {
        let folder = tempfile::tempdir().unwrap();
        let store = store::tests::open(folder.path());
        let limits = QueueLimits {
            records: 10,
            bytes: 1_000,
            when_full: WhenFull::Refuse,
        };
        let queue = store.queue("q", QueueKind::Durable, limits).unwrap();
        let submit = || {
            let mut transaction = store.transaction();
            transaction.append(&queue, |record| record.push(1)).unwrap();
            store.submit(transaction).unwrap()
        };
        let first = submit();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !store.durable().has_reached(first) {
            assert!(Instant::now() < deadline, "nothing was committed");
            thread::yield_now();
        }
        let second = submit();
        assert!(first < second);
        [first, second]
    }

    #[test]
    fn an_acknowledgement_that_waits_for_nothing_still_waits_for_those_before_it() {
        let [first, _] = tickets();
        let mut acks = PendingAcks::default();
        acks.push(first, vec![1], ONE);
        acks.push(Ticket::DONE, vec![2], ONE);
        assert_eq!(acks.last(), Some(first));
        let mut out = Vec::new();
        acks.release(|ticket| ticket == Ticket::DONE, &mut out);
        assert_eq!((out.as_slice(), acks.open().all), (&[][..], 2));
        acks.release(|ticket| ticket <= first, &mut out);
        assert_eq!(
            (out.as_slice(), acks.open()),
            (&[1, 2][..], Count::default())
        );
        assert!(acks.is_empty());
    }

    #[test]
    fn acknowledgements_leave_no_further_than_the_disk_has_come() {
        let [first, second] = tickets();
        let mut acks = PendingAcks::default();
        acks.push(first, vec![1, 1], Count { all: 2, pubacks: 1 });
        acks.push(second, vec![2], ONE);
        let mut out = Vec::new();
        acks.release(|ticket| ticket <= first, &mut out);
        assert_eq!((out.as_slice(), acks.open()), (&[1, 1][..], ONE));
        assert_eq!(acks.last(), Some(second));
    }

    #[test]
    fn the_number_of_open_publishes_is_bounded() {
        let mut acks = PendingAcks::default();
        acks.push(
            Ticket::DONE,
            Vec::new(),
            Count {
                all: MAX_OPEN - 1,
                pubacks: 0,
            },
        );
        assert!(!acks.is_full());
        acks.push(Ticket::DONE, Vec::new(), ONE);
        assert!(acks.is_full());
    }
}
