//! The sessions: who has a client identifier, and what outlives a connection.
//!
//! - A client identifier has one connection at a time. A newcomer tells the earlier one to go
//!   and waits until it has handed over the session.
//! - A session that outlives its connection is in the store as soon as its CONNACK leaves, and
//!   comes back after a restart. When it ends, nothing of it is left.

mod deadlines;
mod kept;
mod place;
mod restore;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use bytestring::ByteString;
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{
    deadlines::Deadlines,
    kept::{Kept, Lasting},
};
pub(crate) use self::{
    place::{Left, Place},
    restore::{publish_orphaned_wills, restore},
};
use crate::{
    codec::Reason,
    core::Core,
    hooks::Client,
    mailbox::Mailbox,
    store::{Queue, StoreError, Ticket, Transaction},
    stored::{WillRecord, key},
    will::Will,
};

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Mutex<HashMap<ByteString, Slot>>,
    /// Sessions that outlive their connection.
    lasting: AtomicUsize,
    numbers: AtomicU64,
    /// Messages that were dropped by queues of sessions that have ended.
    dropped_by_ended: AtomicU64,
    /// When it is durable, all sessions that have ended are gone from the disk.
    ended: Mutex<Option<Ticket>>,
    deadlines: Deadlines,
}

/// What there is of a client identifier.
#[derive(Default)]
struct Slot {
    session: Arc<AsyncMutex<Option<Kept>>>,
    /// The connection that came last, which has the session or waits for it.
    latest: Option<Latest>,
    /// The queue of a session that outlives its connection.
    queue: Option<Queue>,
}

struct Latest {
    number: u64,
    client: Arc<Client>,
    dismissed: CancellationToken,
    /// Set before the connection is dismissed because its client may not stay.
    expelled: Arc<AtomicBool>,
}

impl Latest {
    /// What it takes to dismiss the connection as one whose client may not stay.
    fn clone_dismissal(&self) -> (Arc<AtomicBool>, CancellationToken) {
        (Arc::clone(&self.expelled), self.dismissed.clone())
    }
}

/// What a client asks for with its CONNECT.
pub(crate) struct Request {
    pub(crate) client: Arc<Client>,
    pub(crate) clean_start: bool,
    /// Seconds that the session outlives the connection.
    pub(crate) expiry: u32,
    pub(crate) will: Option<Will>,
}

/// Why a client does not get a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) what: &'static str,
}

/// What a client is told that may not be connected any more.
const EXPELLED: Refused = Refused {
    reason: Reason::NotAuthorized,
    what: "the client may not be connected",
};

impl From<StoreError> for Refused {
    fn from(_: StoreError) -> Refused {
        Refused {
            reason: Reason::ServerUnavailable,
            what: "the store takes nothing",
        }
    }
}

impl Sessions {
    /// How many sessions there are whose client is not connected.
    pub(crate) fn away(&self) -> usize {
        let slots = self.slots.lock();
        slots.values().filter(|slot| slot.latest.is_none()).count()
    }

    /// Messages that full queues dropped for newer ones.
    pub(crate) fn dropped_oldest(&self) -> u64 {
        let slots = self.slots.lock();
        let queues = slots.values().filter_map(|slot| slot.queue.as_ref());
        self.dropped_by_ended.load(Ordering::Relaxed) + queues.map(Queue::dropped).sum::<u64>()
    }

