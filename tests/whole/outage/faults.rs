//! A long bad time: the services fail in every way they know, the uplink comes and goes, and
//! the gateway is killed again and again while devices publish.

use std::time::{Duration, Instant};

use super::scene::{Scene, Stage};
use crate::support::{long::is_long, random::Random, wait::pause};

/// Between two windows of a publisher: about 1,000 messages per second each way.
const PACE: Duration = Duration::from_millis(80);

/// The most memory that the process may have. It starts with about 30 MiB in a debug build; the
/// store has several times its 8 MiB there, and the records of a minute in which a service is
/// away are 10 MiB. It does not grow with the length of the run.
const MEMORY: u64 = 96 << 20;

#[test]
fn nothing_acknowledged_is_lost_and_every_status_is_true_through_faults_and_kills() {
    let (mut random, seed) = Random::seeded();
    println!("PERENNIAL_TEST_SEED={seed}");
    let time = Duration::from_secs(if is_long() { 600 } else { 60 });
    let mut weather = Weather::default();
    Scene::start(seed, PACE).play(|stage| weather.rage(stage, &mut random, time));
    let Weather {
        most_memory,
        kills,
        outages,
        ..
    } = weather;
    println!(
        "{kills} kills, {outages} outages, at most {} KiB",
        most_memory >> 10
    );
    assert!(most_memory < MEMORY, "{most_memory} bytes resident");
}

/// What happens to the processes around the devices.
#[derive(Default)]
struct Weather {
    /// Which of the two services cannot be reached.
    is_away: [bool; 2],
    most_memory: u64,
    kills: u32,
    outages: u32,
}

impl Weather {
    /// Kills, outages and returns by chance, for `time`; in the end all are there.
    fn rage(&mut self, stage: &mut Stage, random: &mut Random, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.watch(stage, Duration::from_millis(random.within(300..2_500)));
            let away = random.within(0..2) as usize;
            match random.within(0..10) {
                // Nobody stays away for long.
                _ if self.is_away[away] => self.turn(stage, away),
                0..=5 => {
                    stage.gateway.kill9();
                    // One time in three it takes a while to come back.
                    let down = random.within(0..3_000).saturating_sub(2_000);
                    pause(Duration::from_millis(down));
                    stage.gateway.restart();
                    self.kills += 1;
                }
                6..=7 => self.turn(stage, 0),
                _ => self.turn(stage, 1),
            }
        }
        for service in [0, 1] {
            if self.is_away[service] {
                self.turn(stage, service);
            }
        }
    }

    /// A service goes away, or comes back.
    fn turn(&mut self, stage: &mut Stage, service: usize) {
        let away = !self.is_away[service];
        match (service, away) {
            (0, true) => stage.firehose.stop(),
            (0, false) => stage.firehose.restart(),
            (_, true) => stage.analytics.stop(),
            (_, false) => stage.analytics.restart(),
        }
        self.is_away[service] = away;
        self.outages += u32::from(away);
    }

    /// Lets `time` pass and looks at the memory of the gateway meanwhile.
    fn watch(&mut self, stage: &Stage, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.most_memory = self.most_memory.max(stage.gateway.resident_bytes());
            pause(Duration::from_millis(50));
        }
    }
}
