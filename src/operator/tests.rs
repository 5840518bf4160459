//! Dead letters on a real store: what is done stays done, and nothing else is touched.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Mutex as Lock,
};

use perennial_broker::store::{
    Durability, QueueKind, QueueLimits, StoreConfig, StoreError, WhenFull,
};
use perennial_connectors::RecordRef;
use tempfile::TempDir;

use super::*;
use crate::{
    delivery::operator::queue_name,
    record::{self, DeadLetterRef, DeadRecord},
};

const UNLIMITED: QueueLimits = QueueLimits {
    records: u64::MAX,
    bytes: u64::MAX,
    when_full: WhenFull::Refuse,
};

/// A store with the dead letters of the connector `c`, and queues with limits of their own.
struct House {
    folder: TempDir,
    store: Store,
    operator: Arc<Operator>,
}

struct Queues(Store, Lock<HashMap<String, Terms>>);

impl Destinations for Queues {
    fn find(&self, connector: &str, destination: &str) -> Result<Target, NoWay> {
        if destination == "nowhere" {
            return Err(NoWay::Never("there is no such place".to_owned()));
        }
        let terms = self.1.lock().unwrap();
        let terms = terms.get(destination).copied().unwrap_or(Terms::NONE);
        let name = queue_name(connector, destination);
        let queue = self.0.queue(&name, QueueKind::Durable, UNLIMITED);
        Ok(Target {
            queue: queue.unwrap(),
            lane: None,
            terms,
        })
    }
}

fn open(path: &Path) -> Store {
    let config = StoreConfig {
        path: path.to_owned(),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    };
    Store::open(config).unwrap()
}

impl House {
    fn new() -> Self {
        Self::with_terms([])
    }

    fn with_terms<const N: usize>(terms: [(&str, Terms); N]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let terms = terms.map(|(name, terms)| (name.to_owned(), terms));
        let queues = Queues(store.clone(), Lock::new(terms.into()));
        let operator = Operator::new(store.clone(), Arc::new(queues));
        Self {
            folder,
            store,
            operator: Arc::new(operator),
        }
    }

    /// The same store, closed and opened again.
    fn reopened(self) -> Self {
        let Self {
            folder,
            store,
            operator,
        } = self;
        drop(operator);
        store.close().unwrap();
        let store = open(folder.path());
        let queues = Queues(store.clone(), Lock::default());
        let operator = Arc::new(Operator::new(store.clone(), Arc::new(queues)));
        Self {
            folder,
            store,
            operator,
        }
    }

    fn letters(&self) -> Queue {
        let opened = self.store.queue("d/c", QueueKind::Durable, UNLIMITED);
        opened.unwrap()
    }

    /// Adds letters, each with its number as its payload and what `describe` says: destination,
    /// code and bytes of filling. Those without a destination are corrupt.
    async fn fill(
        &self,
        numbers: std::ops::Range<u64>,
        describe: impl Fn(u64) -> (&'static str, &'static str, usize),
    ) {
        let numbers: Vec<_> = numbers.collect();
        for numbers in numbers.chunks(40) {
            let mut transaction = self.store.transaction();
            for &number in numbers {
                let (destination, code, filling) = describe(number);
                let payload = number.to_string() + &" ".repeat(filling);
                let record = RecordRef {
                    id: &format!("r-{number}"),
                    topic: "t/1",
                    client_id: "device",
                    time: 7,
                    payload: payload.as_bytes(),
                };
                let letter = DeadLetterRef {
                    destination,
                    code,
                    message: "why",
                    when: 1_000 + number,
                    attempts: 2,
                    record: DeadRecord::Whole(record),
                };
                let write = |buffer: &mut Vec<u8>| match destination {
                    "" => buffer.extend_from_slice(b"\xffnonsense"),
                    _ => record::write_dead_letter(buffer, &letter),
                };
                transaction.append(&self.letters(), write).unwrap();
            }
            let ticket = self.store.submit(transaction).unwrap();
            self.store.durable().reached(ticket).await.unwrap();
        }
    }

    async fn change(&self, selection: Selection, change: Change<'_>) -> Report {
        self.operator.change(&selection, change).await.unwrap()
    }

