//! Retained messages: the last one on each topic, for those who subscribe later.
//!
//! - They are in memory, within bounds, and in the store, from where they come back.
//! - A subscriber gets all that match, a few at a time: looking for them holds nobody up.
//! - What is written to the store is what memory holds at that moment, so the store never
//!   ends up with the older of two messages.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

use bytestring::ByteString;
use parking_lot::{Mutex, MutexGuard, RwLock};
use perennial_rules::{TopicFilter, TopicName};

use crate::{
    limits::Limits,
    message::{Delivery, Queued, Run, Terms},
    store::{Store, StoreError, Ticket, Transaction},
    stored::{key, read_message, write_message},
};

/// Topics that one look for matches goes through at most.
const TOPICS: usize = 1_000;
/// Matches that it gives at most.
const MATCHES: usize = 100;
/// What a retained message needs in memory beside its bytes.
const AROUND: usize = 256;

/// The retained messages.
pub(crate) struct Retained {
    messages: RwLock<Messages>,
    /// Held while changes are written, which orders them.
    writing: Mutex<()>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Messages {
    topics: BTreeMap<ByteString, Entry>,
    /// How many are kept in the store, and their bytes.
    kept: usize,
    bytes: usize,
    /// How many have come so far.
    changes: u64,
}

struct Entry {
    run: Arc<Run>,
    /// It is the broker's own and not kept in the store.
    is_volatile: bool,
    /// The change that brought it.
    number: u64,
}

/// A subscriber that has not got all retained messages of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) filter: TopicFilter,
    pub(crate) terms: Terms,
    /// The topic of the last one that it got; empty before the first.
    pub(crate) after: ByteString,
    /// The last change before the subscription; it gets later ones as they come.
    pub(crate) until: u64,
}

impl Retained {
    /// The retained messages in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn load(store: &Store, limits: &Limits) -> Result<Retained, StoreError> {
        let mut messages = Messages::default();
        store.entries(&[key::RETAINED], |key, value| {
            match read_message(value, None) {
                Some(Delivery { run, .. }) => messages.insert(run, false),
                None => tracing::error!(
                    key = %key.escape_ascii(),
                    "a retained message in the store cannot be read"
                ),
            }
        })?;
        Ok(Retained {
            messages: RwLock::new(messages),
            writing: Mutex::default(),
            max_messages: limits.max_retained_messages,
            max_bytes: limits.max_retained_bytes,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.read().topics.len()
    }

    /// The last change so far.
    pub(crate) fn last_change(&self) -> u64 {
        self.messages.read().changes
    }

    /// Whether a message of `bytes` may be retained on `topic`.
    pub(crate) fn has_room(&self, topic: &TopicName, bytes: usize) -> bool {
        let messages = self.messages.read();
        let replaced = messages.topics.get(topic.as_byte_string());
        let (count, freed) = replaced.map_or((0, 0), |entry| (1, entry.bytes()));
        key::retained(topic).len() <= key::MAX
            && messages.kept - count < self.max_messages
            && messages.bytes - freed + bytes + topic.len() + AROUND <= self.max_bytes
    }

    /// Retains a message, or none where its payload is empty.
    pub(crate) fn set(&self, message: &Queued<'_>) {
        let mut messages = self.messages.write();
        if message.payload.is_empty() {
            messages.remove(message.topic.as_byte_string());
        } else {
            messages.insert(copy(message), false);
        }
    }

    /// Retains a message of the broker itself, which no bound counts and no restart keeps.
    pub(crate) fn set_volatile(&self, message: &Queued<'_>) {
        self.messages.write().insert(copy(message), true);
    }

    /// Submits `transaction` with what is retained on `topics`.
    pub(crate) fn write(
        &self,
        topics: &[TopicName],
        mut transaction: Transaction,
        store: &Store,
    ) -> Result<Ticket, StoreError> {
        let _writing = self.writing.lock();
        {
            let messages = self.messages.read();
            for topic in topics {
                messages.write(topic.as_byte_string(), &mut transaction);
            }
        }
        store.submit(transaction)
    }

    /// While this is held, no change of what is retained is submitted.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.writing.lock()
    }

