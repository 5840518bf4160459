//! A broker on a store that fails, and its clients.

use std::{
    future::ready,
    sync::{Arc, Weak},
    time::Duration,
};

use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::{
    io::duplex,
    task::{JoinSet, yield_now},
    time::timeout,
};

use super::{
    client::{Client, name},
    contents::{Contents, TAKEN, UNLIMITED},
    ledger::Ledger,
    steps::{CLIENTS, Step},
};
use crate::{
    clock::ahead,
    codec::Reason,
    compat::Compat,
    core::Core,
    fuzzing,
    hooks::{self, Answer, Connecting, Hooks, Intake, Intakes, Message, Principal},
    limits::Limits,
    sessions::visit_due,
    store::{self, Queue, QueueKind, Store, Transaction, failing::Writes},
};

/// Within it all connections end, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(60);
/// Seconds after which every will is due that waits.
const DUE: Duration = Duration::from_secs(10);
/// Turns in which all is answered that waits for nothing else.
const REST: usize = 10;

pub(super) struct World {
    _release: Release,
    core: Arc<Core>,
    tasks: JoinSet<()>,
    clients: Vec<Client>,
    ledger: Ledger,
    folder: TempDir,
}

impl World {
    pub(super) fn open() -> World {
        let folder = fuzzing::folder();
        let store = store::tests::open(folder.path());
        let hooks = Arc::new(Taking::new(&store));
        let limits = Limits {
            sys_interval: Duration::ZERO,
            ..Limits::default()
        };
        let core = Arc::new(Core::open(limits, hooks, store).unwrap());
        World {
            _release: Release(Arc::downgrade(&core)),
            core,
            tasks: JoinSet::new(),
            clients: (0..CLIENTS).map(Client::new).collect(),
            ledger: Ledger::default(),
            folder,
        }
    }

    /// Takes a step, and lets the clients hear what has come.
    pub(super) async fn take(&mut self, step: &Step) {
        let ledger = &mut self.ledger;
        match *step {
            Step::Connect {
                client,
                clean,
                lasts,
                will,
            } => {
                let (ours, theirs) = duplex(64 * 1024);
                let core = Arc::clone(&self.core);
                self.tasks.spawn(fuzzing::serve(theirs, Compat::None, core));
                let client = &mut self.clients[client];
                client.connect(ours, (clean, lasts), will, ledger).await;
            }
            Step::Subscribe {
                client,
                filter,
                qos,
            } => self.clients[client].subscribe(filter, qos, ledger).await,
            Step::Unsubscribe { client, filter } => {
                self.clients[client].unsubscribe(filter, ledger).await;
            }
            Step::Publish {
                client,
                ref messages,
            } => self.clients[client].publish(messages, ledger).await,
            Step::Hush { client } => self.clients[client].hush(),
            Step::Speak { client } => self.clients[client].speak(ledger).await,
            Step::Leave { client, ends } => self.clients[client].leave(ends, ledger).await,
            Step::Vanish { client } => self.clients[client].vanish().await,
            Step::Due => {
                ahead::pass(DUE);
                let core = Arc::clone(&self.core);
                // It waits for nothing but the store, which may be waiting for a later step.
                self.tasks.spawn(async move {
                    visit_due(&core).await;
                });
            }
            Step::Turns(turns) => take_turns(turns).await,
            Step::Rest => {
                take_turns(REST).await;
                self.sync().await;
                take_turns(REST).await;
            }
            Step::Writes(writes) => store::tests::set_writes(&self.core.store, writes),
        }
        for client in &mut self.clients {
            client.listen(&mut self.ledger).await;
        }
    }

    /// Ends all, and holds what is on disk against what was confirmed.
    pub(super) async fn finish(mut self) {
        let store = &self.core.store;
        if !matches!(store::tests::writes(store), Writes::Fail | Writes::FailLate) {
            store::tests::set_writes(store, Writes::Fail);
        }
        self.sync().await;
        assert!(self.core.store.is_poisoned());
        for client in &mut self.clients {
            client.finish(&mut self.ledger).await;
        }
        let ended = timeout(DEADLINE, std::mem::take(&mut self.tasks).join_all());
        ended.await.expect("all connections end");
        let World {
            core,
            folder,
            ledger,
            ..
        } = self;
        drop(core);
        let names: Vec<_> = (0..CLIENTS).map(name).collect();
        let contents = Contents::read(folder.path(), &names);
        let broken = ledger.broken(&contents);
        assert!(broken.is_empty(), "{broken:#?}\n{contents:#?}");
    }

    /// Waits until all is on disk that was submitted, unless writes wait; the store may fail.
    async fn sync(&self) {
        let store = &self.core.store;
        if let Writes::Wait(_) = store::tests::writes(store) {
            return;
        }
        let mut transaction = store.transaction();
        transaction.put(b"last", b"");
        if let Ok(ticket) = store.submit(transaction) {
            store.durable().reached(ticket).await.ok();
        }
    }
}

async fn take_turns(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// Lets writes go on when a case ends anyhow: a store that waits for a word cannot be closed.
struct Release(Weak<Core>);

impl Drop for Release {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            store::tests::set_writes(&core.store, Writes::Fail);
        }
    }
}

/// Takes a record of every message.
struct Taking(Arc<Taker>);

struct Taker(Queue);

impl Taking {
    fn new(store: &Store) -> Taking {
        let queue = store.queue(TAKEN, QueueKind::Durable, UNLIMITED);
        Taking(Arc::new(Taker(queue.unwrap())))
    }
}

impl Intake for Taker {
    fn take(
        &self,
        _: &hooks::Client,
        message: &Message<'_>,
        transaction: &mut Transaction,
    ) -> Result<(), Reason> {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(message.payload);
        transaction.append(&self.0, write).unwrap();
        Ok(())
    }
}

impl Hooks for Taking {
    fn connect<'a>(
        &'a self,
        _: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        Box::pin(ready(Ok(None)))
    }

    fn publish(&self, _: &hooks::Client, _: &TopicName) -> Result<Intakes, Reason> {
        Ok(vec![Arc::clone(&self.0) as Arc<dyn Intake>])
    }

    fn retain(&self, _: &hooks::Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &hooks::Client, _: &TopicFilter) -> Result<(), Reason> {
        Ok(())
    }

    fn deliver(&self, _: &hooks::Client, _: &TopicName, _: Option<&hooks::Client>) -> bool {
        true
    }
}
