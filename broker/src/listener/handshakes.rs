//! Connections that have not sent their CONNECT: each has a deadline, and all of them a bound.
//!
//! At the bound the one that has waited longest goes for the newest, so that nobody keeps others
//! out by being silent. What they have sent may be held in memory, so that has a bound, too: there
//! the one that has sent most goes.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::counters::Counters;

/// Bytes that each may send without being counted: a TLS handshake, a request for a WebSocket and
/// nearly every CONNECT.
const FREE: usize = 16 * 1024;

/// Bytes that all may have sent beyond those.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The connections that have not sent their CONNECT.
#[derive(Debug)]
pub(super) struct Handshakes {
    max: usize,
    waiting: Mutex<Waiting>,
    counters: Arc<Counters>,
}

/// In the order of their beginning.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    places: BTreeMap<u64, Place>,
    /// What is counted of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    /// What the connection has sent beyond what it may freely.
    bytes: usize,
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

/// Counts what a connection sends until its CONNECT was accepted.
#[derive(Debug)]
pub(super) struct Meter {
    number: u64,
    /// What it may still send freely.
    free: usize,
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
    pub(super) fn new(max: usize, counters: Arc<Counters>) -> Handshakes {
        Handshakes {
            max,
            waiting: Mutex::default(),
            counters,
        }
    }

    /// Whether the next one takes the place of another.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.lock().places.len() >= self.max
    }

    /// A place until `limit` after `now`; another may have to go for it.
    pub(super) fn begin(self: &Arc<Self>, now: Instant, limit: Duration) -> Handshake {
        let (sender, evicted) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.places.len() >= self.max
            && let Some(oldest) = waiting.oldest()
        {
            self.take_away(oldest, &mut waiting);
        }
        let number = waiting.next;
        waiting.next += 1;
        let place = Place {
            since: now,
            bytes: 0,
            _evict: sender,
        };
        waiting.places.insert(number, place);
        Handshake {
            number,
            deadline: now + limit,
            evicted,
            all: Arc::clone(self),
        }
    }

    /// Takes the place of the one that has waited longest, if that is since before `since`.
    pub(super) fn evict(&self, since: Instant) -> bool {
        let mut waiting = self.waiting.lock();
        let is_long = |oldest: &u64| waiting.places[oldest].since < since;
        let Some(oldest) = waiting.oldest().filter(is_long) else {
            return false;
        };
        self.take_away(oldest, &mut waiting);
        true
    }

    /// Counts `bytes` that a connection has sent, and evicts whoever has sent most while it is
    /// too much; whether the connection is still one of these.
    fn count(&self, number: u64, bytes: usize) -> bool {
        let mut waiting = self.waiting.lock();
        let Some(place) = waiting.places.get_mut(&number) else {
            return false;
        };
        place.bytes += bytes;
        waiting.bytes += bytes;
        while waiting.bytes > MAX_BYTES
            && let Some(largest) = waiting.largest()
        {
            self.take_away(largest, &mut waiting);
        }
        waiting.places.contains_key(&number)
    }

    fn take_away(&self, number: u64, waiting: &mut Waiting) {
        waiting.remove(number);
        self.counters.handshakes_evicted.add(1);
    }
}

impl Waiting {
    /// The one that has waited longest.
    fn oldest(&self) -> Option<u64> {
        self.places.keys().next().copied()
    }

    /// The one that has sent most.
    fn largest(&self) -> Option<u64> {
        let places = self.places.iter();
        let largest = places.max_by_key(|(_, place)| place.bytes);
        largest.map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) {
        if let Some(place) = self.places.remove(&number) {
            self.bytes -= place.bytes;
        }
    }
}

impl Handshake {
    /// One beside which there are no others.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone(limit: Duration) -> Handshake {
        let all = Arc::new(Handshakes::new(1, Arc::default()));
        all.begin(Instant::now(), limit)
    }

    /// What counts the bytes of the connection.
    pub(super) fn meter(&self) -> Meter {
        Meter {
            number: self.number,
            free: FREE,
            all: Arc::clone(&self.all),
        }
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
        self.all.waiting.lock().remove(self.number);
    }
}

