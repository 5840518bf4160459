//! Devices of both V1 connectors, a gateway, and the services behind it; at the end
//! everything is where it belongs.

use std::time::{Duration, Instant};

use perennial_doubles::{Answer, Call, FirehoseDouble, IotAnalyticsDouble};

use super::{ledger::Ledger, listener::Listener, storm::Storm, way::Way};
use crate::support::{
    admin::{self, Metrics},
    dead_letters,
    firehose::{Firehose, IotAnalytics, Service},
    gateway::{Gateway, quiet_port},
    numbered::Publishers,
    wait::{PATIENCE, pause, wait_for},
};

const WAYS: [Way; 2] = [Way::Firehose, Way::IotAnalytics];

/// How long a request that hangs holds up the others.
const TIMEOUT: &str = "timeout = \"1s\",";

/// The publishers of each way; half of them send to each of its destinations.
const PUBLISHERS: usize = 4;

/// How long everything may take to arrive when the story is over.
const DRAIN: Duration = Duration::from_secs(120);

/// The pause between two looks at everything.
const LOOK: Duration = Duration::from_millis(100);

/// The parties.
pub(super) struct Scene {
    stage: Stage,
    storms: [Storm; 2],
    listener: Listener,
    publishers: [Publishers; 2],
}

/// What a story is about.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) firehose: Firehose,
    pub(super) analytics: IotAnalytics,
}

impl Scene {
    /// Starts all of it; each publisher waits for `pace` between two windows of 20 messages.
    pub(super) fn start(seed: u64, pace: Duration) -> Self {
        let (firehose, analytics) = (Firehose::start(), IotAnalytics::start());
        let message = "The request is not valid.";
        let storms = [
            Storm::over(
                &firehose,
                seed,
                FirehoseDouble::passing_faults(),
                Answer::error(400, "InvalidArgumentException", message),
            ),
            Storm::over(
                &analytics,
                seed ^ 1,
                IotAnalyticsDouble::passing_faults(),
                IotAnalyticsDouble::invalid_request(message),
            ),
        ];
        let mut gateway = gateway_before(&firehose, &analytics);
        gateway.keep_folder_if_the_test_fails();
        Self {
            storms,
            listener: Listener::subscribe(gateway.address(), &WAYS),
            publishers: WAYS.map(|way| {
                let publishers = Publishers::speaking(PUBLISHERS, way.name(), way);
                publishers.lasting().paced(pace)
            }),
            stage: Stage {
                gateway,
                firehose,
                analytics,
            },
        }
    }

    /// The same with services that fail in no way but one: they refuse poison.
    pub(super) fn calm(self) -> Self {
        self.storms[0].calm(&self.stage.firehose);
        self.storms[1].calm(&self.stage.analytics);
        self
    }

    /// Devices publish while `story` runs, after which the gateway is up and both services can
    /// be reached. Then everything arrives, and is compared with what was acknowledged.
    pub(super) fn play(mut self, story: impl FnOnce(&mut Stage)) {
        let stage = &mut self.stage;
        let (address, listener, publishers) =
            (stage.gateway.address(), &self.listener, &self.publishers);
        listener.run(address, || {
            publishers[0].run(address, || publishers[1].run(address, || story(stage)));
            println!("firehose met {:?}", self.storms[0].calm(&stage.firehose));
            println!(
                "iot-analytics met {:?}",
                self.storms[1].calm(&stage.analytics)
            );
            stage.wait_for_all(publishers, listener);
            stage.settle_accounts();
            stage.check(publishers, listener);
        });
    }
}

impl Stage {
    /// Waits until the services have all that they can have, and every device has heard.
    #[track_caller]
    fn wait_for_all(&self, publishers: &[Publishers; 2], listener: &Listener) {
        let begin = Instant::now();
        let missing = |way: usize| {
            let ledger = Ledger {
                way: WAYS[way],
                publishers: &publishers[way],
                taken: &self.taken(WAYS[way]),
                dead: &[],
                heard: &listener.heard(),
            };
            ledger.missing()
        };
        loop {
            let missing = [missing(0), missing(1)].concat();
            if missing.is_empty() {
                break;
            }
            let (count, some) = (missing.len(), &missing[..missing.len().min(20)]);
            assert!(
                begin.elapsed() < DRAIN,
                "{count} messages have not arrived or were not told after {DRAIN:?}: {some:?}"
            );
            pause(LOOK);
        }
        println!("everything has arrived {:?} later", begin.elapsed());
    }

