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

use proptest::prelude::*;

use self::{
    steps::{Case, Step, case},
    world::World,
};
use crate::{random_cases, store::failing::Writes};

const CASES: &str = "PERENNIAL_FAULT_CASES";

/// Takes the steps, lets the store fail, and holds what is on disk against what was confirmed.
fn run(case: &Case) {
    random_cases::run(async {
        let mut world = World::open();
        for step in &case.steps {
            world.take(step).await;
        }
        world.finish().await;
    });
}

#[test]
fn whatever_was_confirmed_is_on_disk_when_the_store_fails() {
    proptest!(random_cases::config(CASES, 150), |(case in case())| run(&case));
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
