//! Topic aliases (MQTT 5, 3.3.2.3.4): two bytes in place of a topic, for one connection and
//! one direction.
//!
//! - Nothing is allocated before the first alias is set, and no more topics are kept than the
//!   maximum that was agreed on.
//! - An alias to a client counts as set once its packet is written.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::codec::{DecodeError, Reason};

/// Aliases that a client has set.
#[derive(Debug)]
pub(crate) struct InboundAliases {
    maximum: u16,
    /// What alias 1 stands for, then alias 2, and so on.
    topics: Vec<Option<Box<[u8]>>>,
}

impl InboundAliases {
    /// Aliases from 1 to `maximum`.
    pub(crate) fn new(maximum: u16) -> InboundAliases {
        InboundAliases {
            maximum,
            topics: Vec::new(),
        }
    }

    /// The topic that a PUBLISH means; a topic with an alias sets it.
    pub(crate) fn resolve<'a>(
        &'a mut self,
        topic: &'a [u8],
        alias: Option<u16>,
    ) -> Result<&'a [u8], DecodeError> {
        let Some(alias) = alias else {
            if topic.is_empty() {
                return Err(DecodeError::protocol("the topic is empty"));
            }
            return Ok(topic);
        };
        if alias == 0 || alias > self.maximum {
            return Err(DecodeError {
                reason: Reason::TopicAliasInvalid,
                what: "the topic alias is zero or above the maximum",
            });
        }
        let place = usize::from(alias - 1);
        if topic.is_empty() {
            let known = self.topics.get(place).and_then(Option::as_deref);
            return known.ok_or(DecodeError::protocol("the topic alias stands for nothing"));
        }
        self.set(place, topic);
        Ok(topic)
    }

    fn set(&mut self, place: usize, topic: &[u8]) {
        if place >= self.topics.len() {
            self.topics.resize_with(place + 1, || None);
        }
        let slot = &mut self.topics[place];
        if slot.as_deref() != Some(topic) {
            *slot = Some(topic.into());
        }
    }
}

/// How a topic is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TopicForm {
    /// As it is.
    Plain,
    /// With an alias that stands for it from then on.
    Sets(u16),
    /// As its alias alone.
    Alias(u16),
}

impl TopicForm {
    /// Whether the alias alone is enough.
    pub(crate) fn is_known(self) -> bool {
        matches!(self, TopicForm::Alias(_))
    }

    /// The alias that is written.
    pub(crate) fn number(self) -> Option<u16> {
        match self {
            TopicForm::Plain => None,
            TopicForm::Sets(alias) | TopicForm::Alias(alias) => Some(alias),
        }
    }
}

/// More aliases to one client cost more to look up than they save.
const MOST: u16 = 64;
/// Bytes of the property; a topic that is no longer gains nothing.
const PROPERTY: usize = 3;

/// Aliases that are set for a client.
///
/// The first topics get one each. When none is left, a topic that comes again soon takes the one
/// that was not used for longest; topics that come once change nothing.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    maximum: usize,
    /// What alias 1 stands for, then alias 2, and so on.
    entries: Vec<Entry>,
    /// Hashes of the topics that were last sent without an alias, as many as there are aliases.
    missed: Vec<u64>,
    /// Where the next of them goes.
    next_missed: usize,
    /// Counts the uses of aliases.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    topic: Box<str>,
    last_use: u64,
}

impl OutboundAliases {
    /// Aliases from 1 to `maximum`, which the client takes.
    pub(crate) fn new(maximum: u16) -> OutboundAliases {
        OutboundAliases {
            maximum: usize::from(maximum.min(MOST)),
            entries: Vec::new(),
            missed: Vec::new(),
            next_missed: 0,
            uses: 0,
        }
    }

    /// How `topic` would be written; [`OutboundAliases::commit`] says that it was.
    ///
    /// A packet that is too large with a new alias may be written plainly instead.
    pub(crate) fn propose(&self, topic: &str) -> TopicForm {
        if !self.is_worth_one(topic) {
            return TopicForm::Plain;
        }
        let known = |entry: &Entry| *entry.topic == *topic;
        if let Some(place) = self.entries.iter().position(known) {
            return TopicForm::Alias(alias(place));
        }
        if self.entries.len() < self.maximum {
            return TopicForm::Sets(alias(self.entries.len()));
        }
        if self.missed.contains(&hash(topic)) {
            return TopicForm::Sets(alias(self.least_recently_used()));
        }
        TopicForm::Plain
    }

    /// A packet on `topic` was written: plainly, or in the form that was last proposed for it.
    pub(crate) fn commit(&mut self, form: &TopicForm, topic: &str) {
        self.uses += 1;
        match *form {
            TopicForm::Plain => {
                if self.is_worth_one(topic) && self.entries.len() == self.maximum {
                    self.miss(hash(topic));
                }
            }
            TopicForm::Sets(alias) => {
                let entry = Entry {
                    topic: topic.into(),
                    last_use: self.uses,
                };
                match self.entries.get_mut(usize::from(alias - 1)) {
                    Some(replaced) => *replaced = entry,
                    None => self.entries.push(entry),
                }
            }
            TopicForm::Alias(alias) => {
                if let Some(entry) = self.entries.get_mut(usize::from(alias - 1)) {
                    entry.last_use = self.uses;
                }
            }
        }
    }

    fn is_worth_one(&self, topic: &str) -> bool {
        self.maximum > 0 && topic.len() > PROPERTY
    }

    fn least_recently_used(&self) -> usize {
        let entries = self.entries.iter().enumerate();
        let least = entries.min_by_key(|(_, entry)| entry.last_use);
        least.map_or(0, |(place, _)| place)
    }

