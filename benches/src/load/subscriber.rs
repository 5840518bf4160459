//! One subscriber: it acknowledges what it gets, at its own pace, and counts it.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Pace, Received};
use crate::{client::Client, inbox::Packet, seen::Seen, wire::broken};

pub(super) struct Subscriber {
    pub(super) client: Client,
    pub(super) pace: Option<Pace>,
    /// The one publisher that it hears; otherwise it hears all.
    own: Option<usize>,
    /// Of each publisher.
    pub(super) seen: Vec<Seen>,
    handled: u64,
    news: Duration,
}

impl Subscriber {
    pub(super) fn new(client: Client, pace: Option<Pace>, own: Option<usize>) -> Self {
        Self {
            client,
            pace,
            own,
            seen: Vec::new(),
            handled: 0,
            news: Duration::ZERO,
        }
    }

    pub(super) fn begin(&mut self, publishers: usize) {
        self.seen.clear();
        self.seen.resize_with(publishers, Seen::default);
        self.handled = 0;
        self.news = Duration::ZERO;
    }

    pub(super) fn hears(&self, publisher: usize) -> bool {
        self.own.is_none_or(|own| own == publisher)
    }

    pub(super) fn is_held_back(&self, now: Duration) -> bool {
        self.pace.is_some_and(|pace| now < pace.until)
    }

    /// How many messages it may have handled by `now`.
    pub(super) fn allowance(&self, now: Duration) -> u64 {
        match self.pace {
            Some(pace) if now < pace.until => {
                (now.as_secs_f64() * f64::from(pace.per_second)) as u64
            }
            _ => u64::MAX,
        }
    }

    pub(super) fn receive(&mut self, run: u8, start: Instant) -> io::Result<bool> {
        let now = start.elapsed();
        let allowance = self.allowance(now);
        let before = self.handled;
        while self.handled < allowance {
            match self.client.next()? {
                Some(Packet::Publish { packet_id, mark }) => {
                    if let Some(packet_id) = packet_id {
                        self.client.acknowledge(packet_id);
                    }
                    self.handled += 1;
                    let publisher = usize::from(mark.publisher);
                    if !self.hears(publisher) {
                        return Err(broken(format!("a subscriber was sent another's {mark:?}")));
                    }
                    if mark.run == run
                        && let Some(seen) = self.seen.get_mut(publisher)
                    {
                        seen.insert(mark.sequence);
                    }
                }
                Some(other) => return Err(broken(format!("a subscriber was sent {other:?}"))),
                None => break,
            }
        }
        self.client.flush()?;
        if self.handled > before {
            self.news = start.elapsed();
        }
        Ok(self.handled > before)
    }

    pub(super) fn unique(&self) -> u64 {
        self.seen.iter().map(Seen::unique).sum()
    }

    /// What it got of the `wanted` messages that it was to get.
    pub(super) fn received(&self, wanted: u64) -> Received {
        let unique = self.unique();
        Received {
            unique,
            missing: wanted.saturating_sub(unique),
            duplicates: self.seen.iter().map(Seen::duplicates).sum(),
            late: self.seen.iter().map(Seen::late).sum(),
            elapsed: self.news,
        }
    }
}
