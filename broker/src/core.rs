//! What all connections share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytestring::ByteString;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{self, Clock},
    codec::Version,
    complaints::Complaints,
    counters::{BrokerCounters, Counters},
    hooks::{Client, Hooks},
    housekeeper::ALIVE,
    limits::Limits,
    peer::Peer,
    retained::Retained,
    router::Router,
    sessions::{self, OrphanedWill, Sessions},
    store::{Store, StoreError, Transaction},
    stored::key,
};

/// What all connections share.
pub(crate) struct Core {
    pub(crate) limits: Arc<Limits>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) sessions: Sessions,
    pub(crate) retained: Retained,
    pub(crate) counters: Arc<Counters>,
    /// Wills of an earlier run, until they are published.
    orphaned_wills: Mutex<Vec<OrphanedWill>>,
    complaints: Complaints,
    numbers: AtomicU64,
    /// The client that stands for the broker itself.
    own_client: Arc<Client>,
    /// Cancelled when the broker stops.
    pub(crate) stop: CancellationToken,
    pub(crate) clock: Clock,
    /// By the clock.
    pub(crate) began: u64,
    /// In the identifiers that are given to clients, which no other run gives.
    run: u64,
}

impl Core {
    /// Takes in what the store holds; this reads from the disk.
    pub(crate) fn open(
        limits: Limits,
        hooks: Arc<dyn Hooks>,
        store: Store,
    ) -> Result<Core, StoreError> {
        let alive = last_alive(&store)?;
        let clock = Clock::start(alive);
        let began = clock.now();
        let core = Core {
            retained: Retained::load(&store, &limits)?,
            limits: Arc::new(limits),
            hooks,
            store,
            router: Router::default(),
            sessions: Sessions::default(),
            counters: Arc::default(),
            orphaned_wills: Mutex::default(),
            complaints: Complaints::default(),
            numbers: AtomicU64::new(0),
            own_client: Arc::new(Client {
                id: ByteString::new(),
                user_name: None,
                peer: Peer::Away,
                version: Version::V5,
                principal: None,
            }),
            stop: CancellationToken::new(),
            clock,
            began,
            run: clock::wall(),
        };
        // No connection was lost later; a session or a delayed will loses none of its time.
        let lost = alive.map_or(began, |at| at + ALIVE.as_millis() as u64);
        *core.orphaned_wills.lock() = sessions::restore(&core, lost.min(began))?;
        Ok(core)
    }

    /// Notes that the gateway runs.
    pub(crate) fn note_alive(&self) {
        let mut transaction = self.store.transaction();
        self.put_alive(&mut transaction);
        if self.store.submit(transaction).is_err() {
            tracing::debug!("the store takes nothing");
        }
    }

    pub(crate) fn put_alive(&self, transaction: &mut Transaction) {
        transaction.put_lazily(key::ALIVE, &self.clock.now().to_be_bytes());
    }

    pub(crate) fn take_orphaned_wills(&self) -> Vec<OrphanedWill> {
        std::mem::take(&mut self.orphaned_wills.lock())
    }

    pub(crate) fn own_client(&self) -> Arc<Client> {
        Arc::clone(&self.own_client)
    }

    /// What was counted since the start.
    pub(crate) fn snapshot(&self) -> BrokerCounters {
        BrokerCounters {
            messages_dropped_oldest: self.sessions.dropped_oldest(),
            ..self.counters.snapshot()
        }
    }

    /// Counts and logs a connection that was refused or closed for `what`.
    pub(crate) fn fail(&self, client: &str, peer: Peer, what: &str) {
        self.counters.connections_failed.add(1);
        self.complaints.log(client, peer, what);
    }

    /// A number that no other session has since the start.
    pub(crate) fn next_session(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An identifier for a client that brings none.
    pub(crate) fn assign_client_id(&self) -> ByteString {
        format!("auto-{:x}-{:x}", self.run, self.next_session()).into()
    }
}

/// When an earlier run was last known to run.
fn last_alive(store: &Store) -> Result<Option<u64>, StoreError> {
    let mut alive = None;
    store.entries(key::ALIVE, |_, value| {
        alive = value.try_into().ok().map(u64::from_be_bytes);
    })?;
    Ok(alive)
}
