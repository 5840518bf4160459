//! Sessions and wills as a restart finds them in the store.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use bytestring::ByteString;
use tracing::{error, info};

use super::{
    OrphanedWill, Slot,
    kept::{Kept, Lasting},
};
use crate::{
    codec::Version,
    core::Core,
    hooks::Client,
    inbound::Inbound,
    peer::Peer,
    session::Handshakes,
    store::{QueueKind, StoreError, Transaction},
    stored::{SessionRecord, SubscriptionRecord, WillRecord, filter, key, queue_name},
};

/// Takes in the sessions that the store holds; gives wills whose session ended with the
/// connection that an earlier run lost.
///
/// `lost` is when that run lost its connections at the latest, in milliseconds since the Unix
/// epoch.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn restore(core: &Core, lost: u64) -> Result<Vec<OrphanedWill>, StoreError> {
    let mut transaction = core.store.transaction();
    let mut sessions = read_sessions(core, lost, &mut transaction)?;
    read_subscriptions(core, &mut sessions, &mut transaction)?;
    read_handshakes(core, &mut sessions, &mut transaction)?;
    let orphans = read_wills(core, &mut sessions, lost, &mut transaction)?;
    remove_stray_queues(core, &sessions, &mut transaction)?;
    core.store.submit(transaction)?;
    if !sessions.is_empty() {
        info!(sessions = sessions.len(), "sessions were restored");
    }
    core.sessions
        .lasting
        .store(sessions.len(), Ordering::Relaxed);
    let mut slots = core.sessions.slots.lock();
    for (client_id, mut kept) in sessions {
        for (filter, record) in kept.subscriptions.iter() {
            core.router.subscribe(filter, &kept.mailbox, record);
        }
        kept.watch(core);
        let slot = Slot {
            queue: kept.mailbox.queue().cloned(),
            session: Arc::new(tokio::sync::Mutex::new(Some(kept))),
            latest: None,
        };
        slots.insert(client_id, slot);
    }
    Ok(orphans)
}

fn read_sessions(
    core: &Core,
    lost: u64,
    transaction: &mut Transaction,
) -> Result<HashMap<ByteString, Kept>, StoreError> {
    let mut records = Vec::new();
    core.store.entries(&[key::SESSION], |key, value| {
        match (key::text(key), SessionRecord::decode(value)) {
            (Some(client_id), Some(record)) => records.push((ByteString::from(client_id), record)),
            _ => complain(key),
        }
    })?;
    let mut sessions = HashMap::new();
    for (client_id, record) in records {
        let client = Client {
            id: client_id.clone(),
            user_name: record.user_name,
            peer: Peer::Away,
            principal: None,
            version: record.version,
        };
        let mailbox = core.durable_mailbox(Arc::new(client))?;
        let was_connected = record.left_at.is_none();
        let lasting = Lasting {
            expiry: record.expiry,
            left_at: Some(record.left_at.unwrap_or(lost)),
            handshakes: Handshakes {
                sent: record.sent,
                ..Handshakes::default()
            },
            ..Lasting::default()
        };
        let kept = Kept::new(mailbox, Some(lasting));
        if was_connected {
            // Its time runs from here, however often the gateway is restarted.
            kept.write(transaction);
        }
        sessions.insert(client_id, kept);
    }
    Ok(sessions)
}

fn read_subscriptions(
    core: &Core,
    sessions: &mut HashMap<ByteString, Kept>,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    core.store.entries(&[key::SUBSCRIPTION], |key, value| {
        let Some((client_id, rest)) = key::client_and_rest(key) else {
            return complain(key);
        };
        let Some(kept) = sessions.get_mut(client_id) else {
            return transaction.delete(key);
        };
        match (filter(rest), SubscriptionRecord::decode(value)) {
            (Some(filter), Some(record)) => {
                kept.subscriptions.insert(filter, record);
            }
            _ => complain(key),
        }
    })
}

fn read_handshakes(
    core: &Core,
    sessions: &mut HashMap<ByteString, Kept>,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    for tag in [key::RECEIVED, key::RELEASED] {
        core.store.entries(&[tag], |key, _| {
            let Some((client_id, number)) = key::client_and_rest(key) else {
                return complain(key);
            };
            let kept = sessions.get_mut(client_id);
            let Some(lasting) = kept.and_then(|kept| kept.lasting.as_mut()) else {
                return transaction.delete(key);
            };
            let handshakes = &mut lasting.handshakes;
            if let Ok(packet_id) = number.try_into().map(u16::from_be_bytes) {
                handshakes.received.insert(packet_id);
            } else if let Ok(sequence) = number.try_into().map(u64::from_be_bytes) {
                handshakes.released.insert(sequence);
            } else {
                complain(key);
            }
        })?;
    }
    Ok(())
}

fn read_wills(
    core: &Core,
    sessions: &mut HashMap<ByteString, Kept>,
    lost: u64,
    transaction: &mut Transaction,
) -> Result<Vec<OrphanedWill>, StoreError> {
    let mut orphans = Vec::new();
    core.store.entries(&[key::WILL], |key, value| {
        let (Some(client_id), Some(mut record)) = (key::text(key), WillRecord::decode(value))
        else {
            return complain(key);
        };
        let kept = sessions.get_mut(client_id);
        match kept.and_then(|kept| kept.lasting.as_mut()) {
            Some(lasting) => {
                if record.due_at.is_none() {
                    let delay = u64::from(record.will.delay.min(lasting.expiry)) * 1000;
                    record.due_at = Some(lost + delay);
                    core.put_will(client_id, &record, transaction);
                }
                lasting.will = Some(record);
            }
            None => orphans.push(OrphanedWill {
                client_id: client_id.into(),
                will: record.will,
            }),
        }
    })?;
    Ok(orphans)
}

/// Removes queues of sessions that are not there.
fn remove_stray_queues(
    core: &Core,
    sessions: &HashMap<ByteString, Kept>,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    let wanted: HashSet<String> = sessions.keys().map(|id| queue_name(id)).collect();
    let prefix = queue_name("");
    for name in core.store.queue_names() {
        if name.starts_with(&prefix) && !wanted.contains(&name) {
            let limits = core.limits.session_queue();
            let queue = core.store.queue(&name, QueueKind::Durable, limits)?;
            transaction.remove(&queue);
        }
    }
    Ok(())
}

/// Publishes the wills that [`restore`] has found, each once.
pub(crate) fn publish_orphaned_wills(wills: Vec<OrphanedWill>, core: &Core) {
    for OrphanedWill { client_id, will } in wills {
        let client = Client {
            id: client_id,
            user_name: None,
            peer: Peer::Away,
            principal: None,
            version: Version::V5,
        };
        Inbound::new(Arc::new(client), 0, &core.store).publish_will(&will, core);
    }
}

fn complain(key: &[u8]) {
    error!(key = %key.escape_ascii(), "an entry of the store cannot be read");
}
