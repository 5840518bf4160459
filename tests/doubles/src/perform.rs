//! The way of a request through a double: read, checked, noted, answered.

use std::future::pending;

use http_body_util::{BodyExt, Limited};
use hyper::{Request as HttpRequest, body::Incoming, http::request::Parts};

use crate::{
    answer::Answer,
    call::{Call, Ending, Refusal, Reply},
    log::{Entry, Log, Request},
    server::{Answered, Broken, Handler, cut, whole},
    signature::Gate,
};

/// More than any request that a service takes.
const MAX_BODY: usize = 32 << 20;

/// A service: who may send, and what has been sent.
pub(crate) struct Service<C: Call> {
    pub(crate) log: Log<C>,
    pub(crate) gate: Gate,
}

impl<C: Call> Handler for Service<C> {
    async fn handle(&self, request: HttpRequest<Incoming>) -> Result<Answered, Broken> {
        let (head, body) = request.into_parts();
        let (unread, drawn) = self.log.draw();
        if unread {
            return Err(Broken::Close);
        }
        let body = Limited::new(body, MAX_BODY)
            .collect()
            .await
            .map_err(|_| Broken::Reset)?
            .to_bytes();
        let (request, refusal) = self.read(&head, &body);
        let (entry, answer) = self.log.arrived(request, drawn);
        match refusal {
            Some(refusal) => Ok(reply(C::error(
                refusal.status,
                refusal.code,
                &refusal.message,
            ))),
            None => self.perform(answer, entry).await,
        }
    }
}

impl<C: Call> Service<C> {
    /// Reads a request; what could be read is there even when it is refused.
    fn read(&self, head: &Parts, body: &[u8]) -> (Request<C>, Option<Refusal>) {
        let mut request = Request::default();
        let refusal = self.fill(&mut request, head, body).err();
        request.refused = refusal.as_ref().map(|refusal| refusal.code.to_owned());
        (request, refusal)
    }

    fn fill(&self, request: &mut Request<C>, head: &Parts, body: &[u8]) -> Result<(), Refusal> {
        request.call.read_head(head)?;
        let authorization = Gate::authorization(head)?;
        request.access_key.clone_from(&authorization.access_key);
        request.region.clone_from(&authorization.region);
        self.gate
            .check(&authorization, head, body, C::SIGNING_NAME)?;
        request.call.read_body(body)?;
        let destination = request.call.destination();
        if self.log.is_missing(destination) {
            return Err(C::not_found(destination));
        }
        Ok(())
    }

    async fn perform(&self, mut answer: Answer, entry: Entry) -> Result<Answered, Broken> {
        loop {
            answer = match answer {
                Answer::Delayed(delay, then) => {
                    tokio::time::sleep(delay).await;
                    *then
                }
                Answer::Taken(then) => {
                    self.log.take(entry, &[]);
                    *then
                }
                Answer::IfAny(matcher, then) => {
                    let found = self.which(entry, |_, payload| matcher.finds(payload));
                    match found.contains(&true) {
                        true => *then,
                        false => Answer::Accept,
                    }
                }
                Answer::Accept => return Ok(self.taken(entry, &[])),
                Answer::FailRecords {
                    positions,
                    code,
                    message,
                } => {
                    let failed = self.which(entry, |position, _| positions.contains(&position));
                    return Ok(self.failed(entry, failed, &code, &message));
                }
                Answer::FailMatching {
                    matcher,
                    code,
                    message,
                } => {
                    let failed = self.which(entry, |_, payload| matcher.finds(payload));
                    return Ok(self.failed(entry, failed, &code, &message));
                }
                Answer::FailShare {
                    share,
                    code,
                    message,
                } => {
                    let failed = self.log.choose(entry, share);
                    return Ok(self.failed(entry, failed, &code, &message));
                }
                Answer::Error {
                    status,
                    code,
                    message,
                } => return Ok(reply(C::error(status, &code, &message))),
                Answer::Body { status, body } => {
                    let mut malformed = C::error(status, "", "");
                    malformed
                        .headers
                        .retain(|(name, _)| *name == "content-type");
                    return Ok(reply(Reply { body, ..malformed }));
                }
                Answer::WrongEntries => {
                    let endings = self.log.take(entry, &[]);
                    let wrong = self.log.look(entry, |call| call.wrong_answer(&endings));
                    return Ok(reply(wrong));
                }
                Answer::Hang => pending().await,
                Answer::CloseUnread => return Err(Broken::Close),
                Answer::ResetBefore => return Err(Broken::Reset),
                Answer::ResetAfter => {
                    self.log.take(entry, &[]);
                    return Err(Broken::Reset);
                }
                Answer::ResetMidBody => {
                    let name = Ending::Taken("record-00000000".to_owned());
                    let answer = self
                        .log
                        .look(entry, |call| call.answer(&vec![name; call.records().len()]));
                    return Ok(Answered {
                        response: cut(&answer),
                        reset: true,
                    });
                }
            };
        }
    }

    /// Which of the records are found, by position and payload.
    fn which(&self, entry: Entry, finds: impl Fn(usize, &[u8]) -> bool) -> Vec<bool> {
        self.log.look(entry, |call| {
            let records = call.records().iter().enumerate();
            records
                .map(|(position, record)| finds(position, C::payload(record)))
                .collect()
        })
    }

    fn failed(&self, entry: Entry, failed: Vec<bool>, code: &str, message: &str) -> Answered {
        let ending = || Ending::Failed {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let failed: Vec<_> = failed.iter().map(|fails| fails.then(ending)).collect();
        self.taken(entry, &failed)
    }

    fn taken(&self, entry: Entry, failed: &[Option<Ending>]) -> Answered {
        let endings = self.log.take(entry, failed);
        reply(self.log.look(entry, |call| call.answer(&endings)))
    }
}

fn reply(reply: Reply) -> Answered {
    Answered {
        response: whole(reply),
        reset: false,
    }
}
