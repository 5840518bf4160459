//! The subscriptions of one session.

use perennial_rules::TopicFilter;

use crate::stored::SubscriptionRecord;

/// Subscriptions by their filter.
///
/// They are in order and close together: thousands of sessions have one or two each.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<(TopicFilter, SubscriptionRecord)>);

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, filter: &TopicFilter) -> Option<&SubscriptionRecord> {
        let at = self.place(filter).ok()?;
        Some(&self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, filter: &TopicFilter) -> Option<&mut SubscriptionRecord> {
        let at = self.place(filter).ok()?;
        Some(&mut self.0[at].1)
    }

    pub(super) fn insert(&mut self, filter: TopicFilter, record: SubscriptionRecord) {
        match self.place(&filter) {
            Ok(at) => self.0[at].1 = record,
            Err(at) => {
                if self.0.len() < 4 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (filter, record));
            }
        }
    }

    /// Removes the subscription to `filter`; whether there was one.
    pub(super) fn remove(&mut self, filter: &TopicFilter) -> bool {
        let place = self.place(filter);
        if let Ok(at) = place {
            self.0.remove(at);
        }
        place.is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicFilter, &SubscriptionRecord)> {
        self.0.iter().map(|(filter, record)| (filter, record))
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &TopicFilter> {
        self.0.iter().map(|(filter, _)| filter)
    }

    fn place(&self, filter: &TopicFilter) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_one_subscription() {
        let mut subscriptions = Subscriptions::default();
        let filter = |text: &str| text.parse::<TopicFilter>().unwrap();
        let record = |id| SubscriptionRecord {
            id,
            ..SubscriptionRecord::default()
        };
        for (text, id) in [("b", 1), ("a/#", 2), ("$share/g/b", 3), ("b", 4), ("c", 5)] {
            subscriptions.insert(filter(text), record(id));
        }
        assert_eq!(subscriptions.len(), 4);
        assert_eq!(subscriptions.get(&filter("b")), Some(&record(4)));
        assert_eq!(subscriptions.get(&filter("$share/g/b")), Some(&record(3)));
        assert!(subscriptions.remove(&filter("b")));
        assert!(!subscriptions.remove(&filter("b")));
        assert_eq!(subscriptions.get(&filter("b")), None);
        let mut ids: Vec<_> = subscriptions.iter().map(|(_, record)| record.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [2, 3, 5]);
    }
}
