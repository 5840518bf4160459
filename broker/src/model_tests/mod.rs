//! Random clients against the broker and against a plain model of it.
//!
//! Steps follow one another: each is over when the broker has answered it. What subscribers
//! get is compared with what the [`Model`] owes them as it arrives, and at checks nothing may
//! be owed any more.
//!
//! `PERENNIAL_MODEL_CASES` sets how many cases are run. Of a case that fails, the steps that
//! are needed for it are printed; [`run`] takes them.

mod client;
mod model;
mod publishing;
mod running;
mod steps;
mod world;

use proptest::{prelude::*, test_runner::Config};

pub(crate) use self::running::Open;
use self::{
    steps::{Case, Restart, Step, case},
    world::World,
};

const CASES: &str = "PERENNIAL_MODEL_CASES";

/// Runs the steps, and then what every case ends with.
fn run(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::open(case);
        for step in &case.steps {
            world.take(step).await;
        }
        world.finish().await;
    });
}

fn cases() -> u32 {
    let asked = std::env::var(CASES).ok();
    asked.map_or(300, |asked| asked.parse().expect("it is a number of cases"))
}

#[test]
fn whatever_clients_do_they_get_what_the_model_owes_them() {
    let config = Config {
        cases: cases(),
        // The steps themselves are printed.
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    proptest!(config, |(case in case())| run(&case));
}

#[test]
fn a_session_that_a_clean_start_has_ended_does_not_come_back_after_a_kill() {
    let connect = |clean| Step::Connect {
        client: 0,
        clean,
        lasts: !clean,
        receive_maximum: 0,
    };
    let kill = Step::Restart(Restart::Kill);
    let steps = [connect(false), connect(true), kill, connect(false)];
    let case = Case {
        small_mailboxes: false,
        steps: std::iter::repeat_n(steps, 100).flatten().collect(),
    };
    run(&case);
}
