//! How many connections may come in a second.
//!
//! At the bound those are refused that come often. Addresses that come seldom have a rate of their
//! own beside it, so that one that comes without end keeps nobody else out.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;

use crate::rate::Rate;

/// An address that comes more often than this in a second comes often.
const SELDOM: u16 = 10;

/// Addresses share so many counts, by chance: however many there are, they take no more memory.
const COUNTS: usize = 1024;

/// The rate at which connections come.
#[derive(Debug)]
pub(super) struct ConnectRate {
    all: Rate,
    seldom: Rate,
    counts: Box<[u16; COUNTS]>,
    /// Since when is counted.
    since: Instant,
    hasher: RandomState,
}

impl ConnectRate {
    /// `per_second`, after `burst` at once; zero is no bound.
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Option<ConnectRate> {
        Some(ConnectRate {
            all: Rate::with_burst(per_second, burst)?,
            seldom: Rate::of(per_second)?,
            counts: Box::new([0; COUNTS]),
            since: now,
            hasher: RandomState::new(),
        })
    }

    /// Whether a connection from `address` may come.
    pub(super) fn take(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        let count = self.count(address, now);
        self.all.take(now).is_ok() || count <= SELDOM && self.seldom.take(now).is_ok()
    }

    /// How often one has come from there in this second, refused or not.
    fn count(&mut self, address: Option<IpAddr>, now: Instant) -> u16 {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.counts.fill(0);
            self.since = now;
        }
        let at = self.hasher.hash_one(address) as usize % COUNTS;
        self.counts[at] = self.counts[at].saturating_add(1);
        self.counts[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 100;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Times that `many` fall evenly on within the second from `start` on.
    fn evenly(many: u32, start: Instant) -> impl Iterator<Item = Instant> {
        (0..many).map(move |number| start + Duration::from_secs(1) * number / many)
    }

    #[test]
    fn who_comes_without_end_is_bounded_and_keeps_nobody_else_out() {
        let start = Instant::now();
        let mut rate = ConnectRate::new(RATE, 2 * RATE, start).unwrap();
        let place = |last| rate.hasher.hash_one(address(last)) as usize % COUNTS;
        // One that shares its count with the flood is as unlucky.
        let other = (2..=255).find(|last| place(*last) != place(1)).unwrap();
        for second in 0..10 {
            let (mut flood, mut others) = (0, 0);
            for (number, now) in evenly(5_000, start + Duration::from_secs(second)).enumerate() {
                flood += u32::from(rate.take(address(1), now));
                if number % 500 == 499 {
                    others += u32::from(rate.take(address(other), now));
                }
            }
            let at_once = if second == 0 { 2 * RATE } else { 0 };
            assert!(flood <= at_once + RATE + u32::from(SELDOM) + 1, "{flood}");
            assert_eq!(others, 10);
        }
    }

    #[test]
    fn many_that_come_seldom_are_bounded_together() {
        let start = Instant::now();
        let mut rate = ConnectRate::new(RATE, RATE, start).unwrap();
        let mut welcome = 0;
        for now in evenly(5, start) {
            welcome += (0..200)
                .filter(|last| rate.take(address(*last), now))
                .count() as u32;
        }
        // Each rate lets as many in at once as in the second that follows.
        assert!((3 * RATE..=4 * RATE).contains(&welcome), "{welcome}");
    }

    #[test]
    fn zero_is_no_bound() {
        assert!(ConnectRate::new(0, 10, Instant::now()).is_none());
    }
}
