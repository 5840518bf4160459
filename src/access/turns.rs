//! Turns at what only one may do at a time.
//!
//! Addresses take turns, and the clients of an address stand in line among themselves: whoever
//! comes with very many waits for them, and others do not. Those who have given up cost nothing.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The bits of an IPv6 address that a network has; the others are its clients' own choice.
const NETWORK: u128 = !0 << 64;

/// Who has a turn, and who waits for one.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Whether somebody has a turn.
    is_taken: bool,
    lines: HashMap<Option<IpAddr>, VecDeque<oneshot::Sender<Turn>>>,
    /// The addresses that have a line, the next one first.
    order: VecDeque<Option<IpAddr>>,
}

/// A turn; dropping it gives it to the next one.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// Waits for the turn of a client from `address`; one on this machine has none.
    pub(super) async fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Turn> {
        let turn = {
            let mut waiting = self.lock();
            if !waiting.is_taken {
                waiting.is_taken = true;
                return Some(Turn(Some(Arc::clone(self))));
            }
            waiting.stand(address.map(network))
        };
        turn.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn stand(&mut self, address: Option<IpAddr>) -> oneshot::Receiver<Turn> {
        let (sender, turn) = oneshot::channel();
        let line = self.lines.entry(address).or_default();
        if line.is_empty() {
            self.order.push_back(address);
        }
        line.push_back(sender);
        turn
    }

    /// Gives `turn` to the next one who has not given up; it comes back if there is none.
    fn give(&mut self, mut turn: Turn) -> Option<Turn> {
        while let Some(address) = self.order.pop_front() {
            let mut line = self.lines.remove(&address).unwrap_or_default();
            while let Some(next) = line.pop_front() {
                let Err(back) = next.send(turn) else {
                    if !line.is_empty() {
                        self.lines.insert(address, line);
                        self.order.push_back(address);
                    }
                    return None;
                };
                turn = back;
            }
        }
        Some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        let mut waiting = turns.lock();
        if let Some(mut left) = waiting.give(Turn(Some(Arc::clone(&turns)))) {
            // Nobody wants it; it goes no further.
            left.0 = None;
            waiting.is_taken = false;
        }
    }
}

/// What an address has in common with those that its owner can choose instead.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & NETWORK).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    type Standing<'a> = Pin<Box<dyn Future<Output = Option<Turn>> + 'a>>;

    /// Somebody from `address` who stands in line.
    fn standing<'a>(turns: &'a Arc<Turns>, address: &str) -> Standing<'a> {
        let mut standing: Standing<'_> = Box::pin(turns.take(Some(address.parse().unwrap())));
        assert!(turn(&mut standing).is_none());
        standing
    }

    fn turn(standing: &mut Standing<'_>) -> Option<Turn> {
        let mut context = Context::from_waker(Waker::noop());
        match standing.as_mut().poll(&mut context) {
            Poll::Ready(turn) => turn,
            Poll::Pending => None,
        }
    }

    /// The turn of somebody who need not wait.
    fn at_once(turns: &Arc<Turns>) -> Turn {
        turn(&mut (Box::pin(turns.take(None)) as Standing<'_>)).expect("nobody has a turn")
    }

    #[test]
    fn one_address_with_many_clients_does_not_keep_another_waiting() {
        let turns = Arc::<Turns>::default();
        let first = at_once(&turns);
        // The same network, however its addresses are chosen.
        let many = ["2001:db8::1", "2001:db8::2", "2001:db8::3:4", "2001:db8::1"];
        let mut many = many.map(|address| standing(&turns, address));
        let mut other = standing(&turns, "192.0.2.1");
        drop(first);
        let second = turn(&mut many[0]).expect("who came first");
        assert!(turn(&mut other).is_none());
        drop(second);
        let third = turn(&mut other).expect("the other address");
        assert!(many[1..].iter_mut().all(|one| turn(one).is_none()));
        drop(third);
        for one in &mut many[1..] {
            assert!(turn(one).is_some());
        }
        let waiting = turns.lock();
        assert!(!waiting.is_taken && waiting.lines.is_empty() && waiting.order.is_empty());
    }

    #[test]
    fn a_turn_passes_those_by_who_have_given_up_and_is_never_lost() {
        let turns = Arc::<Turns>::default();
        let first = at_once(&turns);
        let gone: Vec<_> = (0..20_000).map(|_| standing(&turns, "192.0.2.1")).collect();
        let mut stays = standing(&turns, "192.0.2.1");
        drop(gone);
        drop(first);
        let second = turn(&mut stays).expect("who has not given up");
        let given = standing(&turns, "192.0.2.2");
        let mut last = standing(&turns, "192.0.2.3");
        drop(second);
        // It had its turn and has not looked.
        drop(given);
        drop(turn(&mut last).expect("the next one"));
        at_once(&turns);
    }
}
