//! The store against a plain model: whatever is appended, settled, put and reopened in whatever
//! order, what is left is what the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use proptest::prelude::*;

use super::*;

const QUEUES: usize = 3;
/// The queue that drops its oldest records.
const DROPPING: usize = 2;
const LIMITS: QueueLimits = QueueLimits {
    records: 7,
    bytes: 250_000,
    when_full: WhenFull::DropOldest,
};

#[derive(Clone, Debug)]
enum Step {
    Append {
        queue: usize,
        lengths: Vec<usize>,
    },
    Settle {
        queue: usize,
        start: u64,
        length: u64,
    },
    Abandon {
        queue: usize,
    },
    Remove {
        queue: usize,
    },
    Change {
        key: u8,
        /// None deletes.
        length: Option<usize>,
        lazily: bool,
    },
    Commit,
    Reopen,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let queue = 0..QUEUES;
    let lengths = prop::collection::vec(
        prop_oneof![9 => 0usize..50, 1 => 100_000usize..300_000],
        1..6,
    );
    let step = prop_oneof![
        8 => (queue.clone(), lengths).prop_map(|(queue, lengths)| Step::Append { queue, lengths }),
        8 => (queue.clone(), 0u64..40, 0u64..12)
            .prop_map(|(queue, start, length)| Step::Settle { queue, start, length }),
        1 => queue.clone().prop_map(|queue| Step::Abandon { queue }),
        1 => queue.prop_map(|queue| Step::Remove { queue }),
        3 => (0u8..5, prop::option::of(0usize..2000), any::<bool>())
            .prop_map(|(key, length, lazily)| Step::Change { key, length, lazily }),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a queue should be.
#[derive(Clone, Default)]
struct Model {
    /// The length of each record ever appended.
    lengths: Vec<usize>,
    settled: BTreeSet<u64>,
    dropped: u64,
}

impl Model {
    fn head(&self) -> u64 {
        (0..).find(|at| !self.settled.contains(at)).unwrap_or(0)
    }

    fn settle(&mut self, range: Range<u64>) {
        let end = self.lengths.len() as u64;
        self.settled.extend(range.start..range.end.min(end));
    }

    fn left(&self) -> u64 {
        (self.lengths.len() - self.settled.len()) as u64
    }

    /// What the queue holds from the head to the end.
    fn bytes(&self) -> u64 {
        self.records()
            .values()
            .map(|length| *length as u64 + 4)
            .sum()
    }

    /// Drops the oldest records until the limits hold.
    fn make_room(&mut self) {
        while self.left() > LIMITS.records || self.bytes() > LIMITS.bytes {
            self.settled.insert(self.head());
            self.dropped += 1;
        }
    }

    fn records(&self) -> BTreeMap<u64, usize> {
        let lengths = self.lengths.iter().enumerate();
        lengths
            .map(|(at, length)| (at as u64, *length))
            .filter(|(at, _)| *at >= self.head())
            .collect()
    }
}

/// The store, the queues of it and the folder that it is in, which goes last: a database that
/// is still open would write into it again.
struct Subject {
    store: Store,
    queues: Vec<Queue>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    last: Ticket,
    folder: tempfile::TempDir,
}

impl Subject {
    fn open(folder: tempfile::TempDir) -> Subject {
        let store = Store::open(StoreConfig {
            // So little that memtables are written out in the middle.
            memory: 200_000,
            ..config(folder.path())
        })
        .unwrap();
        let queues = (0..QUEUES).map(|index| queue(&store, index)).collect();
        Subject {
            store,
            queues,
            entries: BTreeMap::new(),
            last: Ticket::DONE,
            folder,
        }
    }

    fn submit(&mut self, transaction: Transaction) {
        self.last = self.last.max(self.store.submit(transaction).unwrap());
    }

    fn commit(&self) {
        wait(&self.store, self.last);
    }

    fn reopen(self) -> Subject {
        let Subject {
            store,
            queues,
            entries,
            folder,
            ..
        } = self;
        store.close().unwrap();
        drop(queues);
        Subject {
            entries,
            ..Subject::open(folder)
        }
    }

    fn kill(self) -> Subject {
        let copy = tempfile::tempdir().unwrap();
        self.commit();
        copy_folder(self.folder.path(), copy.path());
        Subject {
            entries: self.entries,
            ..Subject::open(copy)
        }
    }

    fn found(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut found = BTreeMap::new();
        let visit = |key: &[u8], value: &[u8]| {
            found.insert(key.to_vec(), value.to_vec());
        };
        self.store.entries(b"", visit).unwrap();
        found
    }
}

fn queue(store: &Store, index: usize) -> Queue {
    let limits = if index == DROPPING { LIMITS } else { UNLIMITED };
    let name = index.to_string();
    store.queue(&name, QueueKind::Durable, limits).unwrap()
}

/// Waits until `queue` holds as many bytes as it should, which can take a commit more.
fn holds(queue: &Queue, bytes: u64) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while queue.bytes() != bytes && Instant::now() < deadline {
        std::thread::yield_now();
    }
    queue.bytes() == bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_a_plain_model(steps in steps()) {
        let mut subject = Subject::open(tempfile::tempdir().unwrap());
        let mut models = vec![Model::default(); QUEUES];
        for step in steps {
            // What a queue drops is known when all is committed.
            if !matches!(step, Step::Append { .. } | Step::Abandon { .. } | Step::Change { .. }) {
                subject.commit();
                models[DROPPING].make_room();
            }
            match step {
                Step::Append { queue, lengths } => {
                    let mut transaction = subject.store.transaction();
                    for length in lengths {
                        let fill = models[queue].lengths.len() as u8;
                        let taken = transaction.append(&subject.queues[queue], |buffer| {
                            buffer.resize(buffer.len() + length, fill);
                        });
                        let fits = queue != DROPPING || length as u64 + 4 <= LIMITS.bytes;
                        prop_assert_eq!(taken.is_ok(), fits);
                        models[queue].lengths.extend(fits.then_some(length));
                    }
                    subject.submit(transaction);
                }
                Step::Settle { queue, start, length } => {
                    let start = models[queue].head().saturating_sub(5) + start;
                    let range = start..start + length;
                    let mut transaction = subject.store.transaction();
                    transaction.settle(&subject.queues[queue], range.clone());
                    subject.submit(transaction);
                    models[queue].settle(range);
                }
                Step::Abandon { queue } => {
                    let mut transaction = subject.store.transaction();
                    transaction.append(&subject.queues[queue], |buffer| buffer.push(9)).unwrap();
                }
                Step::Remove { queue: index } => {
                    let mut transaction = subject.store.transaction();
                    transaction.remove(&subject.queues[index]);
                    subject.submit(transaction);
                    subject.queues[index] = queue(&subject.store, index);
                    models[index] = Model::default();
                }
                Step::Change { key, length, lazily } => {
                    let key = [key];
                    let value = length.map(|length| vec![length as u8; length]);
                    let mut transaction = subject.store.transaction();
                    match (&value, lazily) {
                        (Some(value), false) => transaction.put(&key, value),
                        (Some(value), true) => transaction.put_lazily(&key, value),
                        (None, false) => transaction.delete(&key),
                        (None, true) => transaction.delete_lazily(&key),
                    }
                    subject.submit(transaction);
                    subject.entries.remove(&key[..]);
                    subject.entries.extend(value.map(|value| (key.to_vec(), value)));
                }
                Step::Commit => {}
                Step::Reopen => {
                    subject = subject.reopen();
                    models[DROPPING].dropped = 0;
                }
                Step::Kill => {
                    subject = subject.kill();
                    models[DROPPING].dropped = 0;
                }
            }
            for (index, (queue, model)) in subject.queues.iter().zip(&models).enumerate() {
                if index != DROPPING {
                    prop_assert_eq!(queue.head(), model.head());
                    prop_assert_eq!(queue.records(), model.left());
                }
            }
        }
        subject.commit();
        models[DROPPING].make_room();
        prop_assert_eq!(subject.found(), subject.entries.clone());
        for (queue, model) in subject.queues.iter().zip(&models) {
            let records = contents(queue);
            let lengths: BTreeMap<_, _> =
                records.iter().map(|(at, record)| (*at, record.len())).collect();
            prop_assert_eq!(lengths, model.records());
            prop_assert!(records.iter().all(|(at, record)| record.iter().all(|byte| *byte == *at as u8)));
            prop_assert!(holds(queue, model.bytes()), "{} and not {}", queue.bytes(), model.bytes());
            prop_assert_eq!((queue.head(), queue.records()), (model.head(), model.left()));
            prop_assert_eq!(queue.dropped(), model.dropped);
            for sequence in 0..model.lengths.len() as u64 {
                prop_assert_eq!(queue.is_settled(sequence), model.settled.contains(&sequence));
            }
        }
    }
}
