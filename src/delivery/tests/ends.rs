//! Whatever happens, each record has one end, one status and one count.

use std::collections::{BTreeMap, HashSet};

use perennial_connectors::{AfterFailure, WhenFull};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

/// What the world does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Records come that were taken just now.
    Come(u32),
    /// Records come that were taken long ago.
    ComeLate(u32),
    /// Requests fail from here on.
    Fail,
    /// Requests come through in part.
    Falter,
    /// All goes well again.
    Recover,
    /// So many more requests are made, if there is anything to send.
    Work(usize),
    /// The gateway stops and starts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u32..60).prop_map(Step::Come),
        2 => (1_u32..60).prop_map(Step::ComeLate),
        1 => Just(Step::Fail),
        1 => Just(Step::Falter),
        2 => Just(Step::Recover),
        4 => (1_usize..12).prop_map(Step::Work),
        1 => Just(Step::Restart),
    ]
}

/// How a connector is set up.
#[derive(Clone, Copy, Debug)]
struct Setup {
    in_flight: usize,
    share: f64,
    drops_oldest: bool,
    expires: bool,
    sends_last: bool,
    /// One record in so many is poison.
    poison: Option<u32>,
}

fn setup() -> impl Strategy<Value = Setup> {
    let share = prop_oneof![Just(0.0), Just(0.2), Just(0.5), Just(1.0)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let poison = prop::option::of(5_u32..40);
    (1_usize..5, share, flags, poison).prop_map(|(in_flight, share, flags, poison)| Setup {
        in_flight,
        share,
        drops_oldest: flags.0,
        expires: flags.1,
        sends_last: flags.2,
        poison,
    })
}

impl Setup {
    fn plan(self) -> Plan {
        let mut plan = Plan {
            linger: Duration::from_millis(1),
            ..Plan::default()
        };
        plan.contract = match (self.drops_oldest, self.sends_last) {
            (false, false) => |_| {},
            (true, false) => |it| it.when_full = WhenFull::DropOldest,
            (false, true) => |it| it.after_failure = AfterFailure::SendLast,
            (true, true) => |it| {
                it.when_full = WhenFull::DropOldest;
                it.after_failure = AfterFailure::SendLast;
            },
        };
        plan.limits.records = 8;
        plan.queue_records = if self.drops_oldest { 50 } else { 100_000 };
        plan.settings.in_flight = Some(self.in_flight);
        plan.settings.fresh_share = Some(self.share);
        plan.settings.max_age = self.expires.then_some(Duration::from_secs(3_600));
        plan
    }

    fn is_poison(self, id: &str) -> bool {
        let id: u32 = id.parse().unwrap();
        self.poison.is_some_and(|each| id.is_multiple_of(each))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weather {
    Fair,
    Foul,
    Mixed,
}

/// The gateway in one of its runs, and what was seen of those before.
struct World {
    setup: Setup,
    weather: Arc<Mutex<Weather>>,
    house: House,
    came: u32,
    delivered: Vec<String>,
    words: Vec<String>,
    sum: Counts,
}

impl World {
    fn new(setup: Setup) -> World {
        let weather = Arc::new(Mutex::new(Weather::Fair));
        let folder = tempfile::tempdir().unwrap();
        World {
            house: World::house(setup, &weather, folder),
            setup,
            weather,
            came: 0,
            delivered: Vec::new(),
            words: Vec::new(),
            sum: Counts::default(),
        }
    }

    fn house(setup: Setup, weather: &Arc<Mutex<Weather>>, folder: TempDir) -> House {
        let (weather, mut chance) = (Arc::clone(weather), fastrand::Rng::with_seed(5));
        House::in_folder(folder, setup.plan(), move |_, batch| {
            let weather = *weather.lock().unwrap();
            if weather == Weather::Foul {
                return Reply::Fail;
            }
            if batch.records.iter().any(|it| setup.is_poison(&it.id)) {
                return Reply::refuse();
            }
            match weather {
                Weather::Mixed => Reply::each(batch, |_| match chance.bool() {
                    true => delivered(),
                    false => retry(),
                }),
                _ => Reply::deliver(),
            }
        })
    }

    async fn take(mut self, step: Step) -> World {
        match step {
            Step::Come(records) => self.come(records, crate::clock::unix_millis()),
            Step::ComeLate(records) => self.come(records, LONG_AGO),
            Step::Fail => *self.weather.lock().unwrap() = Weather::Foul,
            Step::Falter => *self.weather.lock().unwrap() = Weather::Mixed,
            Step::Recover => *self.weather.lock().unwrap() = Weather::Fair,
            Step::Work(requests) => {
                let goal = self.house.upstream.requests().len() + requests;
                until("requests are made", || {
                    let made = self.house.upstream.requests().len();
                    made >= goal || self.house.counts().queued == 0
                })
                .await;
            }
            Step::Restart => return self.restart().await,
        }
        self
    }

    fn come(&mut self, records: u32, time: u64) {
        for id in self.came..self.came + records {
            let mut transaction = self.house.store.transaction();
            let taken = self
                .house
                .offer_from(&mut transaction, "here", (id, 10), time);
            assert!(taken, "there is room for {id}");
            self.house.commit(transaction);
        }
        self.came += records;
    }

    async fn restart(mut self) -> World {
        self.house.delivery.stop().await;
        self.look();
        let folder = self.house.close().await;
        self.house = World::house(self.setup, &self.weather, folder);
        self
    }

    /// Takes down what this run of the gateway did; it has ended.
    fn look(&mut self) {
        let counts = self.house.counts();
        assert!(adds_up(counts), "{counts:?}");
        self.sum += counts;
        self.delivered.extend(self.house.upstream.delivered());
        self.words.extend(self.house.statuses.words());
    }

    /// Everything ends, and each record has ended once.
    async fn end(mut self) {
        *self.weather.lock().unwrap() = Weather::Fair;
        self.house.settled().await;
        self.house.delivery.stop().await;
        self.look();

        let mut ends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for words in &self.words {
            let (id, end) = words.split_once(' ').unwrap();
            ends.entry(id).or_default().push(end);
        }
        for id in 0..self.came {
            let id = id.to_string();
            let ends = ends.get(&*id).map_or(&[][..], Vec::as_slice);
            assert_eq!(ends.len(), 1, "record {id} has the statuses {ends:?}");
            assert!(
                ends != ["success"] || !self.setup.is_poison(&id),
                "poison {id} came through"
            );
        }
        let count = |end| ends.values().filter(|ends| ***ends == [end]).count() as u64;
        let delivered: HashSet<_> = self.delivered.iter().collect();
        assert_eq!(delivered.len(), self.delivered.len(), "delivered twice");
        assert_eq!(count("success"), delivered.len() as u64);
        let Counts {
            delivered,
            dead,
            dropped,
            expired,
            ..
        } = self.sum;
        assert_eq!(count("success"), delivered);
        assert_eq!(count("Poison"), dead);
        assert_eq!(count("LimitExceededException"), dropped);
        assert_eq!(count("RecordExpiredException"), expired);
        assert_eq!(u64::from(self.came), delivered + dead + dropped + expired);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_record_has_one_end_through_outages_restarts_and_full_queues(
        setup in setup(),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        Runtime::new().unwrap().block_on(async {
            let mut world = World::new(setup);
            for step in steps {
                world = world.take(step).await;
            }
            world.end().await;
        });
    }
}
