//! What was acknowledged, compared with where it is.

use std::collections::HashMap;

use super::{
    listener::{Heard, Statuses},
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

/// How often each message is there, by its id.
type Places<'a> = HashMap<&'a str, usize>;

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

impl Summary {
    /// Counts a message that is in these places and had these statuses, if that is what becomes
    /// of such a one.
    #[track_caller]
    fn count(&mut self, id: Id, taken: usize, dead: usize, statuses: &Statuses) {
        let Statuses {
            successes,
            failures,
        } = statuses;
        let code = match id.way {
            Way::Firehose => "InvalidArgumentException",
            Way::IotAnalytics => "InvalidRequestException",
        };
        let succeeded = *successes > 0 && failures.is_empty();
        let failed = *successes == 0 && failures.iter().all(|failure| failure == code);
        let is_right = match id.kind() {
            Kind::Good => taken > 0 && dead == 0 && succeeded,
            Kind::Poison => taken == 0 && dead > 0 && failed,
            Kind::Invalid => taken == 0 && dead == 0 && failed,
        };
        let text = id.text();
        assert!(
            is_right,
            "{text} was taken {taken} times, is a dead letter {dead} times, and had {statuses:?}"
        );
        match id.kind() {
            Kind::Good => self.delivered += 1,
            Kind::Poison => self.dead += 1,
            Kind::Invalid => self.rejected += 1,
        }
        self.published += 1;
        self.duplicates += taken.saturating_sub(1);
        self.dead_duplicates += dead.saturating_sub(1);
        self.repeated_statuses += *successes as usize + failures.len() - 1;
    }
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

    /// The acknowledged messages that the service could have and has not, and those of which
    /// their devices have heard nothing.
    pub(super) fn missing(&self) -> Vec<String> {
        let taken = self.taken();
        let is_missing = |id: &Id| {
            let text = id.text();
            let arrived = id.kind() != Kind::Good || taken.contains_key(&*text);
            !arrived || !self.heard.contains_key(&text)
        };
        let ids = self.ids(self.publishers.acknowledged());
        ids.filter(is_missing).map(Id::text).collect()
    }

    /// Checks that each message is in exactly the place where it belongs, and that what its
    /// device heard is so.
    #[track_caller]
    pub(super) fn check(&self) -> Summary {
        let mut summary = Summary::default();
        let (taken, dead) = (self.taken(), self.dead());
        let acknowledged = self.publishers.acknowledged();
        for id in self.ids(self.publishers.sent()) {
            let text = id.text();
            let times = |places: &Places<'_>| places.get(&*text).copied().unwrap_or(0);
            let (taken, dead) = (times(&taken), times(&dead));
            let is_acknowledged = id.number < acknowledged[id.publisher];
            match self.heard.get(&text) {
                Some(statuses) => summary.count(id, taken, dead, statuses),
                // The gateway was killed before it had it on disk.
                None if !is_acknowledged && taken + dead == 0 => continue,
                None => panic!("no status for {text}"),
            }
            summary.acknowledged += usize::from(is_acknowledged);
        }
        let of_this_way = |id: &&String| id.starts_with(self.way.name());
        for id in self.heard.keys().filter(of_this_way) {
            self.known(id);
        }
        summary
    }

    /// How often each message is a dead letter.
    fn dead(&self) -> Places<'_> {
        let mut dead = HashMap::new();
        for letter in self.dead {
            let id = self.known(&letter.id);
            let destination = self.way.full_destination(id.publisher);
            assert_eq!(
                (&letter.payload, &letter.destination),
                (&letter.id, &destination)
            );
            *dead.entry(&*letter.id).or_default() += 1;
        }
        dead
    }

    /// How often the service has taken each message.
    fn taken(&self) -> Places<'_> {
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