    /// Moves `cursor` on and gives the next messages that are not expired; `None` behind the last.
    pub(crate) fn next(&self, cursor: &mut Cursor, now: u64) -> Option<Vec<Delivery>> {
        let pattern = cursor.filter.pattern();
        if !cursor.filter.has_wildcard() {
            let messages = self.messages.read();
            let entry = messages.topics.get(pattern);
            let is_new = cursor.after.is_empty();
            cursor.after = pattern.into();
            let entry = entry.filter(|entry| is_new && entry.is_due(cursor.until, now))?;
            return Some(vec![entry.delivery(&cursor.terms)]);
        }
        let prefix = literal_prefix(pattern);
        let from = match &*cursor.after {
            after if after < prefix || after.is_empty() => Included(prefix),
            after => Excluded(after),
        };
        let messages = self.messages.read();
        let mut found = Vec::new();
        let mut last = None;
        let candidates = messages.topics.range::<str, _>((from, Unbounded));
        for (topic, entry) in candidates
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .take(TOPICS)
        {
            last = Some(topic.clone());
            if cursor.filter.matches(&entry.run.topic) && entry.is_due(cursor.until, now) {
                found.push(entry.delivery(&cursor.terms));
                if found.len() == MATCHES {
                    break;
                }
            }
        }
        cursor.after = last?;
        Some(found)
    }

    /// Forgets what has expired at `now`; gives the topics, for [`Retained::write`].
    pub(crate) fn expire(&self, now: u64) -> Vec<TopicName> {
        let expired: Vec<TopicName> = {
            let messages = self.messages.read();
            let topics = messages.topics.values();
            topics
                .filter(|entry| !entry.is_alive(now))
                .map(|entry| entry.run.topic.clone())
                .collect()
        };
        let mut messages = self.messages.write();
        for topic in &expired {
            let topic = topic.as_byte_string();
            // A newer one may have come meanwhile.
            if messages
                .topics
                .get(topic)
                .is_some_and(|entry| !entry.is_alive(now))
            {
                messages.remove(topic);
            }
        }
        expired
    }
}

impl Messages {
    fn insert(&mut self, run: Arc<Run>, is_volatile: bool) {
        let topic = run.topic.as_byte_string().clone();
        self.remove(&topic);
        self.changes += 1;
        let entry = Entry {
            run,
            is_volatile,
            number: self.changes,
        };
        if !is_volatile {
            self.kept += 1;
            self.bytes += entry.bytes();
        }
        self.topics.insert(topic, entry);
    }

    fn remove(&mut self, topic: &ByteString) {
        if let Some(entry) = self.topics.remove(topic)
            && !entry.is_volatile
        {
            self.kept -= 1;
            self.bytes -= entry.bytes();
        }
    }

    /// Writes what is retained on `topic` to the store.
    fn write(&self, topic: &ByteString, transaction: &mut Transaction) {
        let key = key::retained(topic);
        match self.topics.get(topic) {
            Some(entry) if !entry.is_volatile => {
                let mut value = Vec::new();
                write_message(&entry.run.get(0), &as_it_is(), &mut value);
                transaction.put(&key, &value);
            }
            _ => transaction.delete(&key),
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.run.topic.len() + self.run.get(0).size() + AROUND
    }

    /// Whether a subscription begins with it that was made behind the change `until`.
    fn is_due(&self, until: u64, now: u64) -> bool {
        self.number <= until && self.is_alive(now)
    }

    fn is_alive(&self, now: u64) -> bool {
        self.run.get(0).expiry_at(now).is_ok()
    }

    fn delivery(&self, terms: &Terms) -> Delivery {
        Delivery {
            run: Arc::clone(&self.run),
            range: 0..1,
            sequence: None,
            terms: Terms {
                // A message that is sent because of a subscription says so ([MQTT-3.3.1-8]).
                retain_as_published: true,
                ..terms.clone()
            },
        }
    }
}

/// Terms that change nothing.
fn as_it_is() -> Terms {
    Terms {
        granted: crate::codec::QoS::ExactlyOnce,
        retain_as_published: true,
        ..Terms::default()
    }
}

fn copy(message: &Queued<'_>) -> Arc<Run> {
    let mut run = Run::new(message.topic.clone(), 0);
    run.push_copy(message, message.qos, true);
    Arc::new(run)
}

/// What every topic begins with that matches `pattern`.
fn literal_prefix(pattern: &str) -> &str {
    let wildcard = pattern.find(['+', '#']).unwrap_or(pattern.len());
    let prefix = &pattern[..wildcard];
    // `a/#` matches `a` too.
    match pattern[wildcard..].starts_with('#') {
        true => prefix.strip_suffix('/').unwrap_or(prefix),
        false => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::QoS, message::NEVER, store};

    struct Setting {
        retained: Retained,
        store: Store,
        folder: tempfile::TempDir,
    }

    fn setting(limits: &Limits) -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let store = store::tests::open(folder.path());
        Setting {
            retained: Retained::load(&store, limits).unwrap(),
            store,
            folder,
        }
    }

    impl Setting {
        fn set(&self, topic: &str, payload: &str, expires_at: u64) {
            let topic = TopicName::parse(topic.to_owned()).unwrap();
            self.retained.set(&Queued {
                topic: &topic,
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: b"",
                payload: payload.as_bytes(),
                expires_at,
            });
            let transaction = self.store.transaction();
            self.retained
                .write(&[topic], transaction, &self.store)
                .unwrap();
        }

