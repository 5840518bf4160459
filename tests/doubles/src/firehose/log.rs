//! What the double has been sent, and what it is to answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::firehose::{answer::Answer, request::Request};

pub(super) type Respond = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

/// The memory of a double; it outlives an outage.
#[derive(Default)]
pub(super) struct Log {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// The records of each stream, in the order in which they were taken.
    taken: HashMap<String, Vec<Bytes>>,
    /// How many records all streams have taken; it names the next.
    names: u64,
    scripted: VecDeque<Answer>,
    respond: Option<Respond>,
}

/// The place of a request in the log.
#[derive(Clone, Copy)]
pub(super) struct Entry(usize);

impl Log {
    pub(super) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().scripted.extend(answers);
    }

    pub(super) fn respond_with(&self, respond: Respond) {
        self.state().respond = Some(respond);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub(super) fn request_count(&self) -> usize {
        self.state().requests.len()
    }

    pub(super) fn records(&self, stream: &str) -> Vec<Bytes> {
        self.state().taken.get(stream).cloned().unwrap_or_default()
    }

    pub(super) fn record_count(&self, stream: &str) -> usize {
        self.state().taken.get(stream).map_or(0, Vec::len)
    }

    /// Notes a request, and says how to answer it.
    pub(super) fn arrived(&self, request: Request) -> (Entry, Answer) {
        let (entry, answer) = {
            let mut state = self.state();
            let answer = match (&request.refused, state.scripted.front()) {
                (Some(_), _) => Answer::Accept,
                (None, Some(_)) => state.scripted.pop_front().unwrap_or(Answer::Accept),
                (None, None) => {
                    let respond = state.respond.as_ref();
                    respond.map_or(Answer::Accept, |respond| respond(&request))
                }
            };
            state.requests.push(request);
            (Entry(state.requests.len() - 1), answer)
        };
        self.changed.notify_waiters();
        (entry, answer)
    }

    /// Takes the records of a request but those at `failed`; a name for each that is taken.
    pub(super) fn take(&self, entry: Entry, failed: &[usize]) -> Vec<Option<String>> {
        let ids = {
            let mut state = self.state();
            let state = &mut *state;
            let request = &mut state.requests[entry.0];
            let stream = state.taken.entry(request.stream.clone()).or_default();
            for (position, record) in request.records.iter().enumerate() {
                let taken = !failed.contains(&position);
                request.record_ids.push(taken.then(|| {
                    stream.push(record.clone());
                    state.names += 1;
                    format!("record-{:08}", state.names)
                }));
            }
            request.record_ids.clone()
        };
        self.changed.notify_waiters();
        ids
    }

    /// Resolves when `condition` is true.
    pub(super) async fn wait(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change falls between.
            changed.as_mut().enable();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
