//! What goes wrong with requests, drawn by chance.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use perennial_doubles::{Answer, Call, Chaos, Double};

use super::way::Id;
use crate::support::random::Random;

/// Requests in a thousand that meet a fault.
const FAULTS: u64 = 300;

/// A service in a storm: it refuses poison, and fails by chance until it is calm.
#[derive(Clone)]
pub(super) struct Storm(Arc<Mutex<State>>);

struct State {
    random: Random,
    is_calm: bool,
    faults: Vec<(&'static str, Answer)>,
    refusal: Answer,
    /// How often each fault was done.
    done: BTreeMap<&'static str, u64>,
}

impl Storm {
    /// Begins over `double`, whose faults are `faults`; a request with poison is answered by `refusal`.
    pub(super) fn over<C: Call>(
        double: &Double<C>,
        seed: u64,
        faults: Vec<(&'static str, Answer)>,
        refusal: Answer,
    ) -> Self {
        let mut faults = faults;
        faults.extend([
            ("hang", Answer::Hang),
            ("slow", Answer::Accept.after(Duration::from_millis(700))),
            (
                "slow_beyond_the_timeout",
                Answer::Accept.after(Duration::from_millis(1_500)),
            ),
        ]);
        // Connections that are closed before a request is read are the double's own to draw.
        double.start_chaos(Chaos::new(seed).with("close_unread", 0.02, Answer::CloseUnread));
        let storm = Self(Arc::new(Mutex::new(State {
            random: Random::from_seed(seed),
            is_calm: false,
            faults,
            refusal,
            done: BTreeMap::new(),
        })));
        let drawn = storm.clone();
        double.respond_with(move |request| {
            let mut records = request.records().iter();
            let poisoned = records.any(|record| Id::is_poison(C::payload(record)));
            drawn.state().draw(poisoned)
        });
        storm
    }

    /// Ends; poison is refused as before. How often each fault was done.
    pub(super) fn calm<C: Call>(&self, double: &Double<C>) -> BTreeMap<String, u64> {
        let mut counts = double.end_chaos();
        let mut state = self.state();
        state.is_calm = true;
        let done = state.done.iter();
        counts.extend(done.map(|(name, count)| ((*name).to_owned(), *count)));
        counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, poisoned: bool) -> Answer {
        let is_fault = !self.is_calm && self.random.within(0..1_000) < FAULTS;
        let index = self.random.within(0..self.faults.len() as u64) as usize;
        let (name, fault) = &self.faults[index];
        // No fault makes the service take what it refuses.
        if is_fault && !(poisoned && takes(fault)) {
            *self.done.entry(name).or_default() += 1;
            return fault.clone();
        }
        if poisoned {
            *self.done.entry("poison").or_default() += 1;
            return self.refusal.clone();
        }
        Answer::Accept
    }
}

/// Whether any record is taken.
fn takes(answer: &Answer) -> bool {
    match answer {
        Answer::Delayed(_, then) => takes(then),
        Answer::Error { .. }
        | Answer::Body { .. }
        | Answer::Hang
        | Answer::CloseUnread
        | Answer::ResetBefore
        | Answer::ResetMidBody => false,
        _ => true,
    }
}
