//! What all connections share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytestring::ByteString;

use crate::{
    complaints::Complaints,
    counters::Counters,
    hooks::{Client, Hooks},
    limits::Limits,
    mailbox::Mailbox,
    peer::Peer,
    router::Router,
    store::Store,
};

/// What all connections share.
pub(crate) struct Core {
    pub(crate) limits: Arc<Limits>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) counters: Arc<Counters>,
    complaints: Complaints,
    connections: AtomicU64,
    /// Tells the identifiers of this run from those of another.
    run: u64,
}

impl Core {
    pub(crate) fn new(limits: Limits, hooks: Arc<dyn Hooks>, store: Store) -> Core {
        Core {
            limits: Arc::new(limits),
            hooks,
            store,
            router: Router::default(),
            counters: Arc::default(),
            complaints: Complaints::default(),
            connections: AtomicU64::new(0),
            run: crate::clock::unix_millis(),
        }
    }

    pub(crate) fn mailbox(&self, client: Arc<Client>) -> Arc<Mailbox> {
        let id = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let (limits, counters) = (Arc::clone(&self.limits), Arc::clone(&self.counters));
        Arc::new(Mailbox::new(
            id,
            client,
            self.store.clone(),
            limits,
            counters,
        ))
    }

    /// Counts and logs a connection that was refused or closed for `what`.
    pub(crate) fn fail(&self, client: &str, peer: Peer, what: &str) {
        self.counters.connections_failed.add(1);
        self.complaints.log(client, peer, what);
    }

    /// An identifier for a client that brings none.
    pub(crate) fn assign_client_id(&self) -> ByteString {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        format!("auto-{:x}-{number:x}", self.run).into()
    }
}
