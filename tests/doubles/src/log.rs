//! What a double has been sent, and what it is to answer.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fastrand::Rng;
use tokio::sync::Notify;

use crate::{
    answer::Answer,
    call::{Call, Ending},
    chaos::Chaos,
};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request<C> {
    /// The region in the signature; empty when there is none.
    pub region: String,
    /// The access key in the signature; empty when there is none.
    pub access_key: String,
    /// For each record the name under which it was taken, or `None`; empty when the
    /// request failed as a whole.
    pub record_ids: Vec<Option<String>>,
    /// The error type with which the request was refused as the service would.
    pub refused: Option<String>,
    /// What the request asks for.
    pub call: C,
}

impl<C> Deref for Request<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.call
    }
}

pub(crate) type Respond<C> = Box<dyn Fn(&Request<C>) -> Answer + Send + Sync>;

/// The memory of a double; it outlives an outage.
pub(crate) struct Log<C: Call> {
    state: Mutex<State<C>>,
    changed: Notify,
}

struct State<C: Call> {
    requests: Vec<Request<C>>,
    /// How many requests were not read.
    unread: usize,
    /// The records of each destination, in the order in which they were taken.
    taken: HashMap<String, Vec<C::Record>>,
    /// How many records all destinations have taken; it names the next.
    names: u64,
    missing: HashSet<String>,
    scripted: VecDeque<Answer>,
    chaos: Option<Chaos>,
    respond: Option<Respond<C>>,
    random: Rng,
}

/// The place of a request in the log.
#[derive(Clone, Copy)]
pub(crate) struct Entry(usize);

/// What chaos has in mind for a request, and by what name.
pub(crate) type Drawn = Option<(String, Answer)>;

impl<C: Call> Default for Log<C> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                requests: Vec::new(),
                unread: 0,
                taken: HashMap::new(),
                names: 0,
                missing: HashSet::new(),
                scripted: VecDeque::new(),
                chaos: None,
                respond: None,
                random: Rng::with_seed(0),
            }),
            changed: Notify::new(),
        }
    }
}

impl<C: Call> Log<C> {
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().scripted.extend(answers);
    }

    pub(crate) fn respond_with(&self, respond: Respond<C>) {
        self.state().respond = Some(respond);
    }

    pub(crate) fn start_chaos(&self, chaos: Chaos) {
        self.state().chaos = Some(chaos);
    }

    pub(crate) fn chaos_counts(&self) -> BTreeMap<String, u64> {
        let state = self.state();
        state.chaos.as_ref().map(Chaos::counts).unwrap_or_default()
    }

    pub(crate) fn end_chaos(&self) -> BTreeMap<String, u64> {
        let chaos = self.state().chaos.take();
        chaos.as_ref().map(Chaos::counts).unwrap_or_default()
    }

    pub(crate) fn delete(&self, destination: &str) {
        self.state().missing.insert(destination.to_owned());
    }

    pub(crate) fn create(&self, destination: &str) {
        self.state().missing.remove(destination);
    }

    pub(crate) fn is_missing(&self, destination: &str) -> bool {
        self.state().missing.contains(destination)
    }

    pub(crate) fn requests(&self) -> Vec<Request<C>> {
        self.state().requests.clone()
    }

    pub(crate) fn request_count(&self) -> usize {
        self.state().requests.len()
    }

    pub(crate) fn unread_count(&self) -> usize {
        self.state().unread
    }

    pub(crate) fn records(&self, destination: &str) -> Vec<C::Record> {
        let state = self.state();
        state.taken.get(destination).cloned().unwrap_or_default()
    }

    pub(crate) fn record_count(&self, destination: &str) -> usize {
        self.state().taken.get(destination).map_or(0, Vec::len)
    }

    /// Whether a request of which only the head has come is not to be read, and what chaos
    /// does with it when it is.
    pub(crate) fn draw(&self) -> (bool, Drawn) {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(next) = state.scripted.front() {
            let unread = matches!(next, Answer::CloseUnread);
            if unread {
                state.scripted.pop_front();
                state.unread += 1;
            }
            return (unread, None);
        }
        let drawn = state.chaos.as_mut().and_then(Chaos::draw);
        match (drawn, &mut state.chaos) {
            (Some((name, Answer::CloseUnread)), Some(chaos)) => {
                chaos.count(&name);
                state.unread += 1;
                (true, None)
            }
            (drawn, _) => (false, drawn),
        }
    }

    /// Notes a request, and says how to answer it; a refused one uses up no answer.
    pub(crate) fn arrived(&self, request: Request<C>, drawn: Drawn) -> (Entry, Answer) {
        let (entry, answer) = {
            let mut state = self.state();
            let answer = if request.refused.is_some() {
                Answer::Accept
            } else {
                state.next_answer(&request, drawn)
            };
            state.requests.push(request);
            (Entry(state.requests.len() - 1), answer)
        };
        self.changed.notify_waiters();
        (entry, answer)
    }

    /// Takes the records of a request but those that `failed` has an ending for, and says
    /// how each ended. What has been taken before is not taken again.
    pub(crate) fn take(&self, entry: Entry, failed: &[Option<Ending>]) -> Vec<Ending> {
        let endings = {
            let mut state = self.state();
            let state = &mut *state;
            let request = &mut state.requests[entry.0];
            if request.record_ids.is_empty() {
                let destination = request.call.destination().to_owned();
                let taken = state.taken.entry(destination).or_default();
                for (position, record) in request.call.records().iter().enumerate() {
                    let fails = failed.get(position).is_some_and(Option::is_some);
                    request.record_ids.push((!fails).then(|| {
                        taken.push(record.clone());
                        state.names += 1;
                        format!("record-{:08}", state.names)
                    }));
                }
            }
            let ending = |(position, id): (usize, &Option<String>)| {
                let failed = failed.get(position).cloned().flatten();
                failed.unwrap_or_else(|| Ending::Taken(id.clone().unwrap_or_default()))
            };
            request.record_ids.iter().enumerate().map(ending).collect()
        };
        self.changed.notify_waiters();
        endings
    }

    /// Looks at the call of a request.
    pub(crate) fn look<T>(&self, entry: Entry, look: impl FnOnce(&C) -> T) -> T {
        look(&self.state().requests[entry.0].call)
    }

    /// Which of the records fail when each does so with the probability `share`.
    pub(crate) fn choose(&self, entry: Entry, share: f64) -> Vec<bool> {
        let mut state = self.state();
        let count = state.requests[entry.0].call.records().len();
        (0..count).map(|_| state.random.f64() < share).collect()
    }

    /// Resolves when `condition` is true.
    pub(crate) async fn wait(&self, condition: impl Fn(&Self) -> bool) {
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

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Call> State<C> {
    fn next_answer(&mut self, request: &Request<C>, drawn: Drawn) -> Answer {
        if let Some(answer) = self.scripted.pop_front() {
            return answer;
        }
        if let (Some((name, answer)), Some(chaos)) = (drawn, &mut self.chaos) {
            chaos.count(&name);
            return answer;
        }
        let respond = self.respond.as_ref();
        respond.map_or(Answer::Accept, |respond| respond(request))
    }
}
