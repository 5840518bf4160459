//! When the next request may start: back-off with jitter, and a circuit per destination.
//!
//! - A request of which nothing came through is a failure: nothing starts for a random
//!   part of a time that doubles with each failure in a row, up to a maximum.
//! - A request that came through in part is a sign of throttling: nothing starts for a
//!   random part of the initial time. It does not double: records get through.
//! - After [`OPENS_AFTER`] failures in a row the circuit opens: one request at a time,
//!   until one comes through.
//! - Requests that were in flight together fail together and count as one failure.
//!
//! Time and chance are arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::reminder::Reminder;

/// Failures in a row before the circuit opens.
const OPENS_AFTER: u32 = 5;

/// How long a destination that failed is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// At most this long after the first failure.
    pub initial: Duration,
    /// At most this long after any.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(30),
        }
    }
}

impl Retry {
    /// The wait after `failures` in a row: full jitter, `random` is from 0 to 1.
    fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.initial.saturating_mul(1 << doublings).min(self.max);
        ceiling.mul_f64(random.clamp(0.0, 1.0))
    }
}

/// Whether a request may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// At once.
    Go,
    /// Not before.
    At(Instant),
    /// When the request in flight has its answer.
    AfterAnswer,
}

/// What the log has to say about a circuit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Opened,
    StillOpen { failing_for: Duration },
    Closed { failed_for: Duration },
}

/// Decides when the next request to a destination may start.
#[derive(Debug)]
pub(super) struct Circuit {
    retry: Retry,
    /// Nothing starts before.
    resume: Option<Instant>,
    outage: Option<Outage>,
}

/// Failures in a row.
#[derive(Debug)]
struct Outage {
    failures: u32,
    since: Instant,
    /// A request that started before this one failed is part of the same failure.
    last: Instant,
    reminder: Reminder,
}

impl Circuit {
    pub(super) fn new(retry: Retry) -> Self {
        Circuit {
            retry,
            resume: None,
            outage: None,
        }
    }

    pub(super) fn admits(&self, now: Instant, in_flight: usize) -> Admission {
        if self.is_open() && in_flight > 0 {
            return Admission::AfterAnswer;
        }
        match self.resume {
            Some(resume) if resume > now => Admission::At(resume),
            _ => Admission::Go,
        }
    }

    /// A request came through whole.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Change> {
        let outage = self.outage.take()?;
        let failed_for = now - outage.since;
        outage.is_open().then_some(Change::Closed { failed_for })
    }

    /// A request came through in part; the rest is to be sent again.
    pub(super) fn stumbled(&mut self, now: Instant, random: f64) -> Option<Change> {
        let resume = now + self.retry.delay(1, random);
        self.resume = self.resume.max(Some(resume));
        self.succeeded(now)
    }

    /// Nothing came through of a request that started at `started`.
    pub(super) fn failed(&mut self, started: Instant, now: Instant, random: f64) -> Option<Change> {
        let outage = self.outage.get_or_insert(Outage {
            failures: 0,
            since: now,
            last: started,
            reminder: Reminder::default(),
        });
        if started < outage.last {
            return None;
        }
        outage.failures = outage.failures.saturating_add(1);
        outage.last = now;
        self.resume = Some(now + self.retry.delay(outage.failures, random));

        if !outage.is_open() {
            return None;
        }
        outage.reminder.count(1, now)?;
        Some(match outage.failures {
            OPENS_AFTER => Change::Opened,
            _ => Change::StillOpen {
                failing_for: now - outage.since,
            },
        })
    }

    fn is_open(&self) -> bool {
        self.outage.as_ref().is_some_and(Outage::is_open)
    }
}

impl Outage {
    fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reminder;

    const RETRY: Retry = Retry {
        initial: Duration::from_millis(100),
        max: Duration::from_millis(1_000),
    };

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Fails `count` times, each request starting when it may.
    fn fail(circuit: &mut Circuit, count: u32, mut now: Instant) -> (Instant, Vec<Change>) {
        let mut changes = Vec::new();
        for _ in 0..count {
            if let Admission::At(resume) = circuit.admits(now, 0) {
                now = resume;
            }
            changes.extend(circuit.failed(now, now, 1.0));
        }
        (now, changes)
    }

