//! What is asked, at which door, and what is answered.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use perennial_broker::store::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time;

use super::{
    Subject,
    api::{
        DROP, DropRequest, Failure, HEALTH, LIST, MAX_REQUEST, METRICS, QUEUES, REPLAY,
        ReplayRequest, SHOW, ShowRequest,
    },
    exposition, metrics,
};
use crate::operator::Change;

/// Until a request's body is there.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How somebody came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    /// Over the network: counts are told, nothing else.
    Network,
    /// Through the file that is there for the gateway's own user.
    Socket,
}

/// Answers requests about a gateway.
pub(super) struct Routes {
    subject: Subject,
}

type Answer = Response<Full<Bytes>>;

/// A request that is not done.
struct Refusal {
    status: StatusCode,
    error: String,
    /// What would have been right in place of the method.
    allow: Option<&'static str>,
}

impl Routes {
    pub(super) fn new(subject: Subject) -> Self {
        Self { subject }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>, door: Door) -> Answer {
        let answered = self.route(request, door).await;
        answered.unwrap_or_else(|refusal| {
            let Refusal {
                status,
                error,
                allow,
            } = refusal;
            let mut answer = json(status, &Failure { error });
            if let Some(allow) = allow {
                let allow = HeaderValue::from_static(allow);
                answer.headers_mut().insert(ALLOW, allow);
            }
            answer
        })
    }

    async fn route(&self, request: Request<Incoming>, door: Door) -> Result<Answer, Refusal> {
        let path = request.uri().path().to_owned();
        let reads = match (path.as_str(), door) {
            (HEALTH | METRICS, _) | (QUEUES, Door::Socket) => true,
            (LIST | SHOW | REPLAY | DROP, Door::Socket) => false,
            _ => {
                let error = format!("there is no {path} here");
                return Err(Refusal::new(StatusCode::NOT_FOUND, error));
            }
        };
        let allow = if reads { "GET, HEAD" } else { "POST" };
        let is_right = match *request.method() {
            Method::GET | Method::HEAD => reads,
            Method::POST => !reads,
            _ => false,
        };
        if !is_right {
            let error = format!("{path} is asked with {allow}");
            return Err(Refusal {
                allow: Some(allow),
                ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error)
            });
        }
        match path.as_str() {
            HEALTH => Ok(self.health()),
            METRICS => Ok(self.metrics()),
            QUEUES => {
                let lanes = self.subject.delivery.status();
                Ok(found(&self.subject.operator.queues(Some(lanes)).await?))
            }
            LIST => {
                let asked = body(request).await?;
                Ok(found(&self.subject.operator.list(&asked).await?))
            }
            SHOW => {
                let ShowRequest { id } = body(request).await?;
                match self.subject.operator.show(&id).await? {
                    Some(letter) => Ok(found(&letter)),
                    None => {
                        let error = format!("there is no dead letter {id}");
                        Err(Refusal::new(StatusCode::NOT_FOUND, error))
                    }
                }
            }
            REPLAY => {
                let ReplayRequest { letters, to } = body(request).await?;
                let change = Change::Replay { to: to.as_deref() };
                let report = self.subject.operator.change(&letters, change).await?;
                Ok(found(&report))
            }
            _ => {
                let asked: DropRequest = body(request).await?;
                if asked.letters.is_everything() && !asked.everything {
                    let error = "no letter is left out; say so with `everything`";
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
                }
                let dropped = self.subject.operator.change(&asked.letters, Change::Drop);
                Ok(found(&dropped.await?))
            }
        }
    }

    fn health(&self) -> Answer {
        #[derive(Serialize)]
        struct Health {
            ready: bool,
        }
        let ready = !self.subject.operator.is_poisoned();
        let status = match ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        json(status, &Health { ready })
    }

    fn metrics(&self) -> Answer {
        let text = metrics::text(&self.subject);
        let mut answer = Response::new(Full::from(text));
        let kind = HeaderValue::from_static(exposition::CONTENT_TYPE);
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }
}

/// Reads what was sent after the headers.
async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect();
    let body = time::timeout(BODY_TIME, body).await.map_err(|_| {
        let error = "the request did not come to its end in time";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, error)
    })?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            let error = format!("a request has at most {MAX_REQUEST} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        }
        false => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

fn found(what: &impl Serialize) -> Answer {
    json(StatusCode::OK, what)
}

fn json(status: StatusCode, what: &impl Serialize) -> Answer {
    // Texts, numbers and lists of them: there is nothing in it that JSON has no words for.
    let text = serde_json::to_vec(what).unwrap_or_default();
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            allow: None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, words)
    }
}
