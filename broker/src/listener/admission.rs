//! Who gets a connection: so many in all, from one address and in a second.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    connect_rate::ConnectRate,
    handshakes::{Handshake, Handshakes},
};
use crate::{core::Core, counters::Counter, peer::Peer};

/// A connection that has been silent for this long makes place when all places are taken.
const SILENCE: Duration = Duration::from_secs(1);

/// The places for connections, of all listeners together.
pub(crate) struct Admission {
    core: Arc<Core>,
    open: AtomicUsize,
    /// How many connections each address has; none has none.
    addresses: Mutex<HashMap<IpAddr, usize>>,
    rate: Mutex<Option<ConnectRate>>,
    handshakes: Arc<Handshakes>,
}

/// A connection's place; dropping it gives the place back.
pub(super) struct Place {
    admission: Arc<Admission>,
    ip: Option<IpAddr>,
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Limit,
    Address,
    Rate,
}

impl Admission {
    pub(crate) fn new(core: Arc<Core>) -> Admission {
        let limits = &core.limits;
        let burst = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
        Admission {
            open: AtomicUsize::new(0),
            addresses: Mutex::default(),
            rate: Mutex::new(ConnectRate::new(limits.connect_rate, burst, Instant::now())),
            handshakes: Arc::new(Handshakes::new(
                limits.max_handshakes,
                Arc::clone(&core.counters),
            )),
            core,
        }
    }

    /// Whether the next connection takes the place of one that has not sent its CONNECT.
    pub(super) fn evicts(&self) -> bool {
        self.handshakes.is_full()
    }

    /// A place for a connection and its handshake; who gets none is counted and told to the log.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer, now: Instant) -> Option<(Place, Handshake)> {
        match self.place(peer, now) {
            Ok(place) => {
                let limit = self.core.limits.connect_timeout;
                Some((place, self.handshakes.begin(now, limit)))
            }
            Err(refusal) => {
                refusal.counter(&self.core).add(1);
                self.core.fail("", peer, refusal.what());
                None
            }
        }
    }

    /// Whether no connection has a place.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && self.addresses.lock().is_empty()
    }

    fn place(self: &Arc<Self>, peer: Peer, now: Instant) -> Result<Place, Refusal> {
        let max = self.core.limits.max_connections;
        let taken = |open: usize| (open < max).then_some(open + 1);
        let counted = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        if counted.is_err() {
            // The evicted connection gives its place back when its task sees it.
            if !now
                .checked_sub(SILENCE)
                .is_some_and(|since| self.handshakes.evict(since))
            {
                return Err(Refusal::Limit);
            }
            self.open.fetch_add(1, Ordering::Relaxed);
        }
        let mut place = Place {
            admission: Arc::clone(self),
            ip: None,
        };
        // An address is the same whether its packets come over IPv4 or are mapped to IPv6.
        if let Some(ip) = peer.ip().map(|ip| ip.to_canonical()) {
            self.enter(ip)?;
            place.ip = Some(ip);
        }
        let mut rate = self.rate.lock();
        if rate.as_mut().is_some_and(|rate| !rate.take(place.ip, now)) {
            return Err(Refusal::Rate);
        }
        Ok(place)
    }

    fn enter(&self, ip: IpAddr) -> Result<(), Refusal> {
        let mut addresses = self.addresses.lock();
        let open = addresses.get(&ip).copied().unwrap_or_default();
        if open >= self.core.limits.max_connections_per_address {
            return Err(Refusal::Address);
        }
        addresses.insert(ip, open + 1);
        Ok(())
    }

    fn leave(&self, ip: IpAddr) {
        let mut addresses = self.addresses.lock();
        if let Entry::Occupied(mut open) = addresses.entry(ip) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ip) = self.ip {
            self.admission.leave(ip);
        }
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Refusal {
    fn counter(self, core: &Core) -> &Counter {
        match self {
            Refusal::Limit => &core.counters.connections_refused_limit,
            Refusal::Address => &core.counters.connections_refused_address,
            Refusal::Rate => &core.counters.connections_refused_rate,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Refusal::Limit => "as many connections are open as the configuration allows",
            Refusal::Address => {
                "as many connections are open from this address as the configuration allows"
            }
            Refusal::Rate => "more connections come in a second than the configuration allows",
        }
    }
}