    #[test]
    fn the_wait_doubles_up_to_the_maximum() {
        let waits: Vec<_> = (1..=6).map(|failures| RETRY.delay(failures, 1.0)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000].map(millis));
        assert_eq!(RETRY.delay(u32::MAX, 1.0), RETRY.max);
    }

    #[test]
    fn the_wait_is_a_random_part_of_its_ceiling() {
        assert_eq!(RETRY.delay(3, 0.0), Duration::ZERO);
        assert_eq!(RETRY.delay(3, 0.25), millis(100));
    }

    #[test]
    fn the_largest_settings_do_not_overflow() {
        let retry = Retry {
            initial: Duration::MAX,
            max: Duration::MAX,
        };
        assert_eq!(retry.delay(40, 0.0), Duration::ZERO);
        let day = Retry {
            initial: Duration::from_secs(86_400),
            max: Duration::MAX,
        };
        assert!(day.delay(40, 1.0) > day.initial);
    }

    #[test]
    fn nothing_starts_before_the_wait_is_over() {
        let start = Instant::now();
        let mut circuit = Circuit::new(RETRY);
        assert_eq!(circuit.admits(start, 3), Admission::Go);

        circuit.failed(start, start, 0.5);
        assert_eq!(circuit.admits(start, 0), Admission::At(start + millis(50)));
        assert_eq!(circuit.admits(start + millis(50), 0), Admission::Go);
    }

    #[test]
    fn requests_that_were_in_flight_together_count_as_one_failure() {
        let start = Instant::now();
        let mut circuit = Circuit::new(RETRY);
        for moment in 1..=20 {
            circuit.failed(start, start + millis(moment), 1.0);
        }
        assert_eq!(
            circuit.admits(start + millis(20), 3),
            Admission::At(start + millis(101))
        );
    }

    #[test]
    fn the_circuit_opens_after_several_failures_and_lets_one_request_through_at_a_time() {
        let mut circuit = Circuit::new(RETRY);
        let (now, changes) = fail(&mut circuit, OPENS_AFTER - 1, Instant::now());
        assert_eq!(changes, []);
        assert_ne!(circuit.admits(now, 1), Admission::AfterAnswer);

        let (now, changes) = fail(&mut circuit, 1, now);
        assert_eq!(changes, [Change::Opened]);
        assert_eq!(circuit.admits(now + RETRY.max, 1), Admission::AfterAnswer);
        assert_eq!(circuit.admits(now + RETRY.max, 0), Admission::Go);
    }

    #[test]
    fn the_first_success_closes_the_circuit() {
        let start = Instant::now();
        let mut circuit = Circuit::new(RETRY);
        let (now, _) = fail(&mut circuit, OPENS_AFTER, start);
        let end = now + RETRY.max;
        assert_eq!(
            circuit.succeeded(end),
            Some(Change::Closed {
                failed_for: end - start
            })
        );
        assert_eq!(circuit.admits(end, 3), Admission::Go);
        assert_eq!(circuit.succeeded(end), None);
    }

    #[test]
    fn a_success_before_the_circuit_opens_is_nothing_to_talk_about() {
        let mut circuit = Circuit::new(RETRY);
        let (now, _) = fail(&mut circuit, OPENS_AFTER - 1, Instant::now());
        assert_eq!(circuit.succeeded(now), None);
        let (_, changes) = fail(&mut circuit, OPENS_AFTER - 1, now);
        assert_eq!(changes, [], "failures before a success do not count");
    }

    #[test]
    fn a_request_that_came_through_in_part_closes_the_circuit_and_pauses_it_a_little() {
        let mut circuit = Circuit::new(RETRY);
        let (now, _) = fail(&mut circuit, OPENS_AFTER, Instant::now());
        let end = now + RETRY.max;
        assert!(matches!(
            circuit.stumbled(end, 1.0),
            Some(Change::Closed { .. })
        ));
        for _ in 0..10 {
            circuit.stumbled(end, 1.0);
        }
        assert_eq!(circuit.admits(end, 3), Admission::At(end + RETRY.initial));
    }

    #[test]
    fn an_open_circuit_is_brought_to_mind_at_intervals() {
        let start = Instant::now();
        let mut circuit = Circuit::new(RETRY);
        let (now, _) = fail(&mut circuit, OPENS_AFTER, start);
        assert_eq!(circuit.failed(now, now + reminder::INTERVAL / 2, 1.0), None);
        let later = now + reminder::INTERVAL;
        assert_eq!(
            circuit.failed(later, later, 1.0),
            Some(Change::StillOpen {
                failing_for: later - start
            })
        );
        assert_eq!(circuit.failed(later, later + millis(1), 1.0), None);
    }
}
