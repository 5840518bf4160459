//! An upstream that does as a test tells it.

use tokio::sync::{Semaphore, watch};

use super::*;

pub(super) type Answers = Box<dyn FnMut(usize, &Batch) -> Reply + Send>;

/// An upstream whose answers a test decides.
pub(super) struct Script {
    limits: BatchLimits,
    answer: Mutex<Answers>,
    log: Mutex<Log>,
    released: watch::Sender<bool>,
    turns: Semaphore,
}

#[derive(Default)]
pub(super) struct Log {
    /// The ids of each request.
    pub(super) requests: Vec<Vec<String>>,
    /// How many were in flight with each request, it included.
    pub(super) together: Vec<usize>,
    in_flight: usize,
    pub(super) delivered: Vec<String>,
}

/// What the upstream does with a request.
pub(super) enum Reply {
    Answer(Vec<Outcome>),
    Same(Outcome),
    Fail,
    Error(SendError),
    Panic,
    /// Delivers once the test [releases](Script::release) it.
    Hold,
    /// Delivers when the test [grants](Script::grant) it, one request after another.
    Turn,
}

impl Reply {
    pub(super) fn deliver() -> Reply {
        Reply::Same(delivered())
    }

    /// The batch is refused as it is.
    pub(super) fn refuse() -> Reply {
        Reply::Error(SendError::new(FailureClass::Refused, "Poison", "not these"))
    }

    pub(super) fn each(batch: &Batch, outcome: impl FnMut(&Record) -> Outcome) -> Reply {
        Reply::Answer(batch.records.iter().map(outcome).collect())
    }
}

pub(super) fn delivered() -> Outcome {
    Outcome::Delivered { receipt: None }
}

pub(super) fn retry() -> Outcome {
    Outcome::Retry {
        code: "Busy".to_owned(),
        message: "later".to_owned(),
    }
}

pub(super) fn rejected() -> Outcome {
    Outcome::Rejected {
        code: "Invalid".to_owned(),
        message: "not like this".to_owned(),
    }
}

impl Script {
    pub(super) fn new(limits: BatchLimits, answer: Answers) -> Script {
        Script {
            limits,
            answer: Mutex::new(answer),
            log: Mutex::default(),
            released: watch::Sender::new(false),
            turns: Semaphore::new(0),
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<Vec<String>> {
        self.log().requests.clone()
    }

    /// How many requests have their answer.
    pub(super) fn answered(&self) -> usize {
        let log = self.log();
        log.requests.len() - log.in_flight
    }

    pub(super) fn delivered(&self) -> Vec<String> {
        self.log().delivered.clone()
    }

    pub(super) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) fn grant(&self, requests: usize) {
        self.turns.add_permits(requests);
    }

    async fn send(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        let ids: Vec<_> = batch
            .records
            .iter()
            .map(|record| record.id.to_string())
            .collect();
        let number = {
            let mut log = self.log();
            log.requests.push(ids.clone());
            log.in_flight += 1;
            let together = log.in_flight;
            log.together.push(together);
            log.requests.len() - 1
        };
        let reply = (self.answer.lock().unwrap())(number, batch);
        // Requests that are started together are in flight together.
        tokio::task::yield_now().await;
        let outcomes = match reply {
            Reply::Answer(outcomes) => Ok(outcomes),
            Reply::Same(outcome) => Ok(vec![outcome; batch.records.len()]),
            Reply::Fail => Err(SendError::new(
                FailureClass::Unavailable,
                "Down",
                "no answer",
            )),
            Reply::Error(error) => Err(error),
            Reply::Panic => {
                self.log().in_flight -= 1;
                panic!("an upstream with a defect")
            }
            Reply::Hold => {
                self.released
                    .subscribe()
                    .wait_for(|released| *released)
                    .await
                    .unwrap();
                Ok(vec![delivered(); batch.records.len()])
            }
            Reply::Turn => {
                self.turns.acquire().await.unwrap().forget();
                Ok(vec![delivered(); batch.records.len()])
            }
        };
        let mut log = self.log();
        log.in_flight -= 1;
        let outcomes = outcomes?;
        let arrived = ids.into_iter().zip(&outcomes);
        let arrived = arrived
            .filter(|(_, outcome)| **outcome == delivered())
            .map(|(id, _)| id);
        log.delivered.extend(arrived);
        Ok(outcomes)
    }
}

/// The upstream as the connector owns it.
pub(super) struct Remote(pub(super) Arc<Script>);

impl Upstream for Remote {
    fn limits(&self) -> BatchLimits {
        self.0.limits
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        match destination {
            "nowhere" => Err("nowhere is no place".to_owned()),
            _ => Ok(()),
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(self.0.send(batch))
    }
}
