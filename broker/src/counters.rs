//! What the broker counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The broker's counters since it started.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        /// The broker's counters at one moment.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub struct BrokerCounters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> BrokerCounters {
                BrokerCounters { $($name: self.$name.get(),)+ }
            }
        }
    };
}

counters! {
    /// Connections that are open.
    connections,
    /// Connections that were refused or ended with an error.
    connections_failed,
    /// Connections that were refused because too many were open.
    connections_refused_limit,
    /// Connections that were refused because too many were open from their address.
    connections_refused_address,
    /// Connections that were refused because too many came in a second.
    connections_refused_rate,
    /// TLS handshakes that failed.
    tls_handshakes_failed,
    /// Connections that were closed before their CONNECT because their place was needed.
    handshakes_evicted,
    /// Connections that were closed because their client may not be connected any more.
    connections_expelled,
    /// Connections whose task panicked.
    connections_panicked,
    /// Messages that clients published.
    messages_received,
    /// Publishes that a hook refused.
    messages_refused,
    /// Messages that were written to subscribers.
    messages_sent,
    /// Messages that went to a session's queue because its subscriber was behind.
    messages_spilled,
    /// Bytes of messages that wait in memory for subscribers.
    mailbox_bytes,
    /// Messages that the full queue of a session dropped for newer ones.
    messages_dropped_oldest,
    /// Sessions that ended because nobody came back to them in time.
    sessions_expired,
    /// Times that a client was not read from because it published too fast.
    publishers_throttled,
    /// Messages in a session's queue that their subscriber may not see when it comes back.
    messages_withheld,
    /// Messages at QoS 0 that a subscriber's full mailbox could not take.
    messages_dropped_qos0,
    /// Messages that a session's full queue could not take.
    messages_dropped_full,
    /// Messages larger than their subscriber's maximum packet size.
    messages_dropped_oversize,
    /// Messages whose expiry interval passed before they were sent.
    messages_expired,
}

/// A number that many tasks count up and down.
///
/// It has a cache line to itself: tasks on other cores count something else meanwhile.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
