//! Workers against the real store in a temporary folder, and an upstream that does as it is told.

mod age;
mod backlog;
mod duplicates;
mod ends;
mod failures;
mod lanes;
mod memory;
mod order;
mod overflow;
mod pace;
mod pulse;
mod refusals;
mod requeue;
mod restarts;
mod script;
mod speed;
mod statuses;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use perennial_broker::store::{
    Durability, Queue, QueueKind, QueueLimits, Store, StoreConfig, StoreError, Ticket, Transaction,
    WhenFull,
};
use perennial_connectors::{
    Accepted, Attempt, Batch, BatchLimits, Contract, DeliverySettings, FailureClass, Outcome,
    Publish, Record, RecordRef, Rejection, Report, SendError, Status, Upstream,
};
use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;

use self::script::*;
use super::{
    Connector, ConnectorSettings, Counts, Delivery, Lane, Retry, StatusSink,
    dead_letters::DeadLetters,
    shared::Shared,
    worker::{Job, Worker},
};
use crate::record::{self, DeadLetter};

const MAIN: &str = "main";

/// A time of a record, in milliseconds since the Unix epoch, that makes it one of a backlog.
const LONG_AGO: u64 = 1_736_000_000_000;

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
    /// What the contract says beside it.
    contract: fn(&mut DeliverySettings),
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
            contract: |_| {},
        }
    }
}

impl Plan {
    /// Large batches, several at once, in any order.
    fn parallel(contract: fn(&mut DeliverySettings)) -> Plan {
        let mut plan = Plan::default();
        plan.limits.records = 500;
        plan.limits.bytes = 1 << 20;
        plan.settings.in_flight = None;
        plan.contract = contract;
        plan
    }

