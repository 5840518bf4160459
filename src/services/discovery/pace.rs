//! How often a thing may ask.
//!
//! Requests are counted in windows of a second. What is kept is the names of those who have
//! asked in the window, up to a bound; whoever comes beyond it waits for the next window.
//!
//! Time is an argument.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use perennial_certs::ThingName;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);

/// Requests of one thing in a window.
const MAX_REQUESTS: u32 = 10;

/// Things that ask in one window; no machine shakes hands with as many.
const MAX_THINGS: usize = 10_000;

/// Counts who asks.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    end: Option<Instant>,
    requests: HashMap<ThingName, u32>,
}

impl Pace {
    /// Counts a request of `thing`; whether it is within what may come.
    pub(super) fn admits(&self, thing: &ThingName, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.end.is_none_or(|end| end <= now) {
            *window = Window {
                end: Some(now + WINDOW),
                requests: HashMap::new(),
            };
        }
        if let Some(requests) = window.requests.get_mut(thing) {
            *requests = requests.saturating_add(1);
            return *requests <= MAX_REQUESTS;
        }
        let has_room = window.requests.len() < MAX_THINGS;
        if has_room {
            window.requests.insert(thing.clone(), 1);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(name: &str) -> ThingName {
        name.parse().unwrap()
    }

    #[test]
    fn a_thing_that_asks_too_often_waits_for_the_next_second_and_others_do_not() {
        let (pace, start) = (Pace::default(), Instant::now());
        for _ in 0..MAX_REQUESTS {
            assert!(pace.admits(&thing("eager"), start));
        }
        assert!(!pace.admits(&thing("eager"), start + WINDOW / 2));
        assert!(pace.admits(&thing("calm"), start + WINDOW / 2));
        assert!(pace.admits(&thing("eager"), start + WINDOW));
    }

    #[test]
    fn more_things_than_there_is_room_for_wait_and_those_that_are_known_go_on() {
        let (pace, start) = (Pace::default(), Instant::now());
        for number in 0..MAX_THINGS {
            assert!(pace.admits(&thing(&format!("t{number}")), start));
        }
        assert!(!pace.admits(&thing("late"), start));
        assert!(pace.admits(&thing("t0"), start));
        assert!(pace.admits(&thing("late"), start + WINDOW));
    }
}
