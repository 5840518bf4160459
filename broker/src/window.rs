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
/// Each has a position, which grows from message to message; its packet identifier follows
/// from it. So a message that is sent again, even by another process, has the same one.
#[derive(Debug)]
pub(crate) struct Window {
    steps: VecDeque<Step>,
    /// The position of the first step.
    first: u64,
    open: usize,
    limit: usize,
}

/// How many packet identifiers there are.
const IDENTIFIERS: u64 = u16::MAX as u64;

impl Window {
    /// A window for `limit` open messages.
    pub(crate) fn new(limit: u16) -> Window {
        Window {
            steps: VecDeque::new(),
            first: 0,
            open: 0,
            limit: usize::from(limit.max(1)),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.has_room_at(self.next())
    }

    /// Whether a message at `position` can be sent: its identifier must be free.
    pub(crate) fn has_room_at(&self, position: u64) -> bool {
        let is_free = self.steps.is_empty() || position - self.first < IDENTIFIERS;
        self.open < self.limit && is_free
    }

    /// The position behind all others.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.steps.len() as u64
    }

    /// Opens a place at `position`, which is not before [`Window::next`], and gives its
    /// identifier; call it only while there is room.
    pub(crate) fn open(&mut self, position: u64, step: Step) -> u16 {
        if self.steps.is_empty() {
            self.first = position;
        }
        while self.next() < position {
            self.steps.push_back(Step::Done);
        }
        self.steps.push_back(step);
        self.open += 1;
        identifier(position)
    }

    /// The position and step of an open message.
    pub(crate) fn find(&self, id: u16) -> Option<(u64, Step)> {
        let id = u64::from(id.checked_sub(1)?);
        let place = (id + IDENTIFIERS - self.first % IDENTIFIERS) % IDENTIFIERS;
        let step = *self.steps.get(place as usize)?;
        (step != Step::Done).then_some((self.first + place, step))
    }

    /// Moves an open message to `step`.
    pub(crate) fn advance(&mut self, position: u64, step: Step) {
        let place = position.checked_sub(self.first);
        let Some(slot) = place.and_then(|place| self.steps.get_mut(place as usize)) else {
            return;
        };
        if *slot != Step::Done && step == Step::Done {
            self.open -= 1;
        }
        *slot = step;
        while self.steps.front() == Some(&Step::Done) {
            self.steps.pop_front();
            self.first += 1;
        }
    }
}

/// The packet identifier of the message at `position`.
pub(crate) fn identifier(position: u64) -> u16 {
    (position % IDENTIFIERS) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &mut Window, step: Step) -> (u64, u16) {
        let position = window.next();
        (position, window.open(position, step))
    }

    #[test]
    fn identifiers_cover_their_range_and_never_are_zero() {
        let mut window = Window::new(1);
        for expected in (1..=u16::MAX).chain(1..=3) {
            let (position, id) = open(&mut window, Step::AwaitsPubAck);
            assert_eq!(id, expected);
            assert!(!window.has_room());
            assert_eq!(window.find(id), Some((position, Step::AwaitsPubAck)));
            window.advance(position, Step::Done);
        }
    }

    #[test]
    fn acknowledgements_in_any_order_make_room() {
        let mut window = Window::new(3);
        let sent = [0; 3].map(|_| open(&mut window, Step::AwaitsPubAck));
        window.advance(sent[2].0, Step::Done);
        assert!(window.has_room());
        assert_eq!(window.find(sent[2].1), None);
        assert_eq!(window.find(sent[0].1), Some((0, Step::AwaitsPubAck)));
        let (next, id) = open(&mut window, Step::AwaitsPubRec);
        assert_eq!(id, 4);
        window.advance(sent[0].0, Step::Done);
        window.advance(sent[1].0, Step::Done);
        assert_eq!(window.find(id), Some((next, Step::AwaitsPubRec)));
        assert_eq!(window.steps.len(), 1);
    }

    #[test]
    fn an_identifier_that_is_not_open_is_nothing() {
        let mut window = Window::new(10);
        open(&mut window, Step::AwaitsPubAck);
        assert_eq!(window.find(0), None);
        assert_eq!(window.find(2), None);
        assert_eq!(window.find(40_000), None);
        window.advance(1, Step::Done);
        window.advance(0, Step::Done);
        window.advance(0, Step::Done);
        assert!(window.has_room());
    }

    #[test]
    fn an_open_message_keeps_the_identifiers_behind_it_from_coming_round() {
        let mut window = Window::new(u16::MAX);
        let (stuck, _) = open(&mut window, Step::AwaitsPubAck);
        for _ in 1..u16::MAX {
            let (position, _) = open(&mut window, Step::AwaitsPubAck);
            window.advance(position, Step::Done);
        }
        assert!(!window.has_room());
        window.advance(stuck, Step::Done);
        assert!(window.has_room());
    }

    #[test]
    fn positions_that_are_left_out_need_no_acknowledgement() {
        let mut window = Window::new(10);
        let far = 1_000_000;
        let first = window.open(far, Step::AwaitsPubAck);
        let second = window.open(far + 5, Step::AwaitsPubAck);
        assert_eq!(second, first + 5);
        assert!(!window.has_room_at(far + IDENTIFIERS));
        window.advance(far, Step::Done);
        assert!(window.has_room_at(far + IDENTIFIERS));
        assert_eq!(window.find(second), Some((far + 5, Step::AwaitsPubAck)));
    }
}
