//! What broke other brokers in the last eight years, one test for each kind of bug.
//!
//! Each test names the broker that it was found in, where that is public. Afterwards a client
//! that did nothing wrong is served as before, memory and sockets are given back, and no task
//! has panicked.

mod connections;
mod depth;
mod floods;
mod identifiers;
mod packets;
mod properties;
mod sessions;
mod storms;
mod topics;

use std::net::SocketAddr;

use crate::support::{bystander::Bystander, gateway::Gateway};

/// What the process may grow by where nothing is to be kept.
const NOTHING: u64 = 12 << 20;

/// The same where the store takes something: what it keeps in memory before it goes to disk.
const STORED: u64 = 96 << 20;

/// A gateway under attack, with a client beside it.
struct Target {
    gateway: Gateway,
    bystander: Bystander,
    /// Its memory at rest.
    before: u64,
}

impl Target {
    /// Starts a gateway with `config`.
    #[track_caller]
    fn start(config: &str) -> Self {
        let gateway = Gateway::start(config);
        let mut bystander = Bystander::beside(gateway.address());
        bystander.goes_on("its start");
        let before = gateway.resident_bytes();
        Self {
            gateway,
            bystander,
            before,
        }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// What follows is measured against the memory that is held at this moment.
    fn rest(&mut self) {
        self.before = self.gateway.resident_bytes();
    }

    /// The bystander is served, and the process has grown by less than `growth` bytes.
    #[track_caller]
    fn withstands(&mut self, what: &str, growth: u64) {
        self.bystander.goes_on(what);
        let grown = self.gateway.resident_bytes().saturating_sub(self.before);
        println!("{what}: grown by {} KiB", grown >> 10);
        assert!(grown < growth, "grown by {grown} bytes after {what}");
        self.has_not_panicked();
    }

    /// The bystander is served.
    #[track_caller]
    fn goes_on(&mut self, what: &str) {
        self.bystander.goes_on(what);
    }

    #[track_caller]
    fn has_not_panicked(&self) {
        assert!(!self.gateway.has_ended(), "the gateway ended");
        let log = self.gateway.stderr();
        assert!(!log.contains("panicked"), "{log}");
    }
}