        fn found(&self, filter: &str, now: u64) -> Vec<String> {
            self.found_until(self.retained.last_change(), filter, now)
        }

        fn found_until(&self, until: u64, filter: &str, now: u64) -> Vec<String> {
            let mut cursor = Cursor {
                filter: filter.parse().unwrap(),
                terms: Terms::default(),
                after: ByteString::new(),
                until,
            };
            let mut topics = Vec::new();
            while let Some(deliveries) = self.retained.next(&mut cursor, now) {
                topics.extend(
                    deliveries
                        .iter()
                        .map(|delivery| delivery.run.topic.to_string()),
                );
            }
            topics
        }
    }

    #[test]
    fn all_that_match_are_found_however_many_they_are() {
        let setting = setting(&Limits::default());
        for number in 0..2_500 {
            setting.set(&format!("a/{number:04}/x"), "1", NEVER);
            setting.set(&format!("b/{number:04}/x"), "1", NEVER);
        }
        assert_eq!(setting.found("a/#", 0).len(), 2_500);
        assert_eq!(setting.found("+/+/x", 0).len(), 5_000);
        assert_eq!(setting.found("+/0007/x", 0), ["a/0007/x", "b/0007/x"]);
        assert_eq!(setting.found("a/0007/x", 0), ["a/0007/x"]);
        assert_eq!(setting.found("c/#", 0), [""; 0]);
    }

    #[test]
    fn a_filter_finds_its_parent_and_no_neighbour() {
        let setting = setting(&Limits::default());
        for topic in ["a", "a/b", "ab", "a!", "$a/b"] {
            setting.set(topic, "1", NEVER);
        }
        assert_eq!(setting.found("a/#", 0), ["a", "a/b"]);
        assert_eq!(setting.found("#", 0), ["a", "a!", "a/b", "ab"]);
        assert_eq!(setting.found("$a/+", 0), ["$a/b"]);
    }

    #[test]
    fn a_message_that_comes_behind_a_subscription_is_left_to_come_by_itself() {
        let setting = setting(&Limits::default());
        for topic in ["changed", "kept"] {
            setting.set(topic, "before", NEVER);
        }
        for (filter, found) in [("#", &["kept"][..]), ("kept", &["kept"]), ("changed", &[])] {
            let until = setting.retained.last_change();
            setting.set("changed", "behind", NEVER);
            setting.set("new", "behind", NEVER);
            assert_eq!(setting.found_until(until, filter, 0), found, "{filter}");
        }
    }

    #[test]
    fn an_empty_payload_and_the_end_of_its_time_remove_a_message() {
        let setting = setting(&Limits::default());
        setting.set("gone", "1", NEVER);
        setting.set("gone", "", NEVER);
        setting.set("short", "1", 1_000);
        assert_eq!(setting.found("#", 999), ["short"]);
        assert_eq!(setting.found("#", 1_000), [""; 0]);
        assert_eq!(setting.found("short", 1_000), [""; 0]);
        assert_eq!(setting.retained.expire(1_000).len(), 1);
        assert_eq!(setting.retained.len(), 0);
        let messages = setting.retained.messages.read();
        assert_eq!((messages.kept, messages.bytes), (0, 0));
    }

    #[test]
    fn what_was_retained_comes_back_from_the_store() {
        let setting = setting(&Limits::default());
        setting.set("a", "first", NEVER);
        setting.set("a", "second", NEVER);
        setting.set("b", "1", NEVER);
        setting.set("b", "", NEVER);
        let Setting {
            retained,
            store,
            folder,
        } = setting;
        drop(retained);
        store.close().unwrap();
        let store = store::tests::open(folder.path());
        let retained = Retained::load(&store, &Limits::default()).unwrap();
        let messages = retained.messages.read();
        let found: Vec<_> = messages
            .topics
            .iter()
            .map(|(topic, entry)| (topic.to_string(), entry.run.get(0).payload.to_vec()))
            .collect();
        assert_eq!(found, [("a".to_owned(), b"second".to_vec())]);
    }

    #[test]
    fn there_are_bounds_that_a_message_in_place_of_another_keeps() {
        let setting = setting(&Limits {
            max_retained_messages: 1,
            max_retained_bytes: 1_000,
            ..Limits::default()
        });
        let topic = |text: &str| TopicName::parse(text.to_owned()).unwrap();
        assert!(!setting.retained.has_room(&topic("a"), 1_000));
        setting.set("a", "1", NEVER);
        assert!(!setting.retained.has_room(&topic("b"), 1));
        assert!(setting.retained.has_room(&topic("a"), 600));
    }
}
