//! What was acknowledged, compared with where it is.

use std::collections::HashMap;

use super::{
    listener::Heard,
    way::{Id, Kind, Way},
};
use crate::support::{dead_letters::Letter, numbered::Publishers};

/// All that is known of the messages of a way.
pub(super) struct Ledger<'a> {
    pub(super) way: Way,
    /// Its publishers, who have stopped.
    pub(super) publishers: &'a Publishers,
    /// The payloads that each destination of the service has taken.
    pub(super) taken: &'a [(&'a str, Vec<String>)],
    /// The dead letters.
    pub(super) dead: &'a [Letter],
    /// What the listener has heard, of this way and others.
    pub(super) heard: &'a Heard,
}

/// What is told of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) published: usize,
    pub(super) acknowledged: usize,
    /// Messages that the service has.
    pub(super) delivered: usize,
    /// What the service has beyond one of each.
    pub(super) duplicates: usize,
    /// Messages that are dead letters, and letters beyond one of each.
    pub(super) dead: usize,
    pub(super) dead_duplicates: usize,
    /// Messages that became no record.
    pub(super) rejected: usize,
    /// Statuses beyond one for each message.
    pub(super) repeated_statuses: usize,
}

impl Ledger<'_> {
    /// The first messages of each publisher, as many as `counts` has.
    fn ids(&self, counts: Vec<u64>) -> impl Iterator<Item = Id> {
        let way = self.way;
        let publishers = counts.into_iter().enumerate();
        publishers.flat_map(move |(publisher, count)| {
            (0..count).map(move |number| Id {
                way,
                publisher,
                number,
            })
        })
    }

    /// Whether the service has every message that it can have, and every device has heard.
    pub(super) fn is_complete(&self) -> bool {
        let taken = self.taken_by_id();
        self.ids(self.publishers.acknowledged()).all(|id| {
            let text = id.text();
            let arrived = id.kind() != Kind::Good || taken.contains_key(&*text);
            arrived && self.heard.contains_key(&text)
        })
    }

    /// Checks that each message is in exactly the place where it belongs, and that what its
    /// device heard is so.
    #[track_caller]
    pub(super) fn check(&self) -> Summary {
        let mut summary = Summary::default();
        let taken = self.taken_by_id();
        let mut dead: HashMap<&str, usize> = HashMap::new();
        for letter in self.dead {
            let id = self.known(&letter.id);
            let destination = self.way.full_destination(id.publisher);
            assert_eq!(
                (&letter.payload, &letter.destination),
                (&letter.id, &destination)
            );
            *dead.entry(&letter.id).or_default() += 1;
        }
        let acknowledged = self.publishers.acknowledged();
        for id in self.ids(self.publishers.sent()) {
            let text = id.text();
            let times = |places: &HashMap<&str, usize>| places.get(&*text).copied().unwrap_or(0);
            let (taken, dead) = (times(&taken), times(&dead));
            let statuses = self.heard.get(&text);
            let is_acknowledged = id.number < acknowledged[id.publisher];
            if !is_acknowledged && taken + dead == 0 && statuses.is_none() {
                // The gateway was killed before it had it on disk.
                continue;
            }
            let statuses = statuses.unwrap_or_else(|| panic!("no status for {text}"));
            let (successes, failures) = (statuses.successes, &statuses.failures);
            let failed_with = |code: &str| {
                successes == 0 && !failures.is_empty() && failures.iter().all(|other| other == code)
            };
            let code = match (id.way, id.kind()) {
                (Way::IotAnalytics, _) => "InvalidRequestException",
                (Way::Firehose, _) => "InvalidArgumentException",
            };
            match id.kind() {
                Kind::Good => {
                    assert!(
                        taken > 0 && dead == 0,
                        "{text}: taken {taken} times, dead {dead}"
                    );
                    assert!(successes > 0 && failures.is_empty(), "{text}: {statuses:?}");
                    summary.delivered += 1;
                    summary.duplicates += taken - 1;
                }
                Kind::Poison => {
                    assert!(
                        taken == 0 && dead > 0,
                        "{text}: taken {taken} times, dead {dead}"
                    );
                    assert!(failed_with(code), "{text}: {statuses:?}");
                    summary.dead += 1;
                    summary.dead_duplicates += dead - 1;
                }
                Kind::Invalid => {
                    assert_eq!((taken, dead), (0, 0), "{text}");
                    assert!(failed_with(code), "{text}: {statuses:?}");
                    summary.rejected += 1;
                }
            }
            summary.published += 1;
            summary.acknowledged += usize::from(is_acknowledged);
            summary.repeated_statuses += successes as usize + failures.len() - 1;
        }
        let of_this_way = |id: &&String| id.starts_with(self.way.name());
        for id in self.heard.keys().filter(of_this_way) {
            self.known(id);
        }
        summary
    }

    /// How often the service has taken each message.
    fn taken_by_id(&self) -> HashMap<&str, usize> {
        let mut taken = HashMap::new();
        for (destination, records) in self.taken {
            for record in records {
                let id = self.known(record);
                assert_eq!(*destination, self.way.destination(id.publisher), "{record}");
                *taken.entry(&**record).or_default() += 1;
            }
        }
        taken
    }

    /// A message that was published.
    #[track_caller]
    fn known(&self, text: &str) -> Id {
        let id = Id::read(self.way, text).unwrap_or_else(|| panic!("nobody said {text:?}"));
        let sent = self.publishers.sent();
        let is_sent = sent.get(id.publisher).is_some_and(|sent| id.number < *sent);
        assert!(is_sent, "{text} was never published");
        id
    }
}
