//! Says what keeps happening at intervals, with how often it happened.

use std::time::Duration;

use tokio::time::Instant;

/// How long the log is silent in between.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// Counts events until they are to be mentioned again.
#[derive(Debug, Default)]
pub(crate) struct Reminder {
    mentioned: Option<Instant>,
    events: u64,
}

impl Reminder {
    /// Counts `events`; how many there were since the last time, when that is to be said.
    pub(crate) fn count(&mut self, events: u64, now: Instant) -> Option<u64> {
        self.events += events;
        if self.events == 0 || self.mentioned.is_some_and(|then| now - then < INTERVAL) {
            return None;
        }
        self.mentioned = Some(now);
        Some(std::mem::take(&mut self.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_mentioned_at_once_and_the_next_ones_together() {
        let start = Instant::now();
        let mut reminder = Reminder::default();
        assert_eq!(reminder.count(0, start), None);
        assert_eq!(reminder.count(2, start), Some(2));
        assert_eq!(reminder.count(3, start), None);
        assert_eq!(
            reminder.count(4, start + INTERVAL - Duration::from_millis(1)),
            None
        );
        assert_eq!(reminder.count(0, start + INTERVAL), Some(7));
        assert_eq!(reminder.count(0, start + INTERVAL * 3), None);
    }
}
