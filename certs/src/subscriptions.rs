//! The subscription table of a Greengrass V1 group: nothing flows without an entry.
//!
//! An entry lets messages on its subject go from its source to its target, and not back. What a
//! client subscribes to does not widen it.

mod party;
mod reader;
mod subjects;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::party::Party;
use self::{party::Named, subjects::Subjects};
use crate::document::DocumentError;

/// The table.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionTable {
    /// The parties that the table names.
    parties: Vec<Member>,
    /// Where in `parties` each stands, by kind and name.
    numbers: [HashMap<Box<str>, usize>; Party::KINDS],
    /// What each source may send to each target.
    routes: HashMap<(usize, usize), Subjects>,
}

/// A party that the table names.
#[derive(Clone, Debug)]
struct Member {
    named: Named,
    /// The identifier of the first entry that names it.
    id: Box<str>,
    /// Whom it may send anything to.
    targets: Vec<usize>,
    /// Who may send anything to it.
    sources: Vec<usize>,
}

impl SubscriptionTable {
    /// Reads a table as it is exported from Greengrass: `{"Subscriptions": [...]}`, or what
    /// `aws greengrass get-subscription-definition-version` answers.
    ///
    /// # Errors
    /// The first element that is wrong or unknown, with its line and column.
    pub fn parse(document: &str) -> Result<SubscriptionTable, DocumentError> {
        reader::read(document)
    }

    /// Whether messages on `topic` go from `source` to `target`.
    #[must_use]
    pub fn permits(&self, source: Party<'_>, topic: &str, target: Party<'_>) -> bool {
        let route = self.number(source).zip(self.number(target));
        route.is_some_and(|route| self.is_on(topic, route))
    }

    /// Whether messages on `topic` go from `source` to anybody.
    #[must_use]
    pub fn may_publish(&self, source: Party<'_>, topic: &str) -> bool {
        self.number(source).is_some_and(|source| {
            let mut targets = self.parties[source].targets.iter();
            targets.any(|target| self.is_on(topic, (source, *target)))
        })
    }

    /// Whether messages on `topic` go to `target` from anybody.
    #[must_use]
    pub fn may_receive(&self, topic: &str, target: Party<'_>) -> bool {
        self.number(target).is_some_and(|target| {
            let mut sources = self.parties[target].sources.iter();
            sources.any(|source| self.is_on(topic, (*source, target)))
        })
    }

    /// Who is named in the table and not `known`, with the identifier of the first entry that
    /// names it.
    pub fn strangers<'t>(
        &'t self,
        known: impl Fn(Party<'_>) -> bool + 't,
    ) -> impl Iterator<Item = (Party<'t>, &'t str)> {
        let parties = self.parties.iter();
        let all = parties.map(|member| (member.named.party(), &*member.id));
        all.filter(move |(party, _)| !known(*party))
    }

    /// Files an entry.
    fn insert(&mut self, id: &str, source: Named, subject: &str, target: Named) {
        let source = self.make(source, id);
        let target = self.make(target, id);
        if !self.routes.contains_key(&(source, target)) {
            self.parties[source].targets.push(target);
            self.parties[target].sources.push(source);
        }
        let route = self.routes.entry((source, target)).or_default();
        route.insert(subject);
    }

    /// The number of a party that an entry names.
    fn make(&mut self, named: Named, id: &str) -> usize {
        let next = self.parties.len();
        let (kind, name) = named.party().key();
        let number = *self.numbers[kind].entry(name.into()).or_insert(next);
        if number == next {
            self.parties.push(Member {
                named,
                id: id.into(),
                targets: Vec::new(),
                sources: Vec::new(),
            });
        }
        number
    }

    fn is_on(&self, topic: &str, route: (usize, usize)) -> bool {
        let subjects = self.routes.get(&route);
        subjects.is_some_and(|subjects| subjects.hold(topic))
    }

    fn number(&self, party: Party<'_>) -> Option<usize> {
        let (kind, name) = party.key();
        self.numbers[kind].get(name).copied()
    }
}
