//! Faults by chance, the same ones for the same seed and order of requests.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::answer::Answer;

/// Faults with their probabilities, and how often each has been done.
///
/// A request for which nothing is drawn is answered as without chaos.
#[derive(Clone, Debug)]
pub struct Chaos {
    random: Rng,
    faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
struct Fault {
    name: String,
    probability: f64,
    answer: Answer,
    done: u64,
}

impl Chaos {
    /// No fault yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            faults: Vec::new(),
        }
    }

    /// With `answer` to a request with this probability, from 0 to 1; all faults together
    /// are 1 at most, and what goes beyond is never drawn.
    #[must_use]
    pub fn with(mut self, name: &str, probability: f64, answer: Answer) -> Self {
        self.faults.push(Fault {
            name: name.to_owned(),
            probability,
            answer,
            done: 0,
        });
        self
    }

    /// With each of `faults` equally often, and one of them with this probability.
    #[must_use]
    pub fn with_all<'a>(
        self,
        probability: f64,
        faults: impl IntoIterator<Item = (&'a str, Answer)>,
    ) -> Self {
        let faults: Vec<_> = faults.into_iter().collect();
        let each = probability / faults.len() as f64;
        faults
            .into_iter()
            .fold(self, |chaos, (name, answer)| chaos.with(name, each, answer))
    }

    /// What is done with the next request.
    pub(crate) fn draw(&mut self) -> Option<(String, Answer)> {
        let mut left = self.random.f64();
        let fault = self.faults.iter().find(|fault| {
            left -= fault.probability;
            left < 0.0
        })?;
        Some((fault.name.clone(), fault.answer.clone()))
    }

    /// Notes that a fault has been done.
    pub(crate) fn count(&mut self, name: &str) {
        if let Some(fault) = self.faults.iter_mut().find(|fault| fault.name == name) {
            fault.done += 1;
        }
    }

    /// How often each fault has been done, by its name.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.faults.iter();
        counts
            .map(|fault| (fault.name.clone(), fault.done))
            .collect()
    }
}
