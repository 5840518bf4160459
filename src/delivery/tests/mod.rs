//! Workers against the real store in a temporary folder, and an upstream that does as it is told.

mod failures;
mod lanes;
mod order;
mod restarts;
mod speed;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use perennial_broker::store::{
    Durability, QueueKind, QueueLimits, Store, StoreConfig, Ticket, WhenFull,
};
use perennial_connectors::{
    Accepted, Attempt, Batch, BatchLimits, Contract, DeliverySettings, FailureClass, Outcome,
    Publish, Record, RecordRef, Rejection, Report, SendError, Status, Upstream,
};
use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Connector, ConnectorSettings, Counts, Delivery, Lane, Retry, StatusSink};
use crate::record::{self, DeadLetter};

const MAIN: &str = "main";

/// One connector named `main` with everything around it.
struct House {
    delivery: Delivery,
    connector: Arc<Connector>,
    store: Store,
    upstream: Arc<Script>,
    statuses: Arc<Statuses>,
    folder: TempDir,
}

/// What a test wants to be otherwise than usual.
struct Plan {
    limits: BatchLimits,
    linger: Duration,
    queue_records: u64,
    settings: ConnectorSettings,
}

impl Default for Plan {
    /// Batches of up to three records, one request at a time, hardly any waiting.
    fn default() -> Self {
        Plan {
            limits: BatchLimits {
                records: 3,
                bytes: 1000,
                record_bytes: 500,
                in_flight: 16,
                linger: None,
            },
            linger: Duration::from_millis(5),
            queue_records: 100_000,
            settings: ConnectorSettings {
                in_flight: Some(1),
                retry: Retry {
                    initial: Duration::from_millis(1),
                    max: Duration::from_millis(4),
                },
                ..ConnectorSettings::default()
            },
        }
    }
}

impl House {
    fn new(plan: Plan) -> House {
        House::scripted(plan, |_, _| Reply::deliver())
    }

    /// With an upstream that answers the requests as `answer` says; they count from zero.
    fn scripted(plan: Plan, answer: impl FnMut(usize, &Batch) -> Reply + Send + 'static) -> House {
        let folder = tempfile::tempdir().unwrap();
        House::in_folder(folder, plan, answer)
    }

    fn in_folder(
        folder: TempDir,
        plan: Plan,
        answer: impl FnMut(usize, &Batch) -> Reply + Send + 'static,
    ) -> House {
        let store = open_store(folder.path());
        let upstream = Arc::new(Script {
            limits: plan.limits,
            answer: Mutex::new(Box::new(answer)),
            log: Mutex::default(),
            released: watch::Sender::new(false),
        });
        let statuses = Arc::new(Statuses::default());
        let connector = Arc::new(Connector {
            name: MAIN.to_owned(),
            contract: Box::new(Echo {
                linger: plan.linger,
                queue_records: plan.queue_records,
            }),
            upstream: Box::new(Remote(Arc::clone(&upstream))),
            settings: plan.settings,
        });
        let delivery = Delivery::start(
            store.clone(),
            vec![Arc::clone(&connector)],
            statuses.clone(),
        )
        .unwrap();
        House {
            delivery,
            connector,
            store,
            upstream,
            statuses,
            folder,
        }
    }

    fn lane(&self, destination: &str) -> Result<Arc<Lane>, Rejection> {
        self.delivery.lane(&self.connector, destination)
    }

    /// Appends a record for each id in one transaction.
    fn append(&self, destination: &str, ids: impl IntoIterator<Item = impl ToString>) -> Ticket {
        let records = ids.into_iter().map(|id| (id.to_string(), 10));
        self.append_sized(destination, records)
    }

    /// Appends a record for each id and size of payload in one transaction.
    fn append_sized(
        &self,
        destination: &str,
        records: impl IntoIterator<Item = (String, usize)>,
    ) -> Ticket {
        let lane = self.lane(destination).unwrap();
        let mut transaction = self.store.transaction();
        for (id, size) in records {
            transaction
                .append(&lane.queue, |buf| write(buf, &id, size))
                .unwrap();
            lane.counters.accepted(1);
        }
        self.store.submit(transaction).unwrap()
    }

