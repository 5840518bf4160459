//! The gateway dies in the moment in which a service has answered: every device hears what
//! became of its message all the same.

use std::time::Duration;

use super::scene::Scene;
use crate::support::{
    random::Random,
    wait::{PATIENCE, pause},
};

const KILLS: usize = 20;

#[test]
fn a_status_is_heard_though_the_gateway_is_killed_when_the_service_has_answered() {
    let (mut random, seed) = Random::seeded();
    println!("PERENNIAL_TEST_SEED={seed}");
    let pace = Duration::from_millis(30);
    Scene::start(seed, pace).calm().play(|stage| {
        for _ in 0..KILLS {
            let stream = ["even", "odd"][random.within(0..2) as usize];
            let (firehose, analytics) = (&stage.firehose, &stage.analytics);
            match random.within(0..2) {
                0 => firehose.wait_for_more_records(stream, PATIENCE),
                _ => analytics.wait_for_more_records(stream, PATIENCE),
            }
            // The answer is on its way: it is read, or the status is published, or the end of
            // the records is being written.
            pause(Duration::from_micros(random.within(0..4_000)));
            stage.gateway.kill9();
            stage.gateway.restart();
        }
    });
}
