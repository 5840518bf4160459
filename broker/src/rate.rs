//! How often something may happen: so many at once, then so many per second.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Rate {
    /// The time that one takes.
    each: Duration,
    /// The time that as many as may happen at once take.
    burst: Duration,
    /// When all that happened would be over at an even pace.
    busy_until: Option<Instant>,
}

impl Rate {
    /// `per_second`, and as many at once; zero is no bound.
    pub(crate) fn of(per_second: u32) -> Option<Rate> {
        Rate::with_burst(per_second, per_second)
    }

    /// `per_second`, after `burst` at once; zero is no bound.
    pub(crate) fn with_burst(per_second: u32, burst: u32) -> Option<Rate> {
        let each = Duration::from_secs(1).checked_div(per_second)?;
        Some(Rate {
            each,
            burst: each * burst.max(1),
            busy_until: None,
        })
    }

    /// Lets one happen at `now`, or says when it may.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let busy_until = self.busy_until.map_or(now, |until| until.max(now)) + self.each;
        if busy_until > now + self.burst {
            return Err(busy_until - self.burst);
        }
        self.busy_until = Some(busy_until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_may_pass_and_then_an_even_stream() {
        let mut rate = Rate::with_burst(10, 3).unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(rate.take(start), Ok(()));
        }
        let next = start + Duration::from_millis(100);
        assert_eq!(rate.take(start), Err(next));
        assert_eq!(rate.take(next), Ok(()));
        assert!(rate.take(next).is_err());
        let later = start + Duration::from_secs(60);
        for _ in 0..3 {
            assert_eq!(rate.take(later), Ok(()));
        }
        assert!(rate.take(later).is_err());
    }

    #[test]
    fn zero_is_no_bound() {
        assert!(Rate::of(0).is_none());
    }
}