    fn counts(&self) -> Counts {
        self.delivery.counts()
    }

    /// Waits until no record is in a queue, and checks that each ended in one place.
    async fn settled(&self) -> Counts {
        until("all records are settled", || self.counts().queued == 0).await;
        // The counters move after the queue does.
        until("the counts add up", || adds_up(self.counts())).await;
        self.counts()
    }

    fn dead_letters(&self) -> Vec<DeadLetter> {
        letters_in(&self.store)
    }

    /// Stops everything and gives back the folder.
    async fn close(self) -> TempDir {
        self.delivery.stop().await;
        self.store.clone().close().unwrap();
        self.folder
    }
}

fn adds_up(counts: Counts) -> bool {
    let Counts {
        accepted,
        delivered,
        dead,
        dropped,
        expired,
        queued,
        ..
    } = counts;
    accepted == delivered + dead + dropped + expired + queued
}

fn open_store(folder: &Path) -> Store {
    Store::open(StoreConfig {
        path: folder.to_owned(),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    })
    .unwrap()
}

fn any_limits() -> QueueLimits {
    QueueLimits {
        records: u64::MAX,
        bytes: u64::MAX,
        when_full: WhenFull::Refuse,
    }
}

/// Puts records into a queue of `main` as a run of the gateway before would have left them.
fn leave_behind(folder: &Path, queue: &str, ids: impl IntoIterator<Item = u32>) {
    let store = open_store(folder);
    let queue = store
        .queue(queue, QueueKind::Durable, any_limits())
        .unwrap();
    let mut transaction = store.transaction();
    for id in ids {
        transaction
            .append(&queue, |buf| write(buf, &id.to_string(), 10))
            .unwrap();
    }
    store.submit(transaction).unwrap();
    store.close().unwrap();
}

/// The ids of the records that lie in a queue.
fn ids_in(store: &Store, queue: &str) -> Vec<String> {
    let queue = store
        .queue(queue, QueueKind::Durable, any_limits())
        .unwrap();
    let mut reader = queue.reader();
    let mut ids = Vec::new();
    while let Some(block) = reader.try_next().unwrap() {
        ids.extend(
            block
                .records()
                .map(|(_, bytes)| record::read(bytes).unwrap().id.to_string()),
        );
    }
    ids
}

fn letters_in(store: &Store) -> Vec<DeadLetter> {
    let queue = store
        .queue("d/main", QueueKind::Durable, any_limits())
        .unwrap();
    let mut reader = queue.reader();
    let mut letters = Vec::new();
    while let Some(block) = reader.try_next().unwrap() {
        letters.extend(
            block
                .records()
                .map(|(_, bytes)| record::read_dead_letter(bytes).unwrap()),
        );
    }
    letters
}

fn write(buf: &mut Vec<u8>, id: &str, size: usize) {
    let payload = &vec![b'x'; size];
    record::write(
        buf,
        &RecordRef {
            id,
            topic: "t",
            client_id: "c",
            time: 1,
            payload,
        },
    );
}

/// Waits for something that is going to be so.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited for long and in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

type Answers = Box<dyn FnMut(usize, &Batch) -> Reply + Send>;

/// An upstream whose answers a test decides.
struct Script {
    limits: BatchLimits,
    answer: Mutex<Answers>,
    log: Mutex<Log>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Log {
    /// The ids of each request.
    requests: Vec<Vec<String>>,
    /// How many were in flight with each request, it included.
    together: Vec<usize>,
    in_flight: usize,
    delivered: Vec<String>,
}

/// What the upstream does with a request.
enum Reply {
    Answer(Vec<Outcome>),
    Same(Outcome),
    Fail,
    Panic,
    /// Delivers once the test [releases](Script::release) it.
    Hold,
}

impl Reply {
    fn deliver() -> Reply {
        Reply::Same(delivered())
    }

