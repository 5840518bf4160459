//! Keeps what was read of the access directory up to date while the gateway runs.
//!
//! - Files are looked at every few seconds, and at once when somebody asks. Only a reading that
//!   is whole and right replaces the one before.
//! - Clients that may not stay by the new reading are disconnected, and so are those whose
//!   certificates have ended.
//! - The listeners' certificate is renewed in time, and when the clock was set.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, Release},
        },
    },
    time::Duration,
};

use perennial_broker::Rechecker;
use perennial_certs::{Certificate, Problem, Registry, ServerCredentials, Tls};
use tokio::{
    select,
    sync::Notify,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use super::{
    Access,
    fingerprint::Fingerprint,
    reading::{Read, Reader},
};
use crate::clock::{self, ClockWatch};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The least that looking waits for each second that it has taken: very many files must not
/// keep a processor busy.
const REST: u32 = 50;

/// The most that it waits: a disk may have been slow for once.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How long files have to stay as they are before they are read: whoever writes several is not
/// to be met halfway.
const SETTLE: Duration = Duration::from_millis(100);

/// Looks at files that go on changing before they are read anyway.
const MAX_SETTLING: usize = 20;

/// How long what was wrong is left alone while nothing changes: it may have been the machine.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// How often it is looked whether a certificate is due while nobody sets the clock.
const CERTIFICATES: Duration = Duration::from_secs(60 * 60);

/// How often the log hears of a certificate that ends soon, or of a list that is out of date.
const WARNINGS: Duration = Duration::from_secs(24 * 60 * 60);

/// Seconds before the end of a certificate from which the log hears of it.
const ENDS_SOON: u64 = 30 * 24 * 60 * 60;

/// Keeps a gateway's access up to date.
pub(crate) struct Upkeep {
    access: Arc<Access>,
    asked: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What there is to be told of it.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Readings that were taken since the start.
    pub(crate) reloads: AtomicU64,
    /// Whether the latest reading was not.
    pub(crate) failed: AtomicBool,
    /// When the certificate of the TLS listeners ends, in seconds since the Unix epoch; 0 where
    /// there is none.
    pub(crate) server_ends: AtomicU64,
    /// The same of the authority.
    pub(crate) authority_ends: AtomicU64,
}

impl Figures {
    /// Notes when what the TLS listeners show ends.
    pub(super) fn note_server(&self, server: Option<&ServerCredentials>) {
        let ends = server.map(ServerCredentials::not_after);
        self.server_ends.store(ends.unwrap_or(0), Relaxed);
    }

    /// Notes when the authority ends.
    pub(super) fn note_authority(&self, registry: &Registry) {
        let chain = registry.authority().map(Certificate::read_pem);
        let authority = chain.and_then(|chain| chain.ok()?.into_iter().next());
        let ends = authority.map(|(_, certificate)| certificate.not_after());
        self.authority_ends.store(ends.unwrap_or(0), Relaxed);
    }
}

/// What a change of the access directory has to get to.
pub(super) struct Reach {
    pub(super) reader: Reader,
    pub(super) access: Arc<Access>,
    /// TLS, where a listener has it.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) rechecker: Rechecker,
    pub(super) figures: Arc<Figures>,
}

impl Upkeep {
    /// Begins with files that looked like `known` when they were read; call it inside a tokio
    /// runtime.
    pub(super) fn start(reach: Reach, known: Fingerprint) -> Upkeep {
        let asked = Arc::new(Notify::new());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let access = Arc::clone(&reach.access);
        let keeper = Keeper {
            reach: Arc::new(reach),
            asked: Arc::clone(&asked),
            stop: stop.clone(),
            known,
            failed: None,
            pause: LOOK,
        };
        tasks.spawn(keeper.run());
        Upkeep {
            access,
            asked,
            stop,
            tasks,
        }
    }

    /// What it keeps up to date.
    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Has everything read again.
    pub(crate) fn reload(&self) {
        self.asked.notify_one();
    }

    /// Ends it.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The task.
struct Keeper {
    reach: Arc<Reach>,
    asked: Arc<Notify>,
    stop: CancellationToken,
    /// What the files looked like that were read last.
    known: Fingerprint,
    /// When they were found to be wrong, if they were.
    failed: Option<Instant>,
    pause: Duration,
}

impl Keeper {
    async fn run(mut self) {
        let stop = self.stop.clone();
        select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        let mut certificates = Instant::now();
        let mut watch = ClockWatch::new(clock::unix_millis(), certificates);
        let mut warned: Option<Instant> = None;
        loop {
            let is_asked = select! {
                () = self.asked.notified() => true,
                () = sleep(self.pause) => false,
            };
            let was_set = watch.was_set(clock::unix_millis(), Instant::now());
            if was_set {
                info!("the clock of this machine was set");
            }
            let is_due = was_set || certificates.elapsed() >= CERTIFICATES;
            if is_due {
                certificates = Instant::now();
            }
            let is_renewed = is_due && self.renew_certificate().await;
            let is_overdue = self.failed.is_some_and(|then| then.elapsed() >= RETRY);
            if is_asked || is_renewed || is_overdue || self.has_changed().await {
                self.reload().await;
            }
            self.expel().await;
            if warned.is_none_or(|then| then.elapsed() >= WARNINGS) && self.warn() {
                warned = Some(Instant::now());
            }
        }
    }

    /// Disconnects those whose certificates have ended.
    async fn expel(&self) {
        let reach = Arc::clone(&self.reach);
        let expelling = spawn_blocking(move || reach.rechecker.expel());
        match expelling.await {
            Ok(0) | Err(_) => {}
            Ok(expelled) => info!(expelled, "the certificates of clients have ended"),
        }
    }

    async fn renew_certificate(&self) -> bool {
        let reach = Arc::clone(&self.reach);
        let renewing = spawn_blocking(move || reach.reader.renew_certificate());
        renewing.await.unwrap_or(false)
    }

    /// Whether files look different from those that were read, and have stopped to change.
    async fn has_changed(&mut self) -> bool {
        let mut found = self.look().await;
        if found == self.known {
            return false;
        }
        for _ in 0..MAX_SETTLING {
            sleep(SETTLE).await;
            let next = self.look().await;
            if next == found {
                break;
            }
            found = next;
        }
        true
    }

    async fn look(&mut self) -> Fingerprint {
        let begin = Instant::now();
        let reach = Arc::clone(&self.reach);
        let looking = spawn_blocking(move || reach.reader.fingerprint());
        let found = looking.await.unwrap_or(self.known);
        self.pause = (begin.elapsed() * REST).clamp(LOOK, MAX_PAUSE);
        found
    }

    async fn reload(&mut self) {
        let reach = Arc::clone(&self.reach);
        let reloaded = spawn_blocking(move || reach.reload()).await;
        match reloaded {
            Ok((known, problems)) => {
                self.known = known;
                for problem in &problems {
                    error!(%problem, "the access directory is wrong; what was read before stays in force");
                }
                self.failed = (!problems.is_empty()).then(Instant::now);
            }
            Err(error) => {
                error!(%error, "reading the access directory was interrupted");
                self.failed = Some(Instant::now());
                self.reach.figures.failed.store(true, Relaxed);
            }
        }
    }

    /// Says which certificates end soon and which lists are out of date; whether any is.
    fn warn(&self) -> bool {
        let now = clock::unix_millis() / 1_000;
        let figures = &self.reach.figures;
        let ends = [
            ("server", &figures.server_ends),
            ("ca", &figures.authority_ends),
        ];
        let mut any = false;
        for (certificate, ends) in ends {
            let ends = ends.load(Relaxed);
            let left = ends.saturating_sub(now);
            if ends > 0 && left < ENDS_SOON {
                any = true;
                let days = left / (24 * 60 * 60);
                warn!(certificate, days, "a certificate ends soon");
            }
        }
        let registry = self.reach.access.registry();
        for (file, ends) in registry.authorities_ending(now + ENDS_SOON) {
            any = true;
            let (file, days) = (file.display(), ends.saturating_sub(now) / (24 * 60 * 60));
            warn!(%file, days, "an authority that is trusted ends soon");
        }
        for (file, due) in registry.lists_due(now) {
            any = true;
            let (file, days) = (file.display(), (now - due) / (24 * 60 * 60));
            warn!(%file, days, "a list of revoked certificates is out of date: put the next one in its place");
        }
        any
    }
}

impl Reach {
    /// Reads, and has what was read take its place; what it looks like, and what is wrong.
    ///
    /// Who may come in and what listeners show stand each for itself: a policy that is wrong must
    /// not keep a certificate until it ends, and one that has ended must not keep who is to go.
    fn reload(&self) -> (Fingerprint, Vec<Problem>) {
        let (known, Read { registry, server }) = self.reader.read_undisturbed();
        let mut problems = Vec::new();
        match server {
            Ok(server) => self.show(server.as_ref()),
            Err(problem) => problems.push(problem),
        }
        let decided = registry.and_then(|registry| self.decide_by(registry));
        let is_taken = decided.is_ok();
        problems.extend(decided.err().into_iter().flatten());
        self.figures.failed.store(!problems.is_empty(), Relaxed);
        if is_taken {
            // Last: whoever finds it counted finds it in force, and nothing left of a mistake.
            self.figures.reloads.fetch_add(1, Release);
        }
        (known, problems)
    }

    fn show(&self, server: Option<&ServerCredentials>) {
        if let (Some(tls), Some(server)) = (&self.tls, server) {
            tls.show(server);
        }
        self.figures.note_server(server);
    }

    fn decide_by(&self, registry: Arc<Registry>) -> Result<(), Vec<Problem>> {
        if let Some(tls) = &self.tls {
            let trusted = tls.trust(&registry);
            trusted.map_err(|error| self.reader.unusable(&error).0)?;
        }
        self.figures.note_authority(&registry);
        self.access.replace(registry);
        let expelled = self.rechecker.recheck();
        info!(expelled, "the access directory was read again");
        Ok(())
    }
}
