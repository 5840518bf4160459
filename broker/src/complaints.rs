//! Log lines about clients that break a rule, as many as a person can read.
//!
//! A client that reconnects in a loop must not fill the disk with lines about itself.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::info;

use crate::peer::Peer;

/// Lines in each interval; what is beyond them is counted and told with the next line.
const LINES: u32 = 20;
const INTERVAL: Duration = Duration::from_secs(10);

/// What was logged in the interval.
#[derive(Default)]
pub(crate) struct Complaints {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    interval: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Complaints {
    /// Logs why a connection was refused or closed, if there is a line left.
    pub(crate) fn log(&self, client: &str, peer: Peer, what: &str) {
        let Some(suppressed) = self.state.lock().admit(Instant::now()) else {
            return;
        };
        info!(client, %peer, what, suppressed, "a connection was refused or closed");
    }
}

impl State {
    /// Whether a line may be logged, and how many were not since the last one.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let began = *self.interval.get_or_insert(now);
        if now.duration_since(began) >= INTERVAL {
            self.interval = Some(now);
            self.lines = 0;
        }
        if self.lines == LINES {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_bound_are_counted_and_told_in_the_next_interval() {
        let mut state = State::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(state.admit(start), Some(0));
        }
        assert_eq!(state.admit(start), None);
        assert_eq!(state.admit(start + INTERVAL / 2), None);
        assert_eq!(state.admit(start + INTERVAL), Some(2));
        assert_eq!(state.admit(start + INTERVAL), Some(0));
    }
}