    /// Notes which queue the session of `client_id` has.
    fn note_queue(&self, client_id: &ByteString, queue: Option<&Queue>) {
        let earlier = self
            .slots
            .lock()
            .get_mut(client_id)
            .and_then(|slot| std::mem::replace(&mut slot.queue, queue.cloned()));
        if let Some(ended) = earlier {
            let dropped = ended.dropped();
            self.dropped_by_ended.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    /// A session that outlived its connection has ended, on disk with `ticket`.
    fn note_end(&self, ticket: Ticket) {
        let mut ended = self.ended.lock();
        *ended = (*ended).max(Some(ticket));
    }

    /// When it is durable, no session comes back that has ended.
    pub(crate) fn ended(&self) -> Ticket {
        self.ended.lock().unwrap_or(Ticket::DONE)
    }

    /// Dismisses every connection whose client `stays` says no of; how many.
    pub(crate) fn expel(&self, stays: impl Fn(&Client) -> bool) -> usize {
        let connected: Vec<_> = {
            let slots = self.slots.lock();
            let latest = slots.values().filter_map(|slot| slot.latest.as_ref());
            latest
                .map(|latest| (Arc::clone(&latest.client), latest.clone_dismissal()))
                .collect()
        };
        // Asked without the lock: an answer may take long, and connections come meanwhile.
        let gone = connected.iter().filter(|(client, _)| !stays(client));
        gone.map(|(_, (expelled, dismissed))| {
            expelled.store(true, Ordering::Release);
            dismissed.cancel();
        })
        .count()
    }

    /// Gives `client_id` to a new connection; the one before is told to go.
    fn register(&self, core: &Arc<Core>, client: &Arc<Client>) -> Registration {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        // One of its own, so that connections that wait share no lock.
        let dismissed = core.stop.child_token();
        let expelled = Arc::new(AtomicBool::new(false));
        let latest = Latest {
            number,
            client: Arc::clone(client),
            expelled: Arc::clone(&expelled),
            dismissed: dismissed.clone(),
        };
        let mut slots = self.slots.lock();
        let slot = slots.entry(client.id.clone()).or_default();
        if let Some(earlier) = slot.latest.replace(latest) {
            earlier.dismissed.cancel();
        }
        Registration {
            session: Arc::clone(&slot.session),
            core: Arc::clone(core),
            client_id: client.id.clone(),
            number,
            dismissed,
            expelled,
        }
    }

    /// The session of a client that nobody is connected to.
    fn idle(&self, client_id: &ByteString) -> Option<OwnedMutexGuard<Option<Kept>>> {
        let slots = self.slots.lock();
        let slot = slots.get(client_id)?;
        Arc::clone(&slot.session).try_lock_owned().ok()
    }

    /// Forgets a client identifier that has neither a connection nor a session.
    fn tidy(&self, client_id: &ByteString) {
        let mut slots = self.slots.lock();
        let is_over = slots.get(client_id).is_some_and(|slot| {
            slot.latest.is_none() && slot.session.try_lock().is_ok_and(|kept| kept.is_none())
        });
        if is_over {
            slots.remove(client_id);
        }
    }
}

/// A connection's claim to a client identifier, given back when this is dropped.
struct Registration {
    core: Arc<Core>,
    client_id: ByteString,
    number: u64,
    session: Arc<AsyncMutex<Option<Kept>>>,
    dismissed: CancellationToken,
    expelled: Arc<AtomicBool>,
}

impl Registration {
    fn is_expelled(&self) -> bool {
        self.expelled.load(Ordering::Acquire)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        {
            let mut slots = self.core.sessions.slots.lock();
            if let Some(slot) = slots.get_mut(&self.client_id)
                && slot
                    .latest
                    .as_ref()
                    .is_some_and(|latest| latest.number == self.number)
            {
                slot.latest = None;
            }
        }
        self.core.sessions.tidy(&self.client_id);
    }
}

/// Takes or makes the session that `request` asks for; whether there was one.
///
/// What must be durable before the CONNACK leaves joins `transaction`.
///
/// # Errors
/// A bound is reached, the store takes nothing, or a later connection has the identifier.
pub(crate) async fn attach(
    core: &Arc<Core>,
    request: Request,
    transaction: &mut Transaction,
) -> Result<(Place, bool), Refused> {
    let registration = core.sessions.register(core, &request.client);
    // The rules may have changed since it was admitted, and whoever expels sees it only from here on.
    if !core.hooks.stays(&request.client) {
        return Err(EXPELLED);
    }
    let waiting = Arc::clone(&registration.session).lock_owned();
    let guard = tokio::select! {
        biased;
        () = registration.dismissed.cancelled() => return Err(if registration.is_expelled() { EXPELLED } else { Refused {
            reason: Reason::ServerBusy,
            what: "another connection has the client identifier",
        } }),
        guard = timeout(core.limits.connect_timeout, waiting) => guard.map_err(|_| Refused {
            reason: Reason::ServerUnavailable,
            what: "the session was not handed over in time",
        })?,
    };
    let mut place = Place::new(registration, guard);
    let is_resumed = place.resumes(&request).await;
    if !is_resumed {
        let kept = make(core, &request)?;
        place.fill(kept);
    }
    place.begin(request, transaction);
    Ok((place, is_resumed))
}

/// A new session.
fn make(core: &Core, request: &Request) -> Result<Kept, Refused> {
    let client = Arc::clone(&request.client);
    if request.expiry == 0 {
        let mailbox = core.transient_mailbox(client);
        return Ok(Kept::new(mailbox, None));
    }
    let lasting = &core.sessions.lasting;
    if lasting.load(Ordering::Relaxed) >= core.limits.max_sessions {
        return Err(Refused {
            reason: Reason::QuotaExceeded,
            what: "as many sessions outlive their connections as the configuration allows",
        });
    }
    let mailbox = core.durable_mailbox(client)?;
    lasting.fetch_add(1, Ordering::Relaxed);
    Ok(Kept::new(mailbox, Some(Lasting::new(request.expiry))))
}

/// Does what is due of `client_id` at `now`, if nobody is connected: publishes its will, ends
/// its session.
async fn visit(core: &Arc<Core>, client_id: &ByteString, now: u64) {
    let Some(mut guard) = core.sessions.idle(client_id) else {
        return;
    };
    let Some(kept) = guard.as_mut() else { return };
    kept.deadline = None;
    kept.publish_due_will(core, now);
    if kept.has_expired(now) {
        core.counters.sessions_expired.add(1);
        if let Some(kept) = guard.take() {
            kept.end(Vec::new(), core).await;
        }
        drop(guard);
        core.sessions.tidy(client_id);
    } else {
        kept.watch(core);
    }
}

/// Does what is due of all sessions, and tells when there is something next.
pub(crate) async fn visit_due(core: &Arc<Core>) -> Option<u64> {
    let now = core.clock.now();
    while let Some(client_id) = core.sessions.deadlines.pop_due(now) {
        visit(core, &client_id, now).await;
    }
    core.sessions.deadlines.next()
}

/// Waits until something may be due earlier than [`visit_due`] has told.
pub(crate) async fn earlier_deadline(core: &Core) {
    core.sessions.deadlines.changed().await;
}

/// A will of a client whose session ended with its connection, which a kill has cut.
pub(crate) struct OrphanedWill {
    client_id: ByteString,
    will: Will,
}

impl Core {
    /// Stores a will for the case of a restart, after which only the name of its client is known:
    /// one that its client may not publish must not become another's of that name.
    fn keep_will(&self, client: &Client, record: &WillRecord, transaction: &mut Transaction) {
        match record.will.may_be_published(client, self.hooks.as_ref()) {
            true => self.put_will(&client.id, record, transaction),
            false => transaction.delete(&key::will(&client.id)),
        }
    }

    fn put_will(&self, client_id: &str, record: &WillRecord, transaction: &mut Transaction) {
        transaction.put(&key::will(client_id), &record.encode());
    }

    fn transient_mailbox(&self, client: Arc<Client>) -> Arc<Mailbox> {
        Arc::new(Mailbox::transient(
            self.next_session(),
            client,
            self.store.clone(),
            Arc::clone(&self.limits),
            Arc::clone(&self.counters),
        ))
    }

    fn durable_mailbox(&self, client: Arc<Client>) -> Result<Arc<Mailbox>, StoreError> {
        let mailbox = Mailbox::durable(
            self.next_session(),
            client,
            self.store.clone(),
            Arc::clone(&self.limits),
            Arc::clone(&self.counters),
        )?;
        Ok(Arc::new(mailbox))
    }
}
