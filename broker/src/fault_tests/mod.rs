//! Random clients on a store that fails, and what is then on disk.
//!
//! Clients do what they like without waiting for answers, and the writes of the store wait for a
//! word, so that much is half done when a write fails. A [`Ledger`] notes what each client was
//! told; the folder is opened again, and whatever was confirmed has to be in it.
//!
//! `PERENNIAL_FAULT_CASES` sets how many cases are run. Of a case that fails, the steps that are
//! needed for it are printed; [`run`] takes them.
//!
//! [`Ledger`]: ledger::Ledger

mod client;
mod contents;
mod ledger;
mod promises;
mod steps;
mod world;

use proptest::{prelude::*, test_runner::Config};

use self::{
    steps::{Case, Step, case},
    world::World,
};
use crate::store::failing::Writes;

const CASES: &str = "PERENNIAL_FAULT_CASES";

/// Takes the steps, lets the store fail, and holds what is on disk against what was confirmed.
fn run(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::open();
        for step in &case.steps {
            world.take(step).await;
        }
        world.finish().await;
    });
}

fn cases() -> u32 {
    let asked = std::env::var(CASES).ok();
    asked.map_or(150, |asked| asked.parse().expect("it is a number of cases"))
}

#[test]
fn whatever_was_confirmed_is_on_disk_when_the_store_fails() {
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
fn nobody_is_told_that_a_session_is_gone_which_is_still_on_disk() {
    let client = 1;
    let connect = |lasts: bool| Step::Connect {
        client,
        clean: !lasts,
        lasts,
        will: None,
    };
    let leave = Step::Leave { client, ends: true };
    let (wait, fail) = (Step::Writes(Writes::Wait(0)), Step::Writes(Writes::Fail));
    let begin = [connect(true), Step::Rest];
    // The end waits for the disk, or comes too late for it.
    let ends = [
        vec![wait, leave.clone(), Step::Rest, connect(false), Step::Rest],
        vec![
            fail,
            Step::Rest,
            leave,
            Step::Rest,
            connect(false),
            Step::Rest,
        ],
    ];
    for end in ends {
        let steps = begin.iter().cloned().chain(end).collect();
        run(&Case { steps });
    }
}
