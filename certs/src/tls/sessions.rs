//! What lets a client that comes back skip most of a handshake.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions},
};

use super::TlsError;

/// How many sessions are kept for clients of TLS 1.2 that take no tickets, with about a KiB for
/// each. At the bound the oldest goes, and its client does a whole handshake.
const MAX_KEPT: usize = 1024;

/// The sessions of one listener: whoever has begun one without a certificate cannot take it to a
/// listener that requires one.
#[derive(Clone)]
pub(super) struct Sessions {
    tickets: Arc<dyn ProducesTickets>,
    kept: Arc<dyn StoresServerSessions>,
}

impl Sessions {
    /// None so far, and with keys of their own, so that those of others mean nothing here.
    pub(super) fn new() -> Result<Sessions, TlsError> {
        Ok(Sessions {
            tickets: Ticketer::new()?,
            kept: ServerSessionMemoryCache::new(MAX_KEPT),
        })
    }

    pub(super) fn install(&self, config: &mut ServerConfig) {
        config.ticketer = Arc::clone(&self.tickets);
        config.session_storage = Arc::clone(&self.kept);
        // A device opens one connection after the other, and each brings a ticket for the next.
        config.send_tls13_tickets = 1;
    }
}
