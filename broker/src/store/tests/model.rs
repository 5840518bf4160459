//! The store against a plain model: whatever is appended, settled and reopened in whatever
//! order, what is left is what the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use proptest::prelude::*;

use super::*;

const QUEUES: usize = 3;

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
}

impl Model {
    fn head(&self) -> u64 {
        (0..).find(|at| !self.settled.contains(at)).unwrap_or(0)
    }

    fn settle(&mut self, range: Range<u64>) {
        let end = self.lengths.len() as u64;
        self.settled.extend(range.start..range.end.min(end));
    }

    /// Settlements beyond the head are in memory only.
    fn reopen(&mut self) {
        let head = self.head();
        self.settled.retain(|at| *at < head);
    }

    fn records(&self) -> BTreeMap<u64, usize> {
        let lengths = self.lengths.iter().enumerate();
        lengths
            .map(|(at, length)| (at as u64, *length))
            .filter(|(at, _)| *at >= self.head())
            .collect()
    }
}

/// The store, the queues of it and the folder that it is in.
struct Subject {
    folder: tempfile::TempDir,
    store: Store,
    queues: Vec<Queue>,
    last: Ticket,
}

impl Subject {
    fn open(folder: tempfile::TempDir) -> Subject {
        let store = Store::open(StoreConfig {
            // So little that memtables are written out in the middle.
            memory: 200_000,
            ..config(folder.path())
        })
        .unwrap();
        let queues = (0..QUEUES)
            .map(|index| durable(&store, &index.to_string()))
            .collect();
        Subject {
            folder,
            store,
            queues,
            last: Ticket::DONE,
        }
    }

    fn commit(&self) {
        wait(&self.store, self.last);
    }

    fn reopen(self) -> Subject {
        let Subject {
            folder,
            store,
            queues,
            ..
        } = self;
        store.close().unwrap();
        drop(queues);
        Subject::open(folder)
    }

    fn kill(self) -> Subject {
        let copy = tempfile::tempdir().unwrap();
        self.commit();
        copy_folder(self.folder.path(), copy.path());
        Subject::open(copy)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_a_plain_model(steps in steps()) {
        let mut subject = Subject::open(tempfile::tempdir().unwrap());
        let mut models = vec![Model::default(); QUEUES];
        for step in steps {
            match step {
                Step::Append { queue, lengths } => {
                    let mut transaction = subject.store.transaction();
                    for length in lengths {
                        let fill = models[queue].lengths.len() as u8;
                        transaction
                            .append(&subject.queues[queue], |buffer| {
                                buffer.resize(buffer.len() + length, fill);
                            })
                            .unwrap();
                        models[queue].lengths.push(length);
                    }
                    subject.last = subject.store.submit(transaction).unwrap();
                }
                Step::Settle { queue, start, length } => {
                    // What is not committed cannot be settled.
                    subject.commit();
                    let start = models[queue].head().saturating_sub(5) + start;
                    let range = start..start + length;
                    let mut transaction = subject.store.transaction();
                    transaction.settle(&subject.queues[queue], range.clone());
                    subject.last = subject.last.max(subject.store.submit(transaction).unwrap());
                    models[queue].settle(range);
                }
                Step::Abandon { queue } => {
                    let mut transaction = subject.store.transaction();
                    transaction.append(&subject.queues[queue], |buffer| buffer.push(9)).unwrap();
                }
                Step::Remove { queue } => {
                    let removed = subject.store.remove(&subject.queues[queue]).unwrap();
                    subject.last = subject.last.max(removed);
                    subject.queues[queue] = durable(&subject.store, &queue.to_string());
                    models[queue] = Model::default();
                }
                Step::Commit => subject.commit(),
                Step::Reopen => {
                    subject = subject.reopen();
                    models.iter_mut().for_each(Model::reopen);
                }
                Step::Kill => {
                    subject = subject.kill();
                    models.iter_mut().for_each(Model::reopen);
                }
            }
            for (queue, model) in subject.queues.iter().zip(&models) {
                prop_assert_eq!(queue.head(), model.head());
                let left = model.lengths.len() - model.settled.len();
                prop_assert_eq!(queue.records(), left as u64);
            }
        }
        subject.commit();
        for (queue, model) in subject.queues.iter().zip(&models) {
            let records = contents(queue);
            let lengths: BTreeMap<_, _> =
                records.iter().map(|(at, record)| (*at, record.len())).collect();
            prop_assert_eq!(lengths, model.records());
            prop_assert!(records.iter().all(|(at, record)| record.iter().all(|byte| *byte == *at as u8)));
            let bytes: usize = model.records().values().map(|length| length + 4).sum();
            prop_assert_eq!(queue.bytes(), bytes as u64);
        }
    }
}
