//! Packet identifiers and what is in flight to a client.

use std::collections::VecDeque;

/// How far the handshake of a message has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// QoS 1, sent.
    AwaitsPubAck,
    /// QoS 2, sent.
    AwaitsPubRec,
    /// QoS 2, received and released.
    AwaitsPubComp,
    /// Over; its place is kept while an earlier one is open.
    Done,
}

/// Messages that were sent at QoS 1 or 2 and are not acknowledged.
///
/// Identifiers are given in turn, so the place of a message follows from its
/// identifier, in whatever order the client acknowledges.
#[derive(Debug)]
pub(crate) struct Window {
    steps: VecDeque<Step>,
    /// The identifier of the first place.
    first: u16,
    open: usize,
    limit: usize,
}

/// Identifiers run from 1 to this.
const LAST_ID: u16 = u16::MAX;

impl Window {
    /// A window for `limit` open messages.
    pub(crate) fn new(limit: u16) -> Window {
        Window {
            steps: VecDeque::new(),
            first: 1,
            open: 0,
            limit: usize::from(limit.max(1)),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open < self.limit && self.steps.len() < usize::from(LAST_ID)
    }

    /// Opens a place and gives its identifier; call it only while there is room.
    pub(crate) fn open(&mut self, step: Step) -> u16 {
        let id = identifier(self.first, self.steps.len());
        self.steps.push_back(step);
        self.open += 1;
        id
    }

    /// The step of an open message.
    pub(crate) fn step(&self, id: u16) -> Option<Step> {
        self.steps
            .get(self.place(id)?)
            .copied()
            .filter(|step| *step != Step::Done)
    }

    /// Moves an open message to `step`.
    pub(crate) fn advance(&mut self, id: u16, step: Step) {
        let Some(place) = self.place(id) else { return };
        let Some(slot) = self.steps.get_mut(place) else {
            return;
        };
        if *slot != Step::Done && step == Step::Done {
            self.open -= 1;
        }
        *slot = step;
        while self.steps.front() == Some(&Step::Done) {
            self.steps.pop_front();
            self.first = identifier(self.first, 1);
        }
    }

    fn place(&self, id: u16) -> Option<usize> {
        let (id, first) = (usize::from(id.checked_sub(1)?), usize::from(self.first - 1));
        Some((id + usize::from(LAST_ID) - first) % usize::from(LAST_ID))
    }
}

/// The identifier `steps` after `first`.
fn identifier(first: u16, steps: usize) -> u16 {
    ((usize::from(first - 1) + steps) % usize::from(LAST_ID)) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cover_their_range_and_never_are_zero() {
        let mut window = Window::new(1);
        for expected in (1..=u16::MAX).chain(1..=3) {
            let id = window.open(Step::AwaitsPubAck);
            assert_eq!(id, expected);
            assert!(!window.has_room());
            window.advance(id, Step::Done);
        }
    }

    #[test]
    fn acknowledgements_in_any_order_make_room() {
        let mut window = Window::new(3);
        let ids = [0; 3].map(|_| window.open(Step::AwaitsPubAck));
        window.advance(ids[2], Step::Done);
        assert!(window.has_room());
        assert_eq!(window.step(ids[2]), None);
        assert_eq!(window.step(ids[0]), Some(Step::AwaitsPubAck));
        let next = window.open(Step::AwaitsPubRec);
        assert_eq!(next, 4);
        window.advance(ids[0], Step::Done);
        window.advance(ids[1], Step::Done);
        assert_eq!(window.step(next), Some(Step::AwaitsPubRec));
        assert_eq!(window.steps.len(), 1);
    }

    #[test]
    fn an_identifier_that_is_not_open_is_nothing() {
        let mut window = Window::new(10);
        window.open(Step::AwaitsPubAck);
        assert_eq!(window.step(0), None);
        assert_eq!(window.step(2), None);
        assert_eq!(window.step(40_000), None);
        window.advance(2, Step::Done);
        window.advance(1, Step::Done);
        window.advance(1, Step::Done);
        assert!(window.has_room());
    }

    #[test]
    fn an_open_message_keeps_the_identifiers_behind_it_from_coming_round() {
        let mut window = Window::new(u16::MAX);
        let stuck = window.open(Step::AwaitsPubAck);
        for _ in 1..u16::MAX {
            let id = window.open(Step::AwaitsPubAck);
            window.advance(id, Step::Done);
        }
        assert!(!window.has_room());
        window.advance(stuck, Step::Done);
        assert!(window.has_room());
    }
}
