//! The broker of a case, which may end and begin again.

use std::{future::ready, sync::Arc};

use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::{
    io::{DuplexStream, duplex},
    task::{JoinSet, yield_now},
    time::{Duration, timeout},
};

use super::steps::Restart;
use crate::{
    codec::Reason,
    compat::Compat,
    core::Core,
    fuzzing,
    hooks::{Answer, Client, Connecting, Hooks, Intakes, Principal},
    limits::Limits,
    store,
};

/// A broker and its folder.
pub(super) struct Running {
    pub(super) core: Arc<Core>,
    tasks: JoinSet<()>,
    folder: TempDir,
}

impl Running {
    /// Opens a broker on what is in `folder`.
    pub(super) fn open(folder: TempDir, limits: Limits) -> Running {
        let store = store::tests::open(folder.path());
        Running {
            core: Arc::new(Core::open(limits, Arc::new(Open), store).unwrap()),
            tasks: JoinSet::new(),
            folder,
        }
    }

    /// The client's end of a new connection.
    pub(super) fn connect(&mut self) -> DuplexStream {
        let (ours, theirs) = duplex(64 * 1024);
        let core = Arc::clone(&self.core);
        self.tasks.spawn(fuzzing::serve(theirs, Compat::None, core));
        ours
    }

    /// Waits until the broker knows that only so many connections are left.
    pub(super) async fn notice(&mut self, connections: usize) {
        let noticed = async {
            while self.core.snapshot().connections != connections as u64 {
                yield_now().await;
            }
        };
        let noticed = timeout(Duration::from_secs(20), noticed).await;
        noticed.expect("it notices that connections are lost");
        while let Some(ended) = self.tasks.try_join_next() {
            ended.unwrap();
        }
    }

    /// Waits until all is on disk that was done so far.
    pub(super) async fn sync(&self) {
        let store = &self.core.store;
        let mut transaction = store.transaction();
        transaction.delete(b"nothing");
        let ticket = store.submit(transaction).unwrap();
        store.durable().reached(ticket).await.unwrap();
    }

    /// Ends the broker; the folder that the next one finds.
    pub(super) async fn end(mut self, how: Restart) -> TempDir {
        let mut folder = self.folder;
        match how {
            Restart::Stop => {
                self.core.stop.cancel();
                while let Some(ended) = self.tasks.join_next().await {
                    ended.unwrap();
                }
            }
            Restart::Drop => {}
            Restart::Kill => {
                let left = fuzzing::folder();
                store::tests::copy_folder(folder.path(), left.path());
                folder = left;
            }
        }
        self.tasks.shutdown().await;
        folder
    }
}

/// Admits everybody to everything.
pub(crate) struct Open;

impl Hooks for Open {
    fn connect<'a>(
        &'a self,
        _: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        Box::pin(ready(Ok(None)))
    }

    fn publish(&self, _: &Client, _: &TopicName) -> Result<Intakes, Reason> {
        Ok(Intakes::new())
    }

    fn retain(&self, _: &Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &Client, _: &TopicFilter) -> Result<(), Reason> {
        Ok(())
    }

    fn deliver(&self, _: &Client, _: &TopicName, _: Option<&Client>) -> bool {
        true
    }
}