impl Meter {
    /// Counts `bytes` more; whether there is anything to count from here on.
    pub(super) fn count(&mut self, bytes: usize) -> bool {
        let beyond = bytes.saturating_sub(self.free);
        self.free -= bytes - beyond;
        beyond == 0 || self.all.count(self.number, beyond)
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

    fn at_most(max: usize) -> Arc<Handshakes> {
        Arc::new(Handshakes::new(max, Arc::default()))
    }

    fn evicted(all: &Handshakes) -> u64 {
        all.counters.snapshot().handshakes_evicted
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_bound_the_one_that_has_waited_longest_goes_for_the_newest() {
        let all = at_most(2);
        let now = Instant::now();
        let mut first = all.begin(now, LIMIT);
        let second = all.begin(now, LIMIT);
        assert!(evicted(&all) == 0 && all.is_full());
        drop(second);
        assert!(!all.is_full());

        let mut third = all.begin(now, LIMIT);
        assert_eq!(evicted(&all), 0);
        let mut fourth = all.begin(now, LIMIT);
        assert_eq!(evicted(&all), 1);
        assert_eq!(first.limit(pending::<()>()).await, Err(Cut::Evicted));
        assert_eq!(third.limit(ready(3)).await, Ok(3));
        assert_eq!(fourth.limit(ready(4)).await, Ok(4));
        // Who was evicted takes nobody's place away by leaving.
        drop(first);
        assert!(all.is_full());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_one_for_all_steps_of_a_handshake() {
        let all = at_most(2);
        let began = Instant::now();
        let mut handshake = all.begin(began, LIMIT);
        let step = tokio::time::sleep(LIMIT * 2 / 3);
        assert_eq!(handshake.limit(step).await, Ok(()));
        let step = tokio::time::sleep(LIMIT * 2 / 3);
        assert_eq!(handshake.limit(step).await, Err(Cut::Late));
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_that_has_waited_for_long_enough_is_evicted_for_others() {
        let all = at_most(9);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut older = all.begin(start, LIMIT);
        let _younger = all.begin(start + second, LIMIT);
        assert!(!all.evict(start));
        assert!(all.evict(start + second));
        assert!(!all.evict(start + second));
        assert_eq!(older.limit(pending::<()>()).await, Err(Cut::Evicted));
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_most_goes_when_all_have_sent_too_much() {
        let all = at_most(9);
        let now = Instant::now();
        let begin = || {
            let handshake = all.begin(now, LIMIT);
            let meter = handshake.meter();
            (handshake, meter)
        };
        let (mut greedy, mut of_greedy) = begin();
        let (mut large, mut of_large) = begin();
        let (mut small, mut of_small) = begin();
        assert!(of_greedy.count(FREE + MAX_BYTES / 3 * 2));
        assert!(of_large.count(FREE + MAX_BYTES / 3));
        for _ in 0..FREE {
            assert!(of_small.count(1));
        }
        assert_eq!(evicted(&all), 0);
        assert!(of_small.count(2), "it is not the one that has sent most");
        assert_eq!(greedy.limit(pending::<()>()).await, Err(Cut::Evicted));
        assert!(!of_greedy.count(1));
        assert_eq!(large.limit(ready(1)).await, Ok(1));
        assert_eq!(small.limit(ready(2)).await, Ok(2));
        assert_eq!(evicted(&all), 1);

        // Whoever has come in is not counted, and makes room for others.
        drop((large, small));
        assert!(!of_large.count(MAX_BYTES));
        let (_next, mut of_next) = begin();
        assert!(of_next.count(FREE + MAX_BYTES) && !of_next.count(1));
        assert_eq!(all.waiting.lock().bytes, 0);
    }
}
