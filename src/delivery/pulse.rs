//! How a lane fares, for people: how old its oldest record is, how fast records come and go,
//! and whether the upstream takes them.
//!
//! The worker notes what it knows, a clock that ticks each second measures the rates, and
//! whoever asks reads.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    delivery::{CircuitState, Counts},
    reminder::Reminder,
};

/// How long the rates remember.
const MEMORY: Duration = Duration::from_secs(10);

/// Records that are older are a backlog, whose way out is told to the log.
const BACKLOG: Duration = Duration::from_secs(30);

/// What is known of a lane.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// The time of the oldest record, in milliseconds since the Unix epoch; 0 is none.
    oldest: AtomicU64,
    outage: Mutex<Option<Outage>>,
    rates: Mutex<Rates>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    error: String,
}

/// Records per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    /// That came.
    pub(super) arrival: f64,
    /// That ended, be it upstream or otherwise.
    pub(super) end: f64,
}

#[derive(Debug, Default)]
struct Rates {
    rate: Rate,
    last: Option<(Instant, Counts)>,
    reminder: Reminder,
}

/// What the log is to hear of a backlog.
#[derive(Debug, PartialEq)]
pub(super) struct Draining {
    pub(super) rate: Rate,
    pub(super) time_to_drain: Option<Duration>,
}

impl Pulse {
    pub(super) fn set_oldest(&self, time: Option<u64>) {
        self.oldest.store(time.unwrap_or(0), Relaxed);
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        Some(self.oldest.load(Relaxed)).filter(|time| *time > 0)
    }

    /// Requests fail, the latest with `error`.
    pub(super) fn fails(&self, error: String, now: Instant) {
        let mut outage = locked(&self.outage);
        let since = outage.as_ref().map_or(now, |outage| outage.since);
        *outage = Some(Outage { since, error });
    }

    /// A request came through.
    pub(super) fn recovers(&self) {
        *locked(&self.outage) = None;
    }

    pub(super) fn circuit(&self, now: Instant) -> CircuitState {
        match &*locked(&self.outage) {
            None => CircuitState::Closed,
            Some(Outage { since, error }) => CircuitState::Open {
                failing_for: now.saturating_duration_since(*since),
                error: error.clone(),
            },
        }
    }

    pub(super) fn rate(&self) -> Rate {
        locked(&self.rates).rate
    }

    /// Measures; what the log is to hear, when it is to hear again.
    pub(super) fn tick(&self, counts: Counts, now: Instant, unix_millis: u64) -> Option<Draining> {
        let mut rates = locked(&self.rates);
        rates.measure(counts, now);
        let age = unix_millis.saturating_sub(self.oldest()?);
        let is_backlog = u128::from(age) > BACKLOG.as_millis() && counts.queued > 0;
        if !is_backlog || locked(&self.outage).is_some() {
            return None;
        }
        rates.reminder.count(1, now)?;
        let rate = rates.rate;
        Some(Draining {
            rate,
            time_to_drain: time_to_drain(counts.queued, rate),
        })
    }
}

impl Rates {
    fn measure(&mut self, counts: Counts, now: Instant) {
        let Some((then, before)) = self.last.replace((now, counts)) else {
            return;
        };
        let seconds = (now - then).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let weight = 1.0 - (-seconds / MEMORY.as_secs_f64()).exp();
        let per_second = |after: u64, before: u64| after.saturating_sub(before) as f64 / seconds;
        let towards = |rate: &mut f64, latest: f64| *rate += (latest - *rate) * weight;
        towards(
            &mut self.rate.arrival,
            per_second(counts.accepted, before.accepted),
        );
        towards(&mut self.rate.end, per_second(ended(counts), ended(before)));
    }
}

/// How long `queued` records take at `rate`; `None` when it does not get fewer.
pub(super) fn time_to_drain(queued: u64, rate: Rate) -> Option<Duration> {
    if queued == 0 {
        return Some(Duration::ZERO);
    }
    let fewer = rate.end - rate.arrival;
    let seconds = queued as f64 / fewer;
    // Below a record in ten seconds the rates say nothing.
    (fewer > 0.1).then(|| Duration::from_secs_f64(seconds.round()))
}

fn ended(counts: Counts) -> u64 {
    counts.delivered + counts.dead + counts.dropped + counts.expired
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counts(accepted: u64, delivered: u64) -> Counts {
        Counts {
            accepted,
            delivered,
            queued: accepted - delivered,
            ..Counts::default()
        }
    }

    /// Ticks each second of a minute in which so many records come and go.
    fn a_minute(pulse: &Pulse, arrive: u64, end: u64) -> Vec<Draining> {
        let start = Instant::now();
        let tick = |second: u64| {
            let now = start + SECOND * second as u32;
            let counts = counts(100_000 + arrive * second, end * second);
            pulse.tick(counts, now, 1_000_000 + second * 1_000)
        };
        (0..=60).filter_map(tick).collect()
    }

    #[test]
    fn the_rates_follow_what_comes_and_goes() {
        let pulse = Pulse::default();
        a_minute(&pulse, 100, 350);
        let Rate { arrival, end } = pulse.rate();
        assert!((99.0..100.1).contains(&arrival), "{arrival}");
        assert!((346.0..350.1).contains(&end), "{end}");
    }

    #[test]
    fn a_backlog_is_told_at_intervals_with_the_time_that_it_takes() {
        let pulse = Pulse::default();
        assert_eq!(a_minute(&pulse, 0, 500), []);
        pulse.set_oldest(Some(900_000));
        let told = a_minute(&pulse, 0, 500);
        assert_eq!(told.len(), 2);
        assert!(told[1].time_to_drain.is_some());
        pulse.fails("down".to_owned(), Instant::now());
        assert_eq!(a_minute(&pulse, 0, 0), []);
    }

    #[test]
    fn what_does_not_get_fewer_has_no_end() {
        let rate = |arrival, end| Rate { arrival, end };
        assert_eq!(time_to_drain(1_000, rate(100.0, 300.0)), Some(SECOND * 5));
        assert_eq!(time_to_drain(1_000, rate(100.0, 100.0)), None);
        assert_eq!(time_to_drain(1_000, rate(0.0, 0.0)), None);
        assert_eq!(time_to_drain(0, rate(5.0, 0.0)), Some(Duration::ZERO));
    }

    #[test]
    fn an_outage_lasts_from_its_first_failure_to_the_next_success() {
        let pulse = Pulse::default();
        let start = Instant::now();
        pulse.fails("first".to_owned(), start);
        pulse.fails("second".to_owned(), start + SECOND);
        let open = CircuitState::Open {
            failing_for: SECOND * 3,
            error: "second".to_owned(),
        };
        assert_eq!(pulse.circuit(start + SECOND * 3), open);
        pulse.recovers();
        assert_eq!(pulse.circuit(start), CircuitState::Closed);
    }
}
