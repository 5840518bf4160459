//! A double of a web server that takes JSON arrays.

use std::{
    collections::VecDeque,
    future::pending,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, body::Incoming, http::request::Parts};
use serde_json::Value;

use crate::{
    call::Reply,
    server::{Answered, Broken, Handler, Server, cut, whole},
};

/// A web server of a user's own.
///
/// It answers by the next answer of [`script`](Self::script), and else with 204 and nothing.
/// What it answers with a 2xx it has taken.
pub struct HttpSink {
    server: Server<Sink>,
    sink: Arc<Sink>,
}

/// What a web server does with a request.
#[derive(Clone, Debug)]
pub enum SinkAnswer {
    /// Answers.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Never answers.
    Hang,
    /// Takes the objects and resets the connection, so that the client does not hear of it.
    ResetAfter,
    /// Takes nothing and resets the connection behind half of an answer.
    ResetMidBody,
}

impl SinkAnswer {
    /// An answer without headers of its own.
    #[must_use]
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct SinkRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers in the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl SinkRequest {
    /// The value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header == name);
        found.map(|(_, value)| &**value)
    }

    /// The objects in the body; none when it is no array of JSON.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn new(head: &Parts, body: Bytes) -> Self {
        let target = head.uri.path_and_query();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = head.headers.iter();
        Self {
            method: head.method.to_string(),
            target: target.map(ToString::to_string).unwrap_or_default(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                .collect(),
            body,
        }
    }
}

impl HttpSink {
    /// Listens on a free port.
    ///
    /// # Errors
    /// The system gives no port.
    pub async fn start() -> io::Result<Self> {
        let sink = Arc::new(Sink::default());
        let server = Server::start(Arc::clone(&sink)).await?;
        Ok(Self { server, sink })
    }

    /// Listens on the same port again after [`stop`](Self::stop).
    ///
    /// # Errors
    /// Somebody else has taken the port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.server.restart().await
    }

    /// Closes the port and every connection.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// The URL that leads here, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Answers the next requests so, one each.
    pub fn script(&self, answers: impl IntoIterator<Item = SinkAnswer>) {
        self.sink.state().scripted.extend(answers);
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<SinkRequest> {
        self.sink.state().requests.clone()
    }

    /// The requests that were taken, in the order of arrival.
    #[must_use]
    pub fn taken(&self) -> Vec<SinkRequest> {
        self.sink.state().taken.clone()
    }

    /// The objects of the requests that were taken, in the order of arrival.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        self.taken().iter().flat_map(SinkRequest::objects).collect()
    }
}

#[derive(Default)]
struct Sink(Mutex<State>);

#[derive(Default)]
struct State {
    scripted: VecDeque<SinkAnswer>,
    requests: Vec<SinkRequest>,
    taken: Vec<SinkRequest>,
}

impl Handler for Sink {
    async fn handle(&self, request: Request<Incoming>) -> Result<Answered, Broken> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken::Close)?.to_bytes();
        let answer = self.arrived(SinkRequest::new(&head, body));
        match answer {
            SinkAnswer::Reply {
                status,
                headers,
                body,
            } => Ok(Answered {
                response: whole(Reply {
                    status,
                    headers,
                    body,
                }),
                reset: false,
            }),
            SinkAnswer::Hang => pending().await,
            SinkAnswer::ResetAfter => Err(Broken::Reset),
            SinkAnswer::ResetMidBody => Ok(Answered {
                response: cut(&Reply {
                    status: 200,
                    headers: Vec::new(),
                    body: "an answer of which half arrives".to_owned(),
                }),
                reset: true,
            }),
        }
    }
}

impl Sink {
    /// Notes a request, and says how to answer it.
    fn arrived(&self, request: SinkRequest) -> SinkAnswer {
        let mut state = self.state();
        let scripted = state.scripted.pop_front();
        let answer = scripted.unwrap_or_else(|| SinkAnswer::new(204, ""));
        let is_taken = match &answer {
            SinkAnswer::Reply { status, .. } => (200..300).contains(status),
            SinkAnswer::ResetAfter => true,
            SinkAnswer::Hang | SinkAnswer::ResetMidBody => false,
        };
        if is_taken {
            state.taken.push(request.clone());
        }
        state.requests.push(request);
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
