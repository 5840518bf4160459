//! The audit log: who was refused what, as JSON lines in a file.
//!
//! - A client that is refused an action for the same reason again is written about at once and
//!   then once per interval, with how often it happened.
//! - Whoever refuses does not wait: one task writes, and what it cannot keep up with is counted.
//! - The file is rotated, so that it and those before it never take more than was said.
//! - A disk that is full costs lines of this log and nothing else.

mod file;
mod line;
mod recent;
#[cfg(test)]
mod tests;
mod why;

use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use perennial_broker::Peer;
use perennial_certs::Action;
use tokio::{
    select,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

pub(crate) use self::why::Why;
use self::{file::LogFile, line::Line, recent::Recent};
use crate::{clock, config::AuditConfig, reminder::Reminder};

/// Lines that wait to be written; those beyond are lost and counted.
const WAITING: usize = 1024;

/// How often it is looked whether an interval of some client is over.
const SWEEP: Duration = Duration::from_secs(1);

/// Somebody was refused something.
#[derive(Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// What was to be done.
    pub(crate) action: Action,
    /// The client identifier, topic, topic filter or thing's name that it was to be done to.
    pub(crate) resource: &'a str,
    /// The client identifier, empty where there is none.
    pub(crate) client: &'a str,
    /// What the client has shown.
    pub(crate) principal: &'a dyn Display,
    /// The thing that it is.
    pub(crate) thing: Option<&'a str>,
    /// Where it connects from.
    pub(crate) peer: Peer,
    /// Why it was refused.
    pub(crate) reason: Why,
}

/// Counts refusals and writes about them.
pub(crate) struct Audit {
    counts: [[AtomicU64; Why::ALL.len()]; Action::ALL.len()],
    recent: Mutex<Recent>,
    lines: mpsc::Sender<Line>,
    /// Lines that were not written, since it was told.
    lost: AtomicU64,
    /// The same since the start.
    lost_ever: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Audit {
    /// Begins to write where `config` says; call it inside a tokio runtime.
    pub(crate) fn start(config: AuditConfig) -> Arc<Audit> {
        let (lines, waiting) = mpsc::channel(WAITING);
        let audit = Arc::new(Audit {
            counts: Default::default(),
            recent: Mutex::default(),
            lines,
            lost: AtomicU64::new(0),
            lost_ever: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let writer = Writer {
            audit: Arc::clone(&audit),
            waiting,
            file: Arc::new(LogFile::new(config)),
            failures: Reminder::default(),
        };
        audit.tasks.spawn(writer.run());
        audit
    }

    /// Counts a refusal, and writes about it unless that was done lately.
    pub(crate) fn refused(&self, refused: &Refused<'_>) {
        self.count(refused.action, refused.reason);
        let line = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.count(refused, clock::unix_millis(), Instant::now())
        };
        if let Some(line) = line {
            self.write(line);
        }
    }

    /// Counts a refusal that is not worth a line.
    pub(crate) fn count(&self, action: Action, reason: Why) {
        self.counts[action as usize][reason as usize].fetch_add(1, Relaxed);
    }

    /// How often what was refused: the action, the reason, and the count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let counted = Action::ALL.iter().zip(&self.counts);
        counted.flat_map(|(action, counts)| {
            let reasons = Why::ALL.iter().zip(counts);
            reasons.map(|(reason, count)| (name(*action), reason.label(), count.load(Relaxed)))
        })
    }

    /// Lines that were not written.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_ever.load(Relaxed)
    }

    /// Writes what is still to be written, and writes no more.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn write(&self, line: Line) {
        if let Err(error) = self.lines.try_send(line) {
            self.lose(&error.into_inner());
        }
    }

    /// Counts a line that is not written; how many it is.
    fn lose(&self, line: &Line) -> u64 {
        if let Some(before) = line.lost_before() {
            // What it was to tell has been counted.
            self.lost.fetch_add(before, Relaxed);
            return 0;
        }
        self.lost.fetch_add(1, Relaxed);
        self.lost_ever.fetch_add(1, Relaxed);
        1
    }

    /// What is to be written beside the lines that wait.
    fn due(&self, is_over: bool) -> Vec<Line> {
        let time = clock::unix_millis();
        let mut lines = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.due(is_over, time, Instant::now())
        };
        let lost = self.lost.swap(0, Relaxed);
        lines.extend((lost > 0).then(|| Line::lost(lost, time)));
        lines
    }
}

/// The task that writes.
struct Writer {
    audit: Arc<Audit>,
    waiting: mpsc::Receiver<Line>,
    file: Arc<LogFile>,
    /// What a person hears of a disk that takes nothing.
    failures: Reminder,
}

impl Writer {
    async fn run(mut self) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let audit = Arc::clone(&self.audit);
        let mut is_over = false;
        while !is_over {
            let mut lines = Vec::new();
            select! {
                _ = self.waiting.recv_many(&mut lines, WAITING) => {}
                _ = sweep.tick() => lines = audit.due(false),
                () = audit.stop.cancelled() => {
                    is_over = true;
                    while let Ok(line) = self.waiting.try_recv() {
                        lines.push(line);
                    }
                    lines.extend(audit.due(true));
                }
            }
            if !lines.is_empty() {
                self.write(lines).await;
            }
        }
    }

    async fn write(&mut self, lines: Vec<Line>) {
        let file = Arc::clone(&self.file);
        let writing = tokio::task::spawn_blocking(move || {
            let (written, result) = file.append(&lines);
            (lines, written, result)
        });
        let Ok((lines, written, Err(error))) = writing.await else {
            return;
        };
        let lost: u64 = lines[written..]
            .iter()
            .map(|line| self.audit.lose(line))
            .sum();
        if let Some(lines) = self.failures.count(lost, Instant::now()) {
            let path = self.file.path().display();
            warn!(%path, %error, lines, "the audit log cannot be written; its lines are lost");
        }
    }
}

/// The action's name without the service's.
fn name(action: Action) -> &'static str {
    let name = action.name();
    name.split_once(':').map_or(name, |(_, name)| name)
}