    fn each(batch: &Batch, outcome: impl FnMut(&Record) -> Outcome) -> Reply {
        Reply::Answer(batch.records.iter().map(outcome).collect())
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered { receipt: None }
}

fn retry() -> Outcome {
    Outcome::Retry {
        code: "Busy".to_owned(),
        message: "later".to_owned(),
    }
}

fn rejected() -> Outcome {
    Outcome::Rejected {
        code: "Invalid".to_owned(),
        message: "not like this".to_owned(),
    }
}

impl Script {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn requests(&self) -> Vec<Vec<String>> {
        self.log().requests.clone()
    }

    fn delivered(&self) -> Vec<String> {
        self.log().delivered.clone()
    }

    fn release(&self) {
        self.released.send_replace(true);
    }

    async fn send(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        let ids: Vec<_> = batch
            .records
            .iter()
            .map(|record| record.id.to_string())
            .collect();
        let number = {
            let mut log = self.log();
            log.requests.push(ids.clone());
            log.in_flight += 1;
            let together = log.in_flight;
            log.together.push(together);
            log.requests.len() - 1
        };
        let reply = (self.answer.lock().unwrap())(number, batch);
        // Requests that are started together are in flight together.
        tokio::task::yield_now().await;
        let outcomes = match reply {
            Reply::Answer(outcomes) => Some(outcomes),
            Reply::Same(outcome) => Some(vec![outcome; batch.records.len()]),
            Reply::Fail => None,
            Reply::Panic => {
                self.log().in_flight -= 1;
                panic!("an upstream with a defect")
            }
            Reply::Hold => {
                self.released
                    .subscribe()
                    .wait_for(|released| *released)
                    .await
                    .unwrap();
                Some(vec![delivered(); batch.records.len()])
            }
        };
        let mut log = self.log();
        log.in_flight -= 1;
        let error = || SendError::new(FailureClass::Unavailable, "Down", "no answer");
        let outcomes = outcomes.ok_or_else(error)?;
        let arrived = ids.into_iter().zip(&outcomes);
        let arrived = arrived
            .filter(|(_, outcome)| **outcome == delivered())
            .map(|(id, _)| id);
        log.delivered.extend(arrived);
        Ok(outcomes)
    }
}

/// The upstream as the connector owns it.
struct Remote(Arc<Script>);

impl Upstream for Remote {
    fn limits(&self) -> BatchLimits {
        self.0.limits
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        match destination {
            "nowhere" => Err("nowhere is no place".to_owned()),
            _ => Ok(()),
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(self.0.send(batch))
    }
}

/// A contract whose status for a record is its id and what became of it.
struct Echo {
    linger: Duration,
    queue_records: u64,
}

impl Contract for Echo {
    fn filters(&self) -> Vec<TopicFilter> {
        Vec::new()
    }

    fn delivery(&self) -> DeliverySettings {
        DeliverySettings::new(self.linger, self.queue_records)
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        unreachable!(
            "records are appended directly, not published to {}",
            publish.topic.as_str()
        )
    }

    fn rejected(&self, _: &Rejection) -> Option<Status> {
        None
    }

    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status> {
        let words = |report: &Report<'_>| match report.outcome {
            Outcome::Delivered { .. } => format!("{} success", report.id),
            Outcome::Retry { .. } => format!("{} retry", report.id),
            Outcome::Rejected { code, .. } => format!("{} {code}", report.id),
        };
        let words: Vec<_> = reports.iter().map(words).collect();
        let topic = TopicName::parse("status").unwrap();
        vec![Status {
            topic,
            payload: Bytes::from(words.join(",")),
        }]
    }
}

/// The statuses that were published.
#[derive(Default)]
struct Statuses(Mutex<Vec<String>>);

impl Statuses {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl StatusSink for Statuses {
    fn publish(&self, status: Status) {
        self.0
            .lock()
            .unwrap()
            .push(String::from_utf8(status.payload.to_vec()).unwrap());
    }
}
