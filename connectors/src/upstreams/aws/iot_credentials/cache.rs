//! Credentials while they are good: when to ask for new ones, and who has to wait for them.
//!
//! - New credentials are asked for before the old ones expire, once for all who want some.
//! - While the old ones are good nobody waits, and a failure to renew them is no failure.
//! - Without good ones a failure is everybody's, and the next question comes a second later.
//!
//! Time is an argument.

use std::time::Duration;

use aws_credential_types::Credentials;
use tokio::time::Instant;

use crate::SendError;

/// How long before their end credentials are renewed; a quarter of their life, if that is less.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// The time from a failure to the next question, while the credentials from before are good.
const CALM_PAUSE: Duration = Duration::from_secs(30);

/// The time between two questions, while there are none.
const PAUSE: Duration = Duration::from_secs(1);

/// Credentials, and how long they are good from when they were granted.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) credentials: Credentials,
    pub(super) lifetime: Duration,
}

/// The credentials that are known, and what became of the last question.
#[derive(Debug, Default)]
pub(super) struct Cache {
    held: Option<Held>,
    is_asking: bool,
    last: Option<Last>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    renew: Instant,
    end: Instant,
}

#[derive(Debug)]
struct Last {
    at: Instant,
    failure: Option<SendError>,
}

/// What one who wants credentials is to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Take these.
    Take(Credentials),
    /// Ask for new ones, and take these where there are some.
    Ask(Option<Credentials>),
    /// Come again when the answer is there.
    Wait,
    /// Come again then.
    WaitUntil(Instant),
    /// Do without.
    Fail(SendError),
}

impl Cache {
    /// What one who comes at `now` is to do.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if let Some(held) = self.held.as_ref().filter(|held| now < held.end) {
            let credentials = held.credentials.clone();
            let failed = |last: &Last| last.failure.is_some() && now < last.at + CALM_PAUSE;
            if now < held.renew || self.is_asking || self.last.as_ref().is_some_and(failed) {
                return Step::Take(credentials);
            }
            self.is_asking = true;
            return Step::Ask(Some(credentials));
        }
        if self.is_asking {
            return Step::Wait;
        }
        match &self.last {
            Some(last) if now < last.at + PAUSE => match &last.failure {
                Some(failure) => Step::Fail(failure.clone()),
                None => Step::WaitUntil(last.at + PAUSE),
            },
            _ => {
                self.is_asking = true;
                Step::Ask(None)
            }
        }
    }

    /// Takes the answer to a question.
    pub(super) fn answered(&mut self, answer: Result<Granted, SendError>, now: Instant) {
        self.is_asking = false;
        let failure = match answer {
            Ok(Granted {
                credentials,
                lifetime,
            }) => {
                self.held = Some(Held {
                    credentials,
                    renew: now + (lifetime - RENEW_BEFORE.min(lifetime / 4)),
                    end: now + lifetime,
                });
                None
            }
            Err(failure) => Some(failure),
        };
        self.last = Some(Last { at: now, failure });
    }

    /// Forgets the credentials, since a service has refused them.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureClass::Unavailable;

    const HOUR: Duration = Duration::from_secs(3_600);
    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    fn granted(name: &str, lifetime: Duration) -> Result<Granted, SendError> {
        Ok(Granted {
            credentials: Credentials::new(name, "secret", None, None, "test"),
            lifetime,
        })
    }

    fn failure() -> Result<Granted, SendError> {
        Err(SendError::new(Unavailable, "ConnectError", "away"))
    }

    /// A step as a word: `take a`, `ask`, `ask, take a`.
    fn step(cache: &mut Cache, now: Instant) -> String {
        match cache.step(now) {
            Step::Take(these) => format!("take {}", these.access_key_id()),
            Step::Ask(Some(these)) => format!("ask, take {}", these.access_key_id()),
            Step::Ask(None) => "ask".to_owned(),
            Step::Wait => "wait".to_owned(),
            Step::WaitUntil(then) => format!("wait {} ms", (then - now).as_millis()),
            Step::Fail(failure) => format!("fail {}", failure.code),
        }
    }

    #[test]
    fn the_first_asks_and_the_others_wait_for_the_answer() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        assert_eq!(step(&mut cache, now), "ask");
        assert_eq!(step(&mut cache, now), "wait");
        cache.answered(granted("a", HOUR), now);
        assert_eq!(step(&mut cache, now), "take a");
    }

    #[test]
    fn one_asks_five_minutes_before_the_end_and_nobody_waits() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        step(&mut cache, start);
        cache.answered(granted("a", HOUR), start);
        let due = start + HOUR - RENEW_BEFORE;
        assert_eq!(step(&mut cache, due - MILLI), "take a");
        assert_eq!(step(&mut cache, due), "ask, take a");
        assert_eq!(step(&mut cache, due), "take a");
        cache.answered(granted("b", HOUR), due);
        assert_eq!(step(&mut cache, due), "take b");
    }

    #[test]
    fn short_lived_ones_are_renewed_in_the_last_quarter() {
        for life in [4, 40, 400] {
            let (mut cache, start) = (Cache::default(), Instant::now());
            step(&mut cache, start);
            cache.answered(granted("a", life * SECOND), start);
            let due = start + life * SECOND * 3 / 4;
            assert_eq!(step(&mut cache, due - MILLI), "take a");
            assert_eq!(step(&mut cache, due), "ask, take a");
        }
    }

    #[test]
    fn a_failure_to_renew_is_none_while_the_old_ones_are_good() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        step(&mut cache, start);
        cache.answered(granted("a", HOUR), start);
        let due = start + HOUR - RENEW_BEFORE;
        assert_eq!(step(&mut cache, due), "ask, take a");
        cache.answered(failure(), due);
        assert_eq!(step(&mut cache, due + CALM_PAUSE - MILLI), "take a");
        assert_eq!(step(&mut cache, due + CALM_PAUSE), "ask, take a");
        cache.answered(failure(), start + HOUR - MILLI);
        assert_eq!(step(&mut cache, start + HOUR - MILLI), "take a");
        assert_eq!(step(&mut cache, start + HOUR), "fail ConnectError");
        assert_eq!(step(&mut cache, start + HOUR + PAUSE), "ask");
    }

    #[test]
    fn a_failure_is_everybodys_for_a_second_when_there_are_none() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        step(&mut cache, now);
        cache.answered(failure(), now);
        for _ in 0..3 {
            assert_eq!(step(&mut cache, now + PAUSE - MILLI), "fail ConnectError");
        }
        assert_eq!(step(&mut cache, now + PAUSE), "ask");
        assert_eq!(step(&mut cache, now + PAUSE), "wait");
    }

    #[test]
    fn forgotten_ones_are_not_handed_out_again_and_new_ones_come_once_a_second() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        step(&mut cache, now);
        cache.answered(granted("a", HOUR), now);
        cache.forget();
        assert_eq!(step(&mut cache, now + 400 * MILLI), "wait 600 ms");
        assert_eq!(step(&mut cache, now + PAUSE), "ask");
        assert_eq!(step(&mut cache, now + PAUSE), "wait");
        cache.forget();
        cache.answered(granted("b", HOUR), now + PAUSE);
        assert_eq!(step(&mut cache, now + PAUSE), "take b");
    }
}
