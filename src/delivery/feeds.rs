//! Where a worker's next batch comes from: the head of the queue, and beside it what is fresh.
//!
//! - Records are read from the head of the queue, in order.
//! - After an outage a backlog would hold up what devices send meanwhile. Where records need
//!   not keep their order, a second feed then reads from the end of the queue, and gets a
//!   share of the batches until the first has caught up with it.
//! - No record is in both: the first feed stops where the second began.

use std::{future, time::Duration};

use perennial_broker::store::{Block, Queue, Reader, StoreError};
use tokio::{select, time::Instant};

use crate::delivery::batcher::{BatchRules, Batcher, Closed, Item};

/// How old a record is before it counts as one of a backlog, beside what it waited for others.
const BACKLOG_AGE: Duration = Duration::from_secs(10);

/// The feed that records came from and go back to when they are to be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// The head of the queue.
    Backlog,
    /// The end of it, as it was for the feed with this number.
    Fresh(u64),
}

/// The feeds of a queue.
#[derive(Debug)]
pub(super) struct Feeds {
    queue: Queue,
    rules: BatchRules,
    backlog: Feed,
    fresh: Option<Fresh>,
    opened: u64,
    /// The part of the batches that is fresh while there is a backlog, from 0 to 1.
    share: f64,
    /// What the fresh feed has coming to it, in batches.
    credit: f64,
}

#[derive(Debug)]
struct Feed {
    reader: Reader,
    batcher: Batcher,
}

#[derive(Debug)]
struct Fresh {
    feed: Feed,
    number: u64,
    /// The first sequence that it reads.
    start: u64,
    /// Its batches that have no answer yet, and their parts.
    in_flight: usize,
    /// It has fallen behind itself, and makes place for another when nothing of it is in flight.
    is_stale: bool,
}

impl Feeds {
    /// Reads `queue` from its head; `share` of the batches are fresh when there is a backlog.
    pub(super) fn new(queue: &Queue, rules: BatchRules, share: f64) -> Self {
        Feeds {
            backlog: Feed::new(queue.reader(), rules),
            queue: queue.clone(),
            rules,
            fresh: None,
            opened: 0,
            share,
            credit: 0.0,
        }
    }

    /// The next block of the feed that has place for it, if there is `room` for any.
    ///
    /// Cancel-safe: what was not returned is returned by the next call.
    pub(super) async fn next(&mut self, room: bool) -> Result<(Origin, Block), StoreError> {
        loop {
            let Some(fresh) = self.fresh.as_mut() else {
                if !room || self.backlog.batcher.is_full() {
                    return future::pending().await;
                }
                return Ok((Origin::Backlog, self.backlog.reader.next().await?));
            };
            let wants_old = room && !self.backlog.batcher.is_full();
            let wants_new = room && !fresh.is_stale && !fresh.feed.batcher.is_full();
            let number = fresh.number;
            let (origin, block) = select! {
                block = self.backlog.reader.next(), if wants_old => (Origin::Backlog, block?),
                block = fresh.feed.reader.next(), if wants_new => (Origin::Fresh(number), block?),
                else => future::pending().await,
            };
            if origin == Origin::Backlog && block.first() >= fresh.start {
                self.join();
                continue;
            }
            return Ok((origin, block));
        }
    }

    /// Adds a record that comes after all others of `origin`.
    pub(super) fn push(&mut self, origin: Origin, item: Item) {
        self.batcher(origin).push(item);
    }

    /// Takes back the records of a batch that are to be sent again.
    pub(super) fn give_back(&mut self, origin: Origin, items: Vec<Item>) {
        self.batcher(origin).give_back(items.into_iter());
    }

