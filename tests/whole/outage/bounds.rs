//! The uplink is away for so long that queues reach their bound: memory stays flat, devices are
//! acknowledged all the time, and each record beyond the bound is told as the contract says.

use std::{
    collections::HashSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use perennial_doubles::Call;
use serde_json::json;

use super::{
    listener::{Heard, Listener, Statuses},
    way::Way,
};
use crate::support::{
    admin::Metrics,
    alone, dead_letters,
    firehose::{Firehose, IotAnalytics, Service},
    gateway::Gateway,
    numbered::{Publishers, Speech},
    wait::{PATIENCE, wait_for},
};

const WAYS: [Way; 2] = [Way::Firehose, Way::IotAnalytics];
const PUBLISHERS: usize = 10;
const OF_EACH: u64 = 20_000;
const TOTAL: u64 = PUBLISHERS as u64 * OF_EACH;

/// Records that wait at most.
const BOUND: u64 = TOTAL / 2;

const SIZE: usize = 256;

/// How long all that may take to come in, and to leave.
const TIME: Duration = Duration::from_secs(120);

/// The longest that no publisher is acknowledged anything.
const SILENCE: Duration = Duration::from_secs(3);

/// Records of requests that are under way: nobody drops these, however old they are.
const IN_FLIGHT: usize = 4 * 100;

/// What the process may grow by while the second half of 100 MB comes in: the memory of the
/// store goes up and down by several memtables, and nothing else is to grow.
const GROWTH: u64 = 24 << 20;

#[test]
fn an_outage_beyond_the_bound_of_the_queues_costs_no_memory_and_each_record_is_accounted_for() {
    let _alone = alone();
    let (mut firehose, mut analytics) = (Firehose::start(), IotAnalytics::start());
    let mut gateway = gateway_before(&firehose, &analytics);
    gateway.keep_folder_if_the_test_fails();
    let address = gateway.address();
    let listener = Listener::subscribe(address, &WAYS);
    listener.run(address, || {
        firehose.stop();
        analytics.stop();
        flood(&gateway, address);
        let told = |which: fn(&Statuses) -> bool| {
            let heard = listener.heard();
            heard.values().filter(|statuses| which(statuses)).count() as u64
        };
        wait_for(TIME, "each record beyond the bound is told", || {
            told(|statuses| !statuses.failures.is_empty()) >= 2 * (TOTAL - BOUND)
        });

        let begin = Instant::now();
        firehose.restart();
        analytics.restart();
        wait_for(TIME, "the queues become empty", || {
            told(|_| true) >= 2 * TOTAL
        });
        println!(
            "{} records have left after {:?}",
            2 * BOUND,
            begin.elapsed()
        );
        let destinations = WAYS.map(|way| (way.name(), way.full_destination(0)));
        let mut metrics = Metrics::of(&gateway);
        // A device hears of its record before the record is settled.
        wait_for(PATIENCE, "every record is in one place", || {
            metrics = Metrics::of(&gateway);
            let mut destinations = destinations.iter();
            destinations.all(|(connector, destination)| metrics.add_up(connector, destination))
        });
        let count = |what, way: usize| {
            let (connector, destination) = &destinations[way];
            metrics.records(what, connector, destination) as u64
        };
        let counted = [count("rejected_total", 0), count("dropped_total", 0)];
        assert_eq!(counted, [TOTAL - BOUND, 0]);
        let counted = [count("rejected_total", 1), count("dropped_total", 1)];
        assert_eq!(counted, [0, TOTAL - BOUND]);
        assert!(gateway.terminate().success());
        assert_eq!(dead_letters::queued(&gateway.data_dir()), 0);
        let refused = Fates::of(Way::Firehose, &firehose, &listener.heard());
        assert_eq!(
            refused.delivered_behind_a_failure(),
            0,
            "the newest are refused"
        );
        let dropped = Fates::of(Way::IotAnalytics, &analytics, &listener.heard());
        let skipped = dropped.delivered_before_a_failure();
        assert!(
            skipped <= IN_FLIGHT,
            "{skipped} of the oldest were not dropped"
        );
    });
}

/// Everything comes in while both services are away.
fn flood(gateway: &Gateway, address: SocketAddr) {
    let publishers = WAYS.map(|way| {
        let name = format!("{}-device", way.name());
        Publishers::speaking(PUBLISHERS, &name, Steady(way)).up_to(OF_EACH)
    });
    publishers[0].run(address, || {
        publishers[1].run(address, || {
            let acknowledged = || publishers.iter().map(Publishers::total).sum::<u64>();
            let begin = Instant::now();
            let (mut last, mut since, mut silence) = (0, begin, Duration::ZERO);
            let (mut half, mut most) = (None, 0);
            wait_for(TIME, "everything is acknowledged", || {
                let (now, count) = (Instant::now(), acknowledged());
                if count > last {
                    (last, since) = (count, now);
                }
                silence = silence.max(now - since);
                let resident = gateway.resident_bytes();
                if count > TOTAL {
                    half.get_or_insert(resident);
                    most = most.max(resident);
                }
                count >= 2 * TOTAL
            });
            let half = half.expect("the memory was looked at");
            println!(
                "{} acknowledged in {:?}, silent for {silence:?} at most; \
                 {} KiB resident at half, at most {} KiB later",
                2 * TOTAL,
                begin.elapsed(),
                half >> 10,
                most >> 10,
            );
            assert!(
                silence < SILENCE,
                "nobody was acknowledged anything for {silence:?}"
            );
            assert!(most < half + GROWTH, "grown from {half} to {most} bytes");
        });
    });
}

/// Publishers of records that all have one size.
struct Steady(Way);

impl Speech for Steady {
    fn topic(&self, _: usize, _: u64) -> String {
        match self.0 {
            Way::Firehose => "kinesisfirehose/message".to_owned(),
            Way::IotAnalytics => "iotanalytics/channels/even/messages/put".to_owned(),
        }
    }

    fn payload(&self, publisher: usize, number: u64) -> Vec<u8> {
        let id = id(self.0, publisher, number);
        let mut record = id.clone();
        record.extend(std::iter::repeat_n('.', SIZE - id.len()));
        let request = match self.0 {
            Way::Firehose => json!({"data": record}),
            Way::IotAnalytics => json!({"message": record}),
        };
        json!({"id": id, "request": request})
            .to_string()
            .into_bytes()
    }
}

fn id(way: Way, publisher: usize, number: u64) -> String {
    format!("{}-{publisher}-{number}", way.name())
}

/// Whether each message was delivered, by publisher and number.
struct Fates(Vec<Vec<bool>>);

impl Fates {
    /// Checks that each message has one status, that half of them were delivered, and that
    /// the service has exactly these, once.
    #[track_caller]
    fn of<C: Call>(way: Way, service: &Service<C>, heard: &Heard) -> Self {
        let records = service.records("even");
        let mut taken: HashSet<&[u8]> = HashSet::new();
        for record in &records {
            let record = C::payload(record);
            let end = record.iter().position(|byte| *byte == b'.');
            assert_eq!(record.len(), SIZE);
            assert!(
                taken.insert(&record[..end.unwrap_or(SIZE)]),
                "{record:?} came twice"
            );
        }
        let fate = |publisher, number| {
            let id = id(way, publisher, number);
            let Statuses {
                successes,
                failures,
            } = &heard[&id];
            let delivered = match (successes, failures.as_slice()) {
                (1, []) => true,
                (0, [code]) if code == "LimitExceededException" => false,
                other => panic!("statuses of {id}: {other:?}"),
            };
            assert_eq!(taken.contains(id.as_bytes()), delivered, "{id}");
            delivered
        };
        let fates = (0..PUBLISHERS)
            .map(|publisher| (0..OF_EACH).map(|number| fate(publisher, number)).collect());
        let fates = Self(fates.collect());
        assert_eq!(
            (fates.delivered(), taken.len() as u64),
            (BOUND, BOUND),
            "{way:?}"
        );
        fates
    }

    fn delivered(&self) -> u64 {
        self.0
            .iter()
            .flatten()
            .filter(|delivered| **delivered)
            .count() as u64
    }

    /// Messages that were delivered although an earlier one of their publisher was not.
    fn delivered_behind_a_failure(&self) -> usize {
        let of_one = |fates: &Vec<bool>| {
            let later = fates.iter().skip_while(|delivered| **delivered);
            later.filter(|delivered| **delivered).count()
        };
        self.0.iter().map(of_one).sum()
    }

    /// Messages that were delivered although a later one of their publisher was not.
    fn delivered_before_a_failure(&self) -> usize {
        let of_one = |fates: &Vec<bool>| {
            let earlier = fates.iter().rev().skip_while(|delivered| **delivered);
            earlier.filter(|delivered| **delivered).count()
        };
        self.0.iter().map(of_one).sum()
    }
}

fn gateway_before(firehose: &Firehose, analytics: &IotAnalytics) -> Gateway {
    Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        retry = {{ initial = "100ms", max = "500ms" }}
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/even"
        delivery_stream_queue_size = {BOUND}
        publish_interval = "100ms"

        [[connector]]
        name = "iot-analytics"
        contract = "iot-analytics"
        upstream = "iot-analytics"
        retry = {{ initial = "100ms", max = "500ms" }}
        upstream_parameters = {}
        [connector.parameters]
        queue_drop_behavior = "drop_oldest"
        queue_size_per_channel = {BOUND}
        publish_interval = "100ms"
        "#,
        firehose.upstream_parameters(),
        analytics.upstream_parameters(),
    ))
}
