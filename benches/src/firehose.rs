//! The Firehose that uplinks send to: a double on threads of its own, which counts exactly.
//!
//! - Loss and repetition by the mark in each record, the way to here by its stamp.
//! - What the double itself costs is known: its threads have a name.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use perennial_doubles::{Answer, FirehoseDouble};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    process,
    seen::Seen,
    wire::{Mark, Stamp},
};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const STREAM: &str = "bench";
pub(crate) const ACCESS_KEY: &str = "test";
pub(crate) const SECRET_KEY: &str = "test";

const THREADS: &str = "firehose";

/// A running double.
pub(crate) struct Firehose {
    runtime: Runtime,
    double: FirehoseDouble,
    arrivals: Arc<Arrivals>,
    folder: TempDir,
}

/// What has arrived, and a bell for whoever waits for it.
struct Arrivals {
    /// The clock of the stamps.
    epoch: Instant,
    count: Mutex<Count>,
    more: Condvar,
}

#[derive(Default)]
struct Count {
    seen: Vec<Seen>,
    unique: u64,
    duplicates: u64,
    /// Of each different record that has a stamp.
    latencies: Vec<Duration>,
    /// When the last different record came.
    news: Option<Instant>,
    /// Records without a mark, which nobody here has published.
    foreign: u64,
    /// Where the choice of the records that fail stands.
    dice: u64,
}

/// What is left when all is over.
pub(crate) struct Tally {
    /// Acknowledged and never here.
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    /// In order of length.
    pub(crate) latencies: Vec<Duration>,
}

impl Firehose {
    /// Starts one that fails `failing` percent of the records in each request, by chance.
    ///
    /// Stamps count from `epoch`.
    pub(crate) fn start(failing: u64, epoch: Instant) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(THREADS)
            .enable_all()
            .build()?;
        // Started there, so that all its work is done by threads of that name.
        let double = runtime
            .block_on(runtime.spawn(FirehoseDouble::start()))
            .map_err(io::Error::other)??;
        let arrivals = Arc::new(Arrivals {
            epoch,
            count: Mutex::default(),
            more: Condvar::new(),
        });
        let counted = Arc::clone(&arrivals);
        double.respond_with(move |request| {
            let records = request.records.iter().map(AsRef::as_ref);
            match counted.take(records, failing) {
                failed if failed.is_empty() => Answer::Accept,
                failed => Answer::slow_down(failed),
            }
        });
        let folder = TempDir::new()?;
        let keys = format!(
            "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        );
        fs::write(folder.path().join("credentials"), keys)?;
        Ok(Self {
            runtime,
            double,
            arrivals,
            folder,
        })
    }

    /// The `endpoint_url` that leads here.
    pub(crate) fn url(&self) -> String {
        self.double.url()
    }

    /// A file with the keys that are let in.
    pub(crate) fn credentials_file(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// Begins an outage: connections are refused.
    pub(crate) fn stop(&mut self) {
        self.runtime.block_on(self.double.stop());
    }

    /// Ends the outage.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.double.restart())
    }

    /// User and system time of its threads.
    pub(crate) fn cpu() -> io::Result<Duration> {
        process::thread_cpu(THREADS)
    }

    /// How many different records have come.
    pub(crate) fn unique(&self) -> u64 {
        self.arrivals.lock().unique
    }

    /// When the last different record came.
    pub(crate) fn news(&self) -> Option<Instant> {
        self.arrivals.lock().news
    }