    /// Waits until the queues are empty, since what a device published again after a kill may
    /// come behind all that was waited for, and stops the gateway. Every record that was
    /// accepted is in exactly one place then.
    fn settle_accounts(&mut self) {
        let lanes = WAYS.iter().flat_map(|way| {
            let destinations = [0, 1].map(|publisher| way.full_destination(publisher));
            destinations.map(|destination| (way.name(), destination))
        });
        for (connector, destination) in lanes {
            let mut metrics = Metrics::of(&self.gateway);
            wait_for(DRAIN, "a queue becomes empty", || {
                metrics = Metrics::of(&self.gateway);
                metrics.records("queued", connector, &destination) == 0.0
            });
            // The last may have left the queue a moment before they are counted.
            wait_for(PATIENCE, "every record is in one place", || {
                metrics = Metrics::of(&self.gateway);
                metrics.add_up(connector, &destination)
            });
            let count = |what| metrics.records(what, connector, &destination);
            assert_eq!(count("expired_total"), 0.0);
            // IoT Analytics drops the second of two that have one id.
            assert!(count("dropped_total") == 0.0 || connector == Way::IotAnalytics.name());
        }
        assert!(self.gateway.terminate().success());
        assert_eq!(dead_letters::queued(&self.gateway.data_dir()), 0);
    }

    /// Checks every message of the stopped gateway.
    fn check(&self, publishers: &[Publishers; 2], listener: &Listener) {
        let is_known = |id: &String| WAYS.iter().any(|way| id.starts_with(way.name()));
        assert!(listener.heard().keys().all(is_known), "a status has an id");
        for (way, publishers) in WAYS.iter().zip(publishers) {
            let ledger = Ledger {
                way: *way,
                publishers,
                taken: &self.taken(*way),
                dead: &dead_letters::read_all(&self.gateway.data_dir(), way.name()),
                heard: &listener.heard(),
            };
            let summary = ledger.check();
            println!("{}: {summary:?}", way.name());
            let list = ["dead-letters", "list", "--limit", "1000000", "--connector"];
            let listed = admin::json(&self.gateway, &[&list[..], &[way.name()]].concat());
            assert_eq!(listed.len(), summary.dead + summary.dead_duplicates);
            assert!(summary.acknowledged > 1_000, "the publishers hardly ran");
        }
    }

    fn taken(&self, way: Way) -> Taken {
        match way {
            Way::Firehose => taken(&self.firehose),
            Way::IotAnalytics => taken(&self.analytics),
        }
    }
}

/// What each destination of a service has taken.
type Taken = [(&'static str, Vec<String>); 2];

fn taken<C: Call>(service: &Service<C>) -> Taken {
    ["even", "odd"].map(|destination| {
        let text = |record| String::from_utf8_lossy(C::payload(record)).into_owned();
        let records = service.records(destination);
        (destination, records.iter().map(text).collect())
    })
}

fn gateway_before(firehose: &Firehose, analytics: &IotAnalytics) -> Gateway {
    let config = format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        retry = {{ initial = "10ms", max = "100ms" }}
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/even"
        publish_interval = "100ms"

        [[connector]]
        name = "iot-analytics"
        contract = "iot-analytics"
        upstream = "iot-analytics"
        retry = {{ initial = "10ms", max = "100ms" }}
        upstream_parameters = {}
        [connector.parameters]
        publish_interval = "100ms"
        "#,
        firehose.upstream_parameters_and(TIMEOUT),
        analytics.upstream_parameters_and(TIMEOUT),
    );
    Gateway::start_on(quiet_port(), &config)
}