    fn delivery(&self) -> DeliverySettings {
        let mut delivery = DeliverySettings::new(self.linger, self.queue_records);
        (self.contract)(&mut delivery);
        delivery
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
        let upstream = Arc::new(Script::new(plan.limits, Box::new(answer)));
        let statuses = Arc::new(Statuses::default());
        let connector = Arc::new(Connector {
            name: MAIN.to_owned(),
            contract: Box::new(Echo(plan.delivery())),
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
        let records = records.into_iter().map(|(id, size)| (id, size, LONG_AGO));
        self.append_all(destination, records)
    }

    /// Appends records that were taken `age` ago in one transaction.
    fn append_aged(
        &self,
        destination: &str,
        ids: impl IntoIterator<Item = impl ToString>,
        age: Duration,
    ) -> Ticket {
        let time = crate::clock::unix_millis() - age.as_millis() as u64;
        self.append_all(
            destination,
            ids.into_iter().map(|id| (id.to_string(), 10, time)),
        )
    }

    fn append_all(
        &self,
        destination: &str,
        records: impl IntoIterator<Item = (String, usize, u64)>,
    ) -> Ticket {
        let lane = self.lane(destination).unwrap();
        let mut transaction = self.store.transaction();
        for (id, size, time) in records {
            transaction
                .append(&lane.queue, |buf| write(buf, &id, size, time))
                .unwrap();
            lane.counters.accepted(1);
        }
        self.store.submit(transaction).unwrap()
    }

    /// Appends a record as a publish does, which makes room and tells whose records go;
    /// whether it was taken.
    fn offer(
        &self,
        transaction: &mut Transaction,
        destination: &str,
        record: (impl ToString, usize),
    ) -> bool {
        self.offer_from(transaction, destination, record, LONG_AGO)
    }

    fn offer_from(
        &self,
        transaction: &mut Transaction,
        destination: &str,
        (id, size): (impl ToString, usize),
        time: u64,
    ) -> bool {
        let lane = self.lane(destination).unwrap();
        let payload = vec![b'x'; size];
        let id = id.to_string();
        let record = RecordRef {
            id: &id,
            topic: "t",
            client_id: "c",
            time,
            payload: &payload,
        };
        let tell = |dropped: &str| {
            let rejection = Rejection::dropped(dropped, destination, lane.queued());
            let status = self.connector.contract.rejected(&rejection);
            self.statuses.publish(status.unwrap()).unwrap();
        };
        lane.append(transaction, &record, tell).is_ok()
    }

    /// Offers records of ten bytes and commits each before the next.
    fn offer_each(&self, ids: impl IntoIterator<Item = impl ToString>) -> usize {
        ids.into_iter().map(|id| self.offer_all([id], 10)).sum()
    }

    /// Offers records one by one and commits them together; how many were taken.
    fn offer_all(&self, ids: impl IntoIterator<Item = impl ToString>, size: usize) -> usize {
        let mut transaction = self.store.transaction();
        let offer = |id| self.offer(&mut transaction, "here", (id, size));
        let taken = ids.into_iter().map(offer).filter(|taken| *taken).count();
        self.commit(transaction);
        taken
    }

    /// Submits a transaction and waits until it is committed.
    fn commit(&self, transaction: Transaction) {
        let ticket = self.store.submit(transaction).unwrap();
        self.wait_for(ticket);
    }

    /// Waits without tokio, whose clock may be paused.
    fn wait_for(&self, ticket: Ticket) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.store.durable().has_reached(ticket) {
            assert!(Instant::now() < deadline, "nothing was committed");
            std::thread::yield_now();
        }
    }

    /// A worker that runs when the test runs it, on a queue that delivery does not know.
    fn worker(&self, destination: &str) -> (Worker, Queue, Arc<Shared>) {
        let queue = self
            .store
            .queue(
                &format!("c/main/{destination}"),
                QueueKind::Durable,
                any_limits(),
            )
            .unwrap();
        let shared = Arc::new(Shared::new(
            Arc::clone(&self.connector),
            DeadLetters::open(&self.store, &self.connector).unwrap(),
            self.store.clone(),
            self.statuses.clone(),
        ));
        let worker = Worker::new(Job {
            shared: Arc::clone(&shared),
            destination: destination.to_owned(),
            queue: queue.clone(),
            counters: Arc::default(),
            overflow: None,
            pulse: Arc::default(),
        });
        (worker, queue, shared)
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
            .append(&queue, |buf| write(buf, &id.to_string(), 10, LONG_AGO))
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

fn write(buf: &mut Vec<u8>, id: &str, size: usize, time: u64) {
    let payload = &vec![b'x'; size];
    record::write(
        buf,
        &RecordRef {
            id,
            topic: "t",
            client_id: "c",
            time,
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

/// A contract whose status for a record is its id and what became of it.
struct Echo(DeliverySettings);

impl Contract for Echo {
    fn filters(&self) -> Vec<TopicFilter> {
        Vec::new()
    }

    fn delivery(&self) -> DeliverySettings {
        self.0.clone()
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        unreachable!(
            "records are appended directly, not published to {}",
            publish.topic.as_str()
        )
    }

    fn rejected(&self, rejection: &Rejection) -> Option<Status> {
        Some(status(format!("{} {}", rejection.id, rejection.code)))
    }

    fn settled(&self, reports: &[Report<'_>]) -> Vec<Status> {
        let words = |report: &Report<'_>| match report.outcome {
            Outcome::Delivered { .. } => format!("{} success", report.id),
            Outcome::Retry { .. } => format!("{} retry", report.id),
            Outcome::Rejected { code, .. } => format!("{} {code}", report.id),
        };
        let words: Vec<_> = reports.iter().map(words).collect();
        vec![status(words.join(","))]
    }
}

fn status(words: String) -> Status {
    Status {
        topic: TopicName::parse("status").unwrap(),
        payload: Bytes::from(words),
    }
}

/// The statuses that were published.
#[derive(Default)]
struct Statuses(Mutex<Vec<String>>);

impl Statuses {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The words for each record by itself.
    fn words(&self) -> Vec<String> {
        let all = self.all();
        let words = all.iter().flat_map(|status| status.split(','));
        words.map(str::to_owned).collect()
    }
}

impl StatusSink for Statuses {
    fn publish(&self, status: Status) -> Result<Ticket, StoreError> {
        let words = String::from_utf8(status.payload.to_vec()).unwrap();
        self.0.lock().unwrap().push(words);
        Ok(Ticket::DONE)
    }
}
