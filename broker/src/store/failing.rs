//! What a test makes of the disk: writes that wait for a word, writes and syncs that fail.

use std::{
    io,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::lock;

/// How writes fare.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Writes {
    #[default]
    Succeed,
    /// The next so many succeed, and those behind them wait.
    Wait(usize),
    /// Nothing is written.
    Fail,
    /// All is written and nobody knows, as when a sync fails.
    FailLate,
}

/// What a test makes of the disk.
#[derive(Debug, Default)]
pub(super) struct Failing {
    pub(super) syncs: AtomicBool,
    writes: Mutex<Writes>,
    changed: Condvar,
}

impl Failing {
    /// Lets writes fare as `writes` says, those that wait with them.
    pub(super) fn set(&self, writes: Writes) {
        *lock(&self.writes) = writes;
        self.changed.notify_all();
    }

    pub(super) fn writes(&self) -> Writes {
        *lock(&self.writes)
    }

    /// Before a write.
    pub(super) fn begin(&self) -> fjall::Result<()> {
        let mut writes = lock(&self.writes);
        while *writes == Writes::Wait(0) {
            writes = self.changed.wait(writes).expect("nobody panics meanwhile");
        }
        if let Writes::Wait(left) = &mut *writes {
            *left -= 1;
        }
        fail_if(*writes == Writes::Fail)
    }

    /// Behind a write that has succeeded.
    pub(super) fn end(&self) -> fjall::Result<()> {
        fail_if(self.writes() == Writes::FailLate)
    }

    pub(super) fn sync(&self) -> fjall::Result<()> {
        fail_if(self.syncs.load(Ordering::SeqCst))
    }
}

fn fail_if(fails: bool) -> fjall::Result<()> {
    match fails {
        true => Err(io::Error::other("injected failure").into()),
        false => Ok(()),
    }
}
