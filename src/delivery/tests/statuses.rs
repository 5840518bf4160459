//! A status comes before the end of its record in the store, whatever the end is.

use std::sync::atomic::{AtomicU64, Ordering};

use perennial_connectors::WhenFull;

use super::{super::status::CircuitState, *};

/// A sink that takes down with each status how many records the queue holds.
#[derive(Default)]
struct Witness {
    queue: Mutex<Option<Queue>>,
    seen: Mutex<Vec<(String, u64)>>,
}

impl StatusSink for Witness {
    fn publish(&self, status: Status) -> Result<Ticket, StoreError> {
        let words = String::from_utf8(status.payload.to_vec()).unwrap();
        let queue = self.queue.lock().unwrap();
        let records = queue.as_ref().map_or(0, Queue::records);
        self.seen.lock().unwrap().push((words, records));
        Ok(Ticket::DONE)
    }
}

/// What the sink saw of one record that ends as `answer` says.
async fn seen(
    plan: Plan,
    record: (u64, usize),
    answer: impl FnMut(usize, &Batch) -> Reply + Send + 'static,
) -> Vec<(String, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let witness = Arc::new(Witness::default());
    let upstream = Arc::new(Script::new(plan.limits, Box::new(answer)));
    let connector = Arc::new(Connector {
        name: MAIN.to_owned(),
        contract: Box::new(Echo(plan.delivery())),
        upstream: Box::new(Remote(upstream)),
        settings: plan.settings,
    });
    let connectors = vec![Arc::clone(&connector)];
    let delivery = Delivery::start(store.clone(), connectors, witness.clone()).unwrap();
    let lane = delivery.lane(&connector, "here").unwrap();
    *witness.queue.lock().unwrap() = Some(lane.queue.clone());
    let (time, size) = record;
    let mut transaction = store.transaction();
    transaction
        .append(&lane.queue, |buf| write(buf, "0", size, time))
        .unwrap();
    lane.counters.accepted(1);
    store.submit(transaction).unwrap();
    until("the record has ended", || {
        let counts = delivery.counts();
        counts.queued == 0 && adds_up(counts)
    })
    .await;
    delivery.stop().await;
    let seen = witness.seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn a_status_is_published_while_the_record_is_still_in_the_queue() {
    let now = crate::clock::unix_millis();
    let mut aged = Plan::default();
    aged.settings.max_age = Some(Duration::from_secs(60));
    let usual = Plan::default;
    let one = |words: &str| [(words.to_owned(), 1)];

    let delivered = seen(usual(), (now, 10), |_, _| Reply::deliver());
    assert_eq!(delivered.await, one("0 success"));
    let dead = seen(usual(), (now, 10), |_, _| Reply::Same(rejected()));
    assert_eq!(dead.await, one("0 Invalid"));
    let refused = seen(usual(), (now, 10), |_, _| Reply::refuse());
    assert_eq!(refused.await, one("0 Poison"));
    let too_large = seen(usual(), (now, 900), |_, _| Reply::deliver());
    assert_eq!(too_large.await, one("0 InvalidArgumentException"));
    let expired = seen(aged, (LONG_AGO, 10), |_, _| Reply::deliver());
    assert_eq!(expired.await, one("0 RecordExpiredException"));
}

#[tokio::test]
async fn whose_record_makes_room_is_told_while_it_is_still_in_the_queue() {
    let plan = Plan {
        linger: Duration::from_secs(3_600),
        queue_records: 2,
        contract: |it| it.when_full = WhenFull::DropOldest,
        ..Plan::default()
    };
    let house = House::new(plan);
    house.offer_each(0..2);
    let lane = house.lane("here").unwrap();
    let held = AtomicU64::new(0);
    let payload = [0; 10];
    let record = RecordRef {
        id: "2",
        topic: "t",
        client_id: "c",
        time: LONG_AGO,
        payload: &payload,
    };
    let mut transaction = house.store.transaction();
    let tell = |dropped: &str| {
        assert_eq!(dropped, "0");
        held.store(lane.queued(), Ordering::SeqCst);
    };
    lane.append(&mut transaction, &record, tell).unwrap();
    assert_eq!(held.load(Ordering::SeqCst), 2);
    assert_eq!(lane.queued(), 2);
}

#[tokio::test]
async fn an_upstream_that_lets_nobody_in_is_told_once_for_all_destinations() {
    let mut plan = Plan::default();
    plan.settings.retry.max = Duration::from_millis(20);
    let house = House::scripted(plan, |_, _| {
        Reply::Error(SendError::new(
            FailureClass::NoAccess,
            "ExpiredToken",
            "the token has expired",
        ))
    });
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    for lane in 0..10 {
        house.append(&lane.to_string(), 0..20);
    }
    until("each destination was tried often", || {
        house.upstream.requests().len() > 200
    })
    .await;
    let errors = log.0.lock().unwrap().clone();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("ExpiredToken: the token has expired"));
    assert!(errors[0].contains("credentials"), "{errors:?}");
    let counts = house.counts();
    assert_eq!((counts.queued, counts.dead), (200, 0));
    let lanes = house.delivery.status();
    let is_open = |circuit: &CircuitState| matches!(circuit, CircuitState::Open { .. });
    assert!(lanes.iter().all(|lane| is_open(&lane.circuit)));
}

/// What is logged as an error or a warning.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = String::new();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                words += &format!("{field}={value:?} ");
            },
        );
        self.0.lock().unwrap().push(words);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
