//! A client beside those that break rules: whatever they do, it is served.

use std::net::SocketAddr;

use crate::support::{
    version::Version::V311,
    wire::{self, Packet, Wire, publish},
};

/// A client that does nothing wrong while others do.
pub(crate) struct Bystander {
    wire: Wire,
    rounds: u16,
}

impl Bystander {
    /// Connects to the gateway at `address` and subscribes.
    pub(crate) fn beside(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address, V311, "bystander");
        wire.subscribe(V311, "beside", 1);
        Self { wire, rounds: 0 }
    }

    /// Publishes to itself and is served.
    #[track_caller]
    pub(crate) fn goes_on(&mut self, after: &str) {
        self.rounds += 1;
        let payload = self.rounds.to_string();
        self.wire.send(&publish(
            V311,
            1,
            self.rounds,
            b"beside",
            payload.as_bytes(),
        ));
        let what = format!("the bystander is served after: {after}");
        let mut answers = [self.wire.expect(&what), self.wire.expect(&what)];
        // The two may come in either order.
        answers.sort_by_key(|answer| answer.first);
        let (id, found) = wire::delivered(V311, &answers[0]);
        assert_eq!(found, payload.as_bytes(), "{what}");
        assert_eq!(
            answers[1],
            Packet {
                first: 0x40,
                body: self.rounds.to_be_bytes().to_vec()
            }
        );
        self.wire.send(&wire::puback(id));
    }
}
