//! Acknowledgements that wait for the disk.

use std::collections::VecDeque;

use crate::store::{Durable, Ticket};

/// Publishes of one connection that may be unacknowledged before it is not read from.
const MAX_OPEN: usize = 4096;
/// Groups of them, each with a buffer of its own.
const MAX_GROUPS: usize = 1024;

/// Encoded acknowledgements in the order of their publishes.
///
/// Each group leaves when its ticket is durable and everything before it has
/// left ([MQTT-4.6.0-2]).
#[derive(Debug, Default)]
pub(crate) struct PendingAcks {
    groups: VecDeque<Group>,
    open: usize,
}

#[derive(Debug)]
struct Group {
    ticket: Ticket,
    acks: Vec<u8>,
    count: usize,
}

impl PendingAcks {
    /// Adds `count` encoded acknowledgements that leave when `ticket` is durable.
    pub(crate) fn push(&mut self, ticket: Ticket, acks: Vec<u8>, count: usize) {
        self.open += count;
        self.groups.push_back(Group {
            ticket,
            acks,
            count,
        });
    }

    /// Moves what may leave to `out`.
    pub(crate) fn release(&mut self, durable: &Durable, out: &mut Vec<u8>) {
        while let Some(group) = self.groups.front() {
            if !durable.has_reached(group.ticket) {
                return;
            }
            out.extend_from_slice(&group.acks);
            self.open -= group.count;
            self.groups.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open >= MAX_OPEN || self.groups.len() >= MAX_GROUPS
    }

    /// Publishes that are not acknowledged.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The ticket behind which nothing waits.
    pub(crate) fn last(&self) -> Option<Ticket> {
        self.groups.back().map(|group| group.ticket)
    }
}