    /// The letters, page by page of `limit`.
    async fn list(&self, filter: Filter, limit: usize) -> Vec<LetterRow> {
        let (mut letters, mut after) = (Vec::new(), None);
        loop {
            let request = ListRequest {
                filter: filter.clone(),
                after,
                limit: Some(limit),
            };
            let page = self.operator.list(&request).await.unwrap();
            assert!(page.letters.len() <= limit);
            letters.extend(page.letters);
            after = page.next;
            if after.is_none() {
                return letters;
            }
        }
    }

    /// The numbers of the letters that are kept.
    async fn numbers(&self) -> BTreeSet<u64> {
        let letters = self.list(Filter::default(), 500).await;
        let numbers: BTreeSet<_> = letters.iter().map(number).collect();
        assert_eq!(numbers.len(), letters.len(), "a letter is there twice");
        numbers
    }

    /// What waits for a destination, by payload.
    fn queued(&self, destination: &str) -> Vec<String> {
        let name = queue_name("c", destination);
        let Some(queue) = self.store.find(&name) else {
            return Vec::new();
        };
        let mut reader = queue.reader();
        let mut payloads = Vec::new();
        while let Some(block) = reader.try_next().unwrap() {
            for (_, bytes) in block.records() {
                let record = record::read(bytes).unwrap();
                payloads.push(String::from_utf8(record.payload.to_vec()).unwrap());
            }
        }
        payloads
    }
}

fn number(letter: &LetterRow) -> u64 {
    let id = letter.record_id.as_deref().unwrap();
    id.strip_prefix("r-").unwrap().parse().unwrap()
}

fn id(sequence: u64) -> LetterId {
    LetterId {
        connector: "c".to_owned(),
        sequence,
    }
}

fn reason(code: &str) -> Selection {
    Selection {
        filter: Filter {
            reason: Some(code.to_owned()),
            ..Filter::default()
        },
        ..Selection::default()
    }
}

const REPLAY: Change<'_> = Change::Replay { to: None };

/// Every third is bad.
fn thirds(number: u64) -> (&'static str, &'static str, usize) {
    (
        "d",
        if number.is_multiple_of(3) {
            "Bad"
        } else {
            "Other"
        },
        10,
    )
}

#[tokio::test]
async fn what_is_dropped_by_a_filter_stays_gone_and_the_rest_stays() {
    let house = House::new();
    house.fill(0..5_000, thirds).await;
    let report = house.change(reason("Bad"), Change::Drop).await;
    assert_eq!((report.done, report.stopped), (1_667, None));
    let kept: BTreeSet<_> = (0..5_000).filter(|number| number % 3 != 0).collect();
    assert_eq!(house.numbers().await, kept);
    assert_eq!(house.letters().records(), kept.len() as u64);
    // More ranges than these would not be remembered after a crash.
    assert!(house.letters().gaps() <= 1_024);
    let house = house.reopened();
    assert_eq!(house.numbers().await, kept);
    assert_eq!(house.letters().records(), kept.len() as u64);
}

#[tokio::test]
async fn letters_keep_their_names_wherever_they_are_moved() {
    let house = House::new();
    house.fill(0..3_000, thirds).await;
    let names: BTreeMap<_, _> = house
        .list(Filter::default(), 500)
        .await
        .iter()
        .map(|letter| (number(letter), letter.id.clone()))
        .collect();
    let before = house.letters().bytes();
    // All but the first ten and every hundredth.
    let dropped = (10..3_000).filter(|number| number % 100 != 0);
    let selection = Selection {
        ids: dropped.map(|number| names[&number].clone()).collect(),
        ..Selection::default()
    };
    assert_eq!(house.change(selection, Change::Drop).await.done, 2_961);
    assert!(
        house.letters().bytes() * 20 < before,
        "the room is given back"
    );
    let house = house.reopened();
    let letters = house.list(Filter::default(), 7).await;
    assert_eq!(letters.len(), 39);
    for letter in letters {
        assert_eq!(letter.id, names[&number(&letter)]);
        let shown = house.operator.show(&letter.id).await.unwrap().unwrap();
        assert_eq!(shown.row, letter);
        assert_eq!(
            shown.payload().trim_ascii(),
            number(&letter).to_string().as_bytes()
        );
    }
    assert_eq!(house.operator.show(&id(55)).await.unwrap(), None);
    let selection = Selection {
        ids: vec![id(300), id(55)],
        ..Selection::default()
    };
    let report = house.change(selection, Change::Drop).await;
    assert_eq!((report.done, report.missing), (1, vec![id(55)]));
}

