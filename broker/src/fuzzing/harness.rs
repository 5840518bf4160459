//! The broker that is fuzzed, with bounds that a few packets reach.

use std::{future::ready, path::Path, sync::Arc, time::Duration};

use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{cleanup, folder};
use crate::{
    codec::Reason,
    core::Core,
    hooks::{Answer, Client, Connecting, Hooks, Intake, Intakes, Message, Principal},
    limits::{Limits, QueueFullPolicy},
    sessions::publish_orphaned_wills,
    store::{Durability, Queue, QueueKind, QueueLimits, Store, StoreConfig, Transaction, WhenFull},
};

/// A broker and the tasks of its connections.
pub(super) struct Harness {
    pub(super) core: Arc<Core>,
    pub(super) tasks: JoinSet<()>,
    policy: QueueFullPolicy,
    folder: TempDir,
}

/// What becomes of a broker when an input is used up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// All clients leave without a word.
    Deserted,
    /// It stops, and begins again.
    Stopped,
    /// Its tasks are dropped where they are, and it begins again.
    Dropped,
}

impl Harness {
    pub(super) fn open(policy: QueueFullPolicy) -> Harness {
        let folder = folder();
        Harness {
            core: open(folder.path(), policy),
            tasks: JoinSet::new(),
            policy,
            folder,
        }
    }

    /// Ends all connections and, unless it is only deserted, begins again.
    pub(super) async fn end(self, how: Ending) -> Harness {
        let Harness {
            core,
            mut tasks,
            policy,
            folder,
        } = self;
        match how {
            Ending::Deserted => {}
            Ending::Stopped => core.stop.cancel(),
            Ending::Dropped => tasks.shutdown().await,
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no connection's task panics");
        }
        cleanup::check_bounds(&core);
        let core = match how {
            Ending::Deserted => core,
            Ending::Stopped | Ending::Dropped => {
                drop(core);
                open(folder.path(), policy)
            }
        };
        Harness {
            core,
            tasks,
            policy,
            folder,
        }
    }
}

/// Opens a broker on what is in `folder`.
fn open(folder: &Path, policy: QueueFullPolicy) -> Arc<Core> {
    let store = Store::open(StoreConfig {
        path: folder.to_owned(),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    });
    let store = store.expect("the store opens");
    let taken = store.queue("taken", QueueKind::Durable, TAKEN);
    let hooks = Arc::new(Picky {
        queue: taken.expect("a queue opens"),
    });
    let core = Core::open(limits(policy), hooks, store);
    let core = Arc::new(core.expect("it reads what an earlier one has written"));
    publish_orphaned_wills(core.take_orphaned_wills(), &core);
    core
}

/// Bounds that a few packets reach.
fn limits(policy: QueueFullPolicy) -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(15),
        max_packet_size: 2 * 1024,
        max_topic_length: 64,
        max_topic_levels: 4,
        max_topic_aliases: 3,
        max_subscriptions: 5,
        receive_maximum: 4,
        max_inflight: 3,
        mailbox_messages: 6,
        mailbox_bytes: 512,
        mailbox_bytes_total: 1024,
        session_queue_messages: 12,
        session_queue_bytes: 2 * 1024,
        session_queue_full: policy,
        max_sessions: 3,
        max_session_expiry: cleanup::LONGEST_SESSION,
        max_retained_messages: 5,
        max_retained_bytes: 4 * 1024,
        max_publish_rate: 1_000,
        sys_interval: Duration::ZERO,
        ..Limits::default()
    }
}

const TAKEN: QueueLimits = QueueLimits {
    records: 100,
    bytes: 10_000,
    when_full: WhenFull::DropOldest,
};

/// Takes records on one topic, hides another, and refuses a filter.
struct Picky {
    queue: Queue,
}

impl Hooks for Picky {
    fn connect<'a>(
        &'a self,
        _: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        Box::pin(ready(Ok(None)))
    }

    fn publish(&self, _: &Client, topic: &TopicName) -> Result<Intakes, Reason> {
        Ok(match &**topic {
            "taken" => vec![Arc::new(Taker(self.queue.clone()))],
            "refused" => return Err(Reason::NotAuthorized),
            _ => Vec::new(),
        })
    }

    fn retain(&self, _: &Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &Client, filter: &TopicFilter) -> Result<(), Reason> {
        match filter.as_str() {
            "secret" => Err(Reason::NotAuthorized),
            _ => Ok(()),
        }
    }

    fn deliver(&self, _: &Client, topic: &TopicName, _: Option<&Client>) -> bool {
        &**topic != "hidden"
    }
}

struct Taker(Queue);

impl Intake for Taker {
    fn take(
        &self,
        _: &Client,
        message: &Message<'_>,
        transaction: &mut Transaction,
    ) -> Result<(), Reason> {
        let taken = transaction.append(&self.0, |record| record.extend(message.payload));
        taken.map_err(|_| Reason::QuotaExceeded)
    }
}
