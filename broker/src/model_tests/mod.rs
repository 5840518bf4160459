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

use proptest::prelude::*;

pub(crate) use self::running::Open;
use self::{
    steps::{Case, Restart, Step, case},
    world::World,
};
use crate::random_cases;

const CASES: &str = "PERENNIAL_MODEL_CASES";

/// Runs the steps, and then what every case ends with.
fn run(case: &Case) {
    random_cases::run(async {
        let mut world = World::open(case);
        for step in &case.steps {
            world.take(step).await;
        }
        world.finish().await;
    });
}

#[test]
fn whatever_clients_do_they_get_what_the_model_owes_them() {
    proptest!(random_cases::config(CASES, 300), |(case in case())| run(&case));
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