#[tokio::test]
async fn a_letter_that_is_sent_again_is_in_its_queue_and_nowhere_else() {
    let house = House::new();
    house
        .fill(0..300, |number| match number % 2 {
            0 => ("even", "Bad", 0),
            _ => ("odd", "Bad", 0),
        })
        .await;
    let limited = Selection {
        limit: Some(100),
        ..Selection::default()
    };
    assert_eq!(house.change(limited, REPLAY).await.done, 100);
    let to = Change::Replay { to: Some("third") };
    let odd = Selection {
        filter: Filter {
            destination: Some("odd".to_owned()),
            since: Some(1_250),
            until: Some(1_260),
            ..Filter::default()
        },
        ..Selection::default()
    };
    assert_eq!(house.change(odd, to).await.done, 5);
    let house = house.reopened();
    let of = |numbers: std::ops::Range<u64>, rest: u64| -> Vec<String> {
        let numbers = numbers.filter(|number| number % 2 == rest);
        numbers.map(|number| number.to_string()).collect()
    };
    assert_eq!(house.queued("even"), of(0..100, 0));
    assert_eq!(house.queued("odd"), of(0..100, 1));
    assert_eq!(house.queued("third"), of(250..260, 1));
    let kept = (100..300).filter(|number| !(250..260).contains(number) || number % 2 == 0);
    assert_eq!(house.numbers().await, kept.collect());
}

#[tokio::test]
async fn a_full_queue_ends_it_and_what_was_done_is_done() {
    let by_records = Terms {
        records: 70,
        ..Terms::NONE
    };
    // A record of one digit has 39 bytes in its queue, one of two digits 41.
    let by_bytes = Terms {
        bytes: 10 * 39 + 20 * 41,
        ..Terms::NONE
    };
    for (terms, done) in [(by_records, 70), (by_bytes, 30)] {
        let house = House::with_terms([("d", terms)]);
        house.fill(0..100, thirds).await;
        let report = house.change(Selection::default(), REPLAY).await;
        let stopped = format!("c/{done}: the queue of d is full");
        assert_eq!((report.done, report.stopped), (done, Some(stopped)));
        assert_eq!(house.queued("d").len() as u64, done);
        assert_eq!(house.numbers().await, (done..100).collect());
    }
}

#[tokio::test]
async fn a_record_that_would_be_given_up_for_its_age_stays_a_dead_letter() {
    let terms = Terms {
        max_age: Some(Duration::from_secs(3_600)),
        ..Terms::NONE
    };
    let house = House::with_terms([("d", terms)]);
    house.fill(0..3, thirds).await;
    let report = house.change(Selection::default(), REPLAY).await;
    assert_eq!((report.done, report.skipped), (0, 3));
    assert!(report.skipped_because.unwrap().contains("max_age"));
    assert_eq!(house.numbers().await, [0, 1, 2].into());
}

