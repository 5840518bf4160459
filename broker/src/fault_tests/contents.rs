//! What a folder holds, as the next start finds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    store::{self, QueueKind, QueueLimits, Store, WhenFull},
    stored::{WillRecord, key, queue_name, read_message},
};

/// The queue of what the intake takes.
pub(super) const TAKEN: &str = "taken";

pub(super) const UNLIMITED: QueueLimits = QueueLimits {
    records: u64::MAX,
    bytes: u64::MAX,
    when_full: WhenFull::Refuse,
};

/// What there is of sessions, messages and wills; payloads are texts.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) sessions: BTreeSet<String>,
    /// Client and filter.
    pub(super) subscriptions: BTreeSet<(String, String)>,
    /// Client and packet identifier of publishes at QoS 2 that were received.
    pub(super) received: BTreeSet<(String, u16)>,
    /// Client and place of messages at QoS 2 that the client has.
    pub(super) released: BTreeSet<(String, u64)>,
    /// By client.
    pub(super) wills: BTreeMap<String, String>,
    /// By topic.
    pub(super) retained: BTreeMap<String, String>,
    /// The messages in the queue of each client.
    pub(super) queued: BTreeMap<String, Vec<String>>,
    /// What the intake took.
    pub(super) taken: BTreeSet<String>,
}

impl Contents {
    pub(super) fn read(folder: &Path, clients: &[String]) -> Contents {
        let store = store::tests::open(folder);
        let mut contents = Contents::default();
        store
            .entries(&[], |key, value| contents.take(key, value))
            .unwrap();
        for client in clients {
            let records = unsettled(&store, &queue_name(client));
            let messages = records.iter().map(|record| payload(record)).collect();
            contents.queued.insert(client.clone(), messages);
        }
        let taken = unsettled(&store, TAKEN).into_iter();
        contents.taken = taken.map(text).collect();
        contents
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        let of_client = || {
            let (client, rest) = key::client_and_rest(key).unwrap();
            (client.to_owned(), rest)
        };
        let rest = || key::text(key).unwrap().to_owned();
        match key[0] {
            key::SESSION => {
                self.sessions.insert(rest());
            }
            key::SUBSCRIPTION => {
                let (client, filter) = of_client();
                self.subscriptions.insert((client, text(filter.to_vec())));
            }
            key::RECEIVED => {
                let (client, id) = of_client();
                let id = u16::from_be_bytes(id.try_into().unwrap());
                self.received.insert((client, id));
            }
            key::RELEASED => {
                let (client, place) = of_client();
                let place = u64::from_be_bytes(place.try_into().unwrap());
                self.released.insert((client, place));
            }
            key::WILL => {
                let record = WillRecord::decode(value).unwrap();
                self.wills.insert(rest(), text(record.will.payload));
            }
            key::RETAINED => {
                self.retained.insert(rest(), payload(value));
            }
            _ => {}
        }
    }
}

fn unsettled(store: &Store, name: &str) -> Vec<Vec<u8>> {
    let queue = store.queue(name, QueueKind::Durable, UNLIMITED).unwrap();
    let mut reader = queue.reader();
    let mut records = Vec::new();
    while let Some(block) = reader.try_next().unwrap() {
        let left = block.records().filter(|(at, _)| !queue.is_settled(*at));
        records.extend(left.map(|(_, record)| record.to_vec()));
    }
    records
}

fn payload(record: &[u8]) -> String {
    let message = read_message(record, None).unwrap();
    text(message.run.get(0).payload.to_vec())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
