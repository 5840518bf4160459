//! Connections that have not sent their CONNECT: each has a deadline, and all of them a bound.
//!
//! At the bound the one that has waited longest goes for the newest, so that nobody keeps others
//! out by being silent.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// The connections that have not sent their CONNECT.
pub(super) struct Handshakes {
    max: usize,
    waiting: Mutex<Waiting>,
}

/// In the order of their beginning.
#[derive(Default)]
struct Waiting {
    next: u64,
    places: BTreeMap<u64, Place>,
}

struct Place {
    since: Instant,
    /// Dropped to take the place away.
    _evict: oneshot::Sender<()>,
}

/// A connection's time and place until its CONNECT was accepted; dropping it gives the place back.
pub(crate) struct Handshake {
    number: u64,
    deadline: Instant,
    evicted: oneshot::Receiver<()>,
    all: Arc<Handshakes>,
}

/// Why a handshake did not come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    /// Its time was over.
    Late,
    /// Its place was needed.
    Evicted,
}

impl Handshakes {
    pub(super) fn new(max: usize) -> Handshakes {
        Handshakes {
            max,
            waiting: Mutex::default(),
        }
    }

    /// Whether the next one takes the place of another.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.lock().places.len() >= self.max
    }

    /// A place until `limit` after `now`, and whether another had to go for it.
    pub(super) fn begin(self: &Arc<Self>, now: Instant, limit: Duration) -> (Handshake, bool) {
        let (sender, evicted) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let oldest = if waiting.places.len() >= self.max {
            waiting.places.pop_first()
        } else {
            None
        };
        let number = waiting.next;
        waiting.next += 1;
        let place = Place {
            since: now,
            _evict: sender,
        };
        waiting.places.insert(number, place);
        drop(waiting);
        let handshake = Handshake {
            number,
            deadline: now + limit,
            evicted,
            all: Arc::clone(self),
        };
        (handshake, oldest.is_some())
    }

    /// Takes the place of the one that has waited longest, if that is since before `since`.
    pub(super) fn evict(&self, since: Instant) -> bool {
        let mut waiting = self.waiting.lock();
        let oldest = waiting.places.first_entry();
        let evicted = oldest.filter(|oldest| oldest.get().since < since);
        evicted.map(|oldest| oldest.remove()).is_some()
    }
}

impl Handshake {
    /// One beside which there are no others.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone(limit: Duration) -> Handshake {
        let all = Arc::new(Handshakes::new(1));
        all.begin(Instant::now(), limit).0
    }

    /// Does `work` within what is left of the time, unless the place is needed before.
    pub(crate) async fn limit<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            done = timeout_at(self.deadline, work) => done.map_err(|_| Cut::Late),
            _ = &mut self.evicted => Err(Cut::Evicted),
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.waiting.lock().places.remove(&self.number);
    }
}

impl Cut {
    /// The reason in words.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Cut::Late => "no CONNECT came in time",
            Cut::Evicted => "no CONNECT came before its place was needed for another connection",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn at_the_bound_the_one_that_has_waited_longest_goes_for_the_newest() {
        let all = Arc::new(Handshakes::new(2));
        let now = Instant::now();
        let (mut first, _) = all.begin(now, LIMIT);
        let (second, evicts) = all.begin(now, LIMIT);
        assert!(!evicts && all.is_full());
        drop(second);
        assert!(!all.is_full());

        let (mut third, evicts) = all.begin(now, LIMIT);
        assert!(!evicts);
        let (mut fourth, evicts) = all.begin(now, LIMIT);
        assert!(evicts);
        assert_eq!(first.limit(pending::<()>()).await, Err(Cut::Evicted));
        assert_eq!(third.limit(ready(3)).await, Ok(3));
        assert_eq!(fourth.limit(ready(4)).await, Ok(4));
        // Who was evicted takes nobody's place away by leaving.
        drop(first);
        assert!(all.is_full());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_one_for_all_steps_of_a_handshake() {
        let all = Arc::new(Handshakes::new(2));
        let began = Instant::now();
        let (mut handshake, _) = all.begin(began, LIMIT);
        let step = tokio::time::sleep(LIMIT * 2 / 3);
        assert_eq!(handshake.limit(step).await, Ok(()));
        let step = tokio::time::sleep(LIMIT * 2 / 3);
        assert_eq!(handshake.limit(step).await, Err(Cut::Late));
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_that_has_waited_for_long_enough_is_evicted_for_others() {
        let all = Arc::new(Handshakes::new(9));
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let (mut older, _) = all.begin(start, LIMIT);
        let (_younger, _) = all.begin(start + second, LIMIT);
        assert!(!all.evict(start));
        assert!(all.evict(start + second));
        assert!(!all.evict(start + second));
        assert_eq!(older.limit(pending::<()>()).await, Err(Cut::Evicted));
    }
}