#[tokio::test]
async fn what_cannot_be_sent_is_passed_over_and_can_be_shown_and_dropped() {
    let house = House::new();
    house
        .fill(0..4, |number| match number {
            0 => ("", "", 0),
            1 => ("nowhere", "Bad", 0),
            _ => ("d", "Bad", 0),
        })
        .await;
    let report = house.change(Selection::default(), REPLAY).await;
    assert_eq!((report.done, report.skipped), (2, 2));
    let because = report.skipped_because.unwrap();
    assert_eq!(
        because,
        "c/0: it cannot be read: format version 255 is not known"
    );
    let shown = house.operator.show(&id(0)).await.unwrap().unwrap();
    assert_eq!(shown.payload(), b"\xffnonsense");
    assert_eq!(shown.row.code, "CorruptDeadLetter");
    let dropped = house
        .change(reason("CorruptDeadLetter"), Change::Drop)
        .await;
    assert_eq!(dropped.done, 1);
    assert_eq!(house.operator.show(&id(0)).await.unwrap(), None);
    assert_eq!(house.numbers().await, [1].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_send_the_same_letters_again_send_each_once() {
    let house = House::new();
    house.fill(0..2_000, thirds).await;
    let mut both = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let operator = Arc::clone(&house.operator);
        both.spawn(async move { operator.change(&Selection::default(), REPLAY).await });
    }
    let reports: Vec<Result<Report, StoreError>> = both.join_all().await;
    let done: u64 = reports
        .iter()
        .map(|report| report.as_ref().unwrap().done)
        .sum();
    assert_eq!(done, 2_000);
    assert_eq!(house.queued("d").len(), 2_000);
    assert_eq!(house.letters().records(), 0);
}

#[tokio::test]
async fn a_record_that_dies_again_meanwhile_is_not_sent_again_by_the_same_request() {
    /// Whoever looks for the way adds a dead letter, as a worker does.
    struct Deadly(Store, Queues);

    impl Destinations for Deadly {
        fn find(&self, connector: &str, destination: &str) -> Result<Target, NoWay> {
            let letters = self.0.find("d/c").unwrap();
            let mut transaction = self.0.transaction();
            let mut reader = letters.reader();
            let block = reader.try_next().unwrap().unwrap();
            let (_, letter) = block.records().next().unwrap();
            let write = |buffer: &mut Vec<u8>| buffer.extend_from_slice(&letter);
            transaction.append(&letters, write).unwrap();
            self.0.submit(transaction).unwrap();
            self.1.find(connector, destination)
        }
    }

    let house = House::new();
    house.fill(0..3_000, |_| ("d", "Bad", 100)).await;
    let queues = Queues(house.store.clone(), Lock::default());
    let deadly = Deadly(house.store.clone(), queues);
    let operator = Operator::new(house.store.clone(), Arc::new(deadly));
    let report = operator
        .change(&Selection::default(), REPLAY)
        .await
        .unwrap();
    assert_eq!(report.done, 3_000);
    assert!(house.letters().records() >= 5);
}

#[tokio::test]
async fn pages_have_every_letter_once_and_only_those_asked_for() {
    let house = House::new();
    house.fill(0..1_200, thirds).await;
    let selection = Selection {
        filter: Filter {
            since: Some(1_100),
            until: Some(1_300),
            ..Filter::default()
        },
        ..Selection::default()
    };
    house.change(selection, Change::Drop).await;
    let filter = Filter {
        connector: Some("c".to_owned()),
        reason: Some("Bad".to_owned()),
        ..Filter::default()
    };
    let wanted: Vec<_> = (0..1_200)
        .filter(|number| number % 3 == 0 && !(100..300).contains(number))
        .collect();
    for limit in [1, 7, 500] {
        let listed = house.list(filter.clone(), limit).await;
        let mut numbers: Vec<_> = listed.iter().map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, wanted, "pages of {limit}");
    }
    let other = Filter {
        connector: Some("other".to_owned()),
        ..Filter::default()
    };
    assert_eq!(house.list(other, 500).await, []);
}

#[tokio::test]
async fn queues_of_a_store_tell_how_many_wait_and_since_when() {
    let house = House::new();
    house.fill(0..10, thirds).await;
    let limited = Selection {
        limit: Some(4),
        ..Selection::default()
    };
    house.change(limited, REPLAY).await;
    let queues = house.operator.queues(None).await.unwrap();
    assert!(!queues.running);
    let [queue] = &queues.queues[..] else {
        panic!("{queues:?}");
    };
    let found = (
        &*queue.connector,
        &*queue.destination,
        queue.records,
        queue.oldest,
    );
    assert_eq!(found, ("c", "d", 4, Some(7)));
    let [letters] = &queues.dead_letters[..] else {
        panic!("{queues:?}");
    };
    assert_eq!((&*letters.connector, letters.records), ("c", 6));
}