    /// Waits until `wanted` different records have come, or for `quiet` none has.
    pub(crate) fn wait(&self, wanted: u64, quiet: Duration) {
        let start = Instant::now();
        let mut count = self.arrivals.lock();
        loop {
            let deadline = count.news.unwrap_or(start).max(start) + quiet;
            let left = deadline.saturating_duration_since(Instant::now());
            if count.unique >= wanted || left.is_zero() {
                return;
            }
            let woken = self.arrivals.more.wait_timeout(count, left);
            (count, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What has become of the messages of publishers of which each has `sent` so many.
    pub(crate) fn tally(&self, sent: &[u64]) -> io::Result<Tally> {
        let count = self.arrivals.lock();
        let strangers = count.seen.len().saturating_sub(sent.len());
        if count.foreign > 0 || strangers > 0 {
            return Err(io::Error::other("records came that nobody has published"));
        }
        let arrived = (0..sent.len()).map(|index| count.seen.get(index).map_or(0, Seen::unique));
        let lost = arrived
            .zip(sent)
            .map(|(arrived, sent)| sent.saturating_sub(arrived));
        let mut latencies = count.latencies.clone();
        latencies.sort_unstable();
        Ok(Tally {
            lost: lost.sum(),
            duplicates: count.duplicates,
            latencies,
        })
    }
}

impl Arrivals {
    /// Counts the records of a request, but those that fail; their positions.
    fn take<'a>(&self, records: impl Iterator<Item = &'a [u8]>, failing: u64) -> Vec<usize> {
        let now = self.epoch.elapsed();
        let mut count = self.lock();
        let before = count.unique;
        let mut failed = Vec::new();
        for (position, record) in records.enumerate() {
            if count.fails(failing) {
                failed.push(position);
            } else {
                count.insert(record, now);
            }
        }
        if count.unique > before {
            count.news = Some(Instant::now());
        }
        drop(count);
        self.more.notify_all();
        failed
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn insert(&mut self, record: &[u8], now: Duration) {
        let Ok(mark) = Mark::read(record) else {
            self.foreign += 1;
            return;
        };
        let publisher = usize::from(mark.publisher);
        if publisher >= self.seen.len() {
            self.seen.resize_with(publisher + 1, Seen::default);
        }
        let seen = &mut self.seen[publisher];
        let before = seen.unique();
        seen.insert(mark.sequence);
        if seen.unique() == before {
            self.duplicates += 1;
            return;
        }
        self.unique += 1;
        if let Some(Stamp(sent)) = Stamp::read(record) {
            self.latencies
                .push(now.saturating_sub(Duration::from_nanos(sent)));
        }
    }

    /// Throws the dice; the same throws in every run.
    fn fails(&mut self, percent: u64) -> bool {
        // Knuth's MMIX generator; the upper bits are the good ones.
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 100 < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    fn take(firehose: &Firehose, records: &[(u16, u64)], failing: u64) -> Vec<usize> {
        let records: Vec<Vec<u8>> = records.iter().map(payload).collect();
        let records = records.iter().map(Vec::as_slice);
        firehose.arrivals.take(records, failing)
    }

    fn payload(&(publisher, sequence): &(u16, u64)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut frame = Frame::new("t", false, 0, 64, 1, publisher);
        frame.append_stamped(sequence, Stamp(0), &mut bytes);
        bytes.split_off(bytes.len() - 64)
    }

    #[test]
    fn what_never_came_is_lost_and_what_came_again_is_a_duplicate() {
        let firehose = Firehose::start(0, Instant::now()).unwrap();
        let failed = take(&firehose, &[(0, 0), (1, 0), (1, 2), (1, 2)], 0);
        assert!(failed.is_empty());
        firehose.wait(3, Duration::ZERO);
        let tally = firehose.tally(&[1, 3, 2]).unwrap();
        assert_eq!((tally.lost, tally.duplicates), (3, 1));
        assert_eq!((firehose.unique(), tally.latencies.len()), (3, 3));
        assert!(firehose.tally(&[1]).is_err(), "a record of nobody");
    }

    #[test]
    fn a_tenth_of_the_records_fails_and_is_not_counted() {
        let firehose = Firehose::start(10, Instant::now()).unwrap();
        let records: Vec<(u16, u64)> = (0..10_000).map(|sequence| (0, sequence)).collect();
        let failed = take(&firehose, &records, 10).len() as u64;
        assert!((900..1100).contains(&failed), "{failed}");
        assert_eq!(firehose.tally(&[10_000]).unwrap().lost, failed);
    }

    #[test]
    fn nobody_waits_for_ever_for_what_does_not_come() {
        let firehose = Firehose::start(0, Instant::now()).unwrap();
        let start = Instant::now();
        firehose.wait(1, Duration::from_millis(50));
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert_eq!(firehose.news(), None);
    }
}