    fn miss(&mut self, topic: u64) {
        if self.missed.len() < self.maximum {
            self.missed.push(topic);
        } else {
            self.missed[self.next_missed] = topic;
        }
        self.next_missed = (self.next_missed + 1) % self.maximum;
    }
}

/// The alias at a place; there are never more places than aliases.
fn alias(place: usize) -> u16 {
    place as u16 + 1
}

fn hash(topic: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(aliases: &mut InboundAliases, topic: &[u8], alias: Option<u16>) -> Reason {
        aliases.resolve(topic, alias).unwrap_err().reason
    }

    /// Proposes and commits.
    fn send(aliases: &mut OutboundAliases, topic: &str) -> TopicForm {
        let form = aliases.propose(topic);
        aliases.commit(&form, topic);
        form
    }

    #[test]
    fn an_alias_stands_for_the_topic_that_came_with_it_last() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(aliases.resolve(b"a/b", None), Ok(&b"a/b"[..]));
        assert_eq!(aliases.resolve(b"a/b", Some(2)), Ok(&b"a/b"[..]));
        assert_eq!(aliases.resolve(b"", Some(2)), Ok(&b"a/b"[..]));
        assert_eq!(aliases.resolve(b"c", Some(2)), Ok(&b"c"[..]));
        assert_eq!(aliases.resolve(b"", Some(2)), Ok(&b"c"[..]));
    }

    #[test]
    fn wrong_aliases_are_refused() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(refused(&mut aliases, b"", None), Reason::ProtocolError);
        assert_eq!(refused(&mut aliases, b"", Some(1)), Reason::ProtocolError);
        aliases.resolve(b"t", Some(2)).unwrap();
        assert_eq!(refused(&mut aliases, b"", Some(1)), Reason::ProtocolError);
        for alias in [0, 3, u16::MAX] {
            for topic in [&b""[..], b"t"] {
                assert_eq!(
                    refused(&mut aliases, topic, Some(alias)),
                    Reason::TopicAliasInvalid
                );
            }
        }
        let mut none = InboundAliases::new(0);
        assert_eq!(refused(&mut none, b"t", Some(1)), Reason::TopicAliasInvalid);
    }

    #[test]
    fn a_topic_is_named_once_and_then_its_alias_is_enough() {
        let mut aliases = OutboundAliases::new(2);
        assert_eq!(send(&mut aliases, "first"), TopicForm::Sets(1));
        assert_eq!(send(&mut aliases, "first"), TopicForm::Alias(1));
        assert_eq!(send(&mut aliases, "second"), TopicForm::Sets(2));
        assert_eq!(send(&mut aliases, "first"), TopicForm::Alias(1));
        assert_eq!(send(&mut aliases, "second"), TopicForm::Alias(2));
    }

    #[test]
    fn an_alias_whose_packet_was_not_written_is_not_set() {
        let mut aliases = OutboundAliases::new(2);
        assert_eq!(aliases.propose("first"), TopicForm::Sets(1));
        assert_eq!(aliases.propose("first"), TopicForm::Sets(1));
        assert_eq!(send(&mut aliases, "second"), TopicForm::Sets(1));
        assert_eq!(aliases.propose("first"), TopicForm::Sets(2));
    }

    #[test]
    fn a_topic_that_comes_again_takes_the_alias_that_was_not_used_for_longest() {
        let mut aliases = OutboundAliases::new(2);
        for topic in ["first", "second", "first"] {
            send(&mut aliases, topic);
        }
        assert_eq!(send(&mut aliases, "third"), TopicForm::Plain);
        assert_eq!(send(&mut aliases, "third"), TopicForm::Sets(2));
        assert_eq!(send(&mut aliases, "first"), TopicForm::Alias(1));
        assert_eq!(send(&mut aliases, "second"), TopicForm::Plain);
    }

    #[test]
    fn topics_that_come_once_take_no_alias_away() {
        let mut aliases = OutboundAliases::new(4);
        for topic in ["one of 4", "two of 4", "three of 4", "four of 4"] {
            send(&mut aliases, topic);
        }
        for request in 0..1_000 {
            let topic = format!("requests/{request}");
            assert_eq!(send(&mut aliases, &topic), TopicForm::Plain);
        }
        assert_eq!(send(&mut aliases, "one of 4"), TopicForm::Alias(1));
        assert_eq!(aliases.missed.len(), 4);
    }

    #[test]
    fn an_alias_that_would_save_nothing_is_not_set() {
        let mut none = OutboundAliases::new(0);
        let mut some = OutboundAliases::new(10);
        for _ in 0..3 {
            assert_eq!(send(&mut none, "a long topic"), TopicForm::Plain);
            assert_eq!(send(&mut some, "a/b"), TopicForm::Plain);
        }
        assert_eq!(none.entries.capacity() + none.missed.capacity(), 0);
        assert_eq!(some.entries.capacity() + some.missed.capacity(), 0);
    }

    proptest! {
        #[test]
        fn the_other_side_always_understands_the_same_topic(
            maximum in 0_u16..100,
            topics in 1_usize..150,
            sends in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..1_000),
        ) {
            let mut sender = OutboundAliases::new(maximum);
            let mut receiver = InboundAliases::new(maximum);
            for (index, fate) in sends {
                let topic = format!("topic/{}", index.index(topics));
                let proposed = sender.propose(&topic);
                let form = match fate {
                    // Nothing is written.
                    0 => continue,
                    // Too large with the alias.
                    1 => TopicForm::Plain,
                    _ => proposed,
                };
                sender.commit(&form, &topic);
                let written = if form.is_known() { "" } else { &topic };
                let heard = receiver.resolve(written.as_bytes(), form.number());
                prop_assert_eq!(heard, Ok(topic.as_bytes()));
                prop_assert!(sender.entries.len() <= usize::from(maximum));
            }
        }
    }
}