    /// The next batch that has closed.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Origin, Closed)> {
        let fresh = self.fresh.as_mut().filter(|fresh| !fresh.is_stale);
        let Some(fresh) = fresh else {
            return Some((Origin::Backlog, self.backlog.batcher.take(now)?));
        };
        let credit = (self.credit + self.share).min(2.0);
        let mut closed = None;
        if credit >= 1.0 {
            closed = fresh.feed.batcher.take(now);
        }
        if closed.is_none()
            && let Some(closed) = self.backlog.batcher.take(now)
        {
            self.credit = credit;
            return Some((Origin::Backlog, closed));
        }
        // What the backlog has no use for costs the fresh feed nothing.
        let closed = closed.or_else(|| fresh.feed.batcher.take(now))?;
        self.credit = (credit - 1.0).max(0.0);
        fresh.in_flight += 1;
        Some((Origin::Fresh(fresh.number), closed))
    }

    /// A batch of `origin` has its answer, and what is to be sent again was given back.
    pub(super) fn answered(&mut self, origin: Origin) {
        let Some(fresh) = &mut self.fresh else { return };
        if origin != Origin::Fresh(fresh.number) {
            return;
        }
        fresh.in_flight -= 1;
        if fresh.is_stale && fresh.in_flight == 0 {
            // What it holds lies before the end of the queue, where the backlog's feed comes to it.
            self.fresh = None;
            self.open();
        }
    }

    /// A part of a batch of `origin` is kept elsewhere, and is answered by itself.
    pub(super) fn parted(&mut self, origin: Origin) {
        if let Some(fresh) = &mut self.fresh
            && origin == Origin::Fresh(fresh.number)
        {
            fresh.in_flight += 1;
        }
    }

    /// A batch came through whose newest record is from `time`; both in milliseconds since
    /// the Unix epoch.
    pub(super) fn came_through(&mut self, origin: Origin, time: u64, now: u64) {
        let age = Duration::from_millis(now.saturating_sub(time));
        if self.share == 0.0 || age < BACKLOG_AGE.saturating_add(self.rules.linger) {
            return;
        }
        let is_backlog = self.is_backlog();
        match &mut self.fresh {
            None if is_backlog => self.open(),
            Some(fresh) if origin == Origin::Fresh(fresh.number) => fresh.is_stale = true,
            _ => {}
        }
    }

    /// Takes out the records from before `time`, in milliseconds since the Unix epoch.
    pub(super) fn take_older(&mut self, time: u64) -> Vec<Item> {
        let mut older = self.backlog.batcher.take_older(time);
        if let Some(fresh) = &mut self.fresh {
            older.append(&mut fresh.feed.batcher.take_older(time));
        }
        older
    }

    /// A time that no record is from before.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.batchers().filter_map(Batcher::oldest).min()
    }

    /// Forgets the records that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.backlog.batcher.retain(&keep);
        if let Some(fresh) = &mut self.fresh {
            fresh.feed.batcher.retain(&keep);
        }
    }

    /// When the next batch closes by itself.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        // Of a stale feed nothing leaves, however long it has waited.
        let fresh = self.fresh.iter().filter(|fresh| !fresh.is_stale);
        let fresh = fresh.filter_map(|fresh| fresh.feed.batcher.poll_timeout());
        fresh.chain(self.backlog.batcher.poll_timeout()).min()
    }

    /// Records that wait in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.batchers().map(Batcher::len).sum()
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> usize {
        self.batchers().map(Batcher::bytes).sum()
    }

    /// The record that leaves next of those that have waited longest.
    pub(super) fn first(&self) -> Option<&Item> {
        self.batchers().find_map(Batcher::first)
    }

    /// Bytes in a batch from here on.
    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.rules.max_bytes = max_bytes;
        self.backlog.batcher.set_max_bytes(max_bytes);
        if let Some(fresh) = &mut self.fresh {
            fresh.feed.batcher.set_max_bytes(max_bytes);
        }
    }

    /// Whether more waits than the next two batches take.
    fn is_backlog(&self) -> bool {
        let BatchRules {
            max_records,
            max_bytes,
            ..
        } = self.rules;
        self.queue.records() > 2 * max_records as u64 || self.queue.bytes() > 2 * max_bytes as u64
    }

    fn open(&mut self) {
        let (reader, start) = self.queue.reader_from_end();
        self.opened += 1;
        self.credit = 0.0;
        self.fresh = Some(Fresh {
            feed: Feed::new(reader, self.rules),
            number: self.opened,
            start,
            in_flight: 0,
            is_stale: false,
        });
    }

    /// The backlog is read up to where the fresh feed began: from here on there is one.
    fn join(&mut self) {
        if let Some(Fresh { feed, .. }) = self.fresh.take() {
            self.backlog.reader = feed.reader;
            self.backlog.batcher.append(feed.batcher);
        }
    }

    /// A feed that is gone has left its records to the backlog.
    fn batcher(&mut self, origin: Origin) -> &mut Batcher {
        match &mut self.fresh {
            Some(fresh) if origin == Origin::Fresh(fresh.number) => &mut fresh.feed.batcher,
            _ => &mut self.backlog.batcher,
        }
    }

    fn batchers(&self) -> impl Iterator<Item = &Batcher> {
        let fresh = self.fresh.iter().map(|fresh| &fresh.feed.batcher);
        [&self.backlog.batcher].into_iter().chain(fresh)
    }
}

impl Feed {
    fn new(reader: Reader, rules: BatchRules) -> Self {
        Feed {
            reader,
            batcher: Batcher::new(rules),
        }
    }
}
