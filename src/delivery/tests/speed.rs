//! What a record costs between the queue and the upstream.
//!
//! `cargo test --release --lib -- --ignored --nocapture delivery::tests::speed`

use perennial_connectors::BatchLimits;

use super::*;

const RECORDS: u64 = 1_000_000;

/// CPU time of this thread, on which worker and upstream run; the committer has its own.
pub(super) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

struct Devour;

impl Upstream for Devour {
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            records: 500,
            bytes: 4 << 20,
            record_bytes: 1 << 20,
            in_flight: 4,
            linger: None,
        }
    }

    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(async { Ok(vec![delivered(); batch.records.len()]) })
    }
}

/// A contract without statuses.
struct Mute(Echo);

impl Contract for Mute {
    fn filters(&self) -> Vec<TopicFilter> {
        Vec::new()
    }

    fn delivery(&self) -> DeliverySettings {
        self.0.delivery()
    }

    fn accept<'a>(&'a self, publish: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        self.0.accept(publish)
    }

    fn rejected(&self, _: &Rejection) -> Option<Status> {
        None
    }

    fn settled(&self, _: &[Report<'_>]) -> Vec<Status> {
        Vec::new()
    }
}

/// Measured, and held against a bound that leaves room for a busy machine.
#[tokio::test]
#[ignore = "measures; worth something in a release build only"]
async fn a_record_costs_the_worker_well_under_half_a_microsecond() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let linger = Duration::from_secs(1);
    let connector = Arc::new(Connector {
        name: MAIN.to_owned(),
        contract: Box::new(Mute(Echo(DeliverySettings::new(linger, RECORDS)))),
        upstream: Box::new(Devour),
        settings: ConnectorSettings::default(),
    });
    let sink = Arc::new(Statuses::default());
    let delivery = Delivery::start(store.clone(), vec![Arc::clone(&connector)], sink).unwrap();
    let lane = delivery.lane(&connector, "here").unwrap();

    let (mut appending, start) = (Duration::ZERO, cpu_time());
    for _ in 0..RECORDS / 256 {
        let before = cpu_time();
        let mut transaction = store.transaction();
        for _ in 0..256 {
            transaction
                .append(&lane.queue, |buf| write(buf, "", 256, LONG_AGO))
                .unwrap();
        }
        lane.counters.accepted(256);
        let ticket = store.submit(transaction).unwrap();
        appending += cpu_time() - before;
        store.durable().reached(ticket).await.unwrap();
    }
    until("nearly all is delivered", || lane.queue.records() < 1_000).await;
    let each = (cpu_time() - start - appending).as_nanos() as u64 / RECORDS;
    #[expect(clippy::print_stdout, reason = "this is what the measurement is for")]
    {
        println!("{each} ns of CPU a record");
    }
    delivery.stop().await;
    assert!(each < 500);
}
