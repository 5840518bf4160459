//! The provider behind the port: what it knows, and what it gives.

use std::{
    collections::VecDeque,
    future::pending,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{Request, body::Incoming};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use super::{
    identity::Identity,
    request::{CredentialsAnswer, CredentialsRequest},
};
use crate::{
    call::Reply,
    clock,
    server::{Answered, Broken, Handler, whole},
    signature::{Credentials, KeyRing},
};

/// A credential provider behind its port.
pub(super) struct Provider {
    pub(super) identity: Identity,
    pub(super) keys: KeyRing,
    tls: TlsAcceptor,
    state: Mutex<State>,
}

/// What has come and gone, and what is to come.
pub(super) struct State {
    pub(super) requests: Vec<CredentialsRequest>,
    pub(super) issued: Vec<Credentials>,
    pub(super) lifetime: Duration,
    /// The one that is known; without it, all are.
    pub(super) role_alias: Option<String>,
    pub(super) scripted: VecDeque<CredentialsAnswer>,
    pub(super) answer: CredentialsAnswer,
}

impl Handler for Provider {
    fn tls(&self) -> Option<&TlsAcceptor> {
        Some(&self.tls)
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Answered, Broken> {
        let answer = self.arrived(CredentialsRequest::read(&request));
        match answer {
            CredentialsAnswer::Give => Ok(self.give()),
            CredentialsAnswer::Refuse { status, message } => {
                Ok(reply(status, json!({"message": message}).to_string()))
            }
            CredentialsAnswer::Body { status, body } => Ok(reply(status, body)),
            CredentialsAnswer::GiveAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(self.give())
            }
            CredentialsAnswer::Hang => pending().await,
            CredentialsAnswer::Reset => Err(Broken::Reset),
        }
    }
}

impl Provider {
    /// One that has been asked for nothing.
    pub(super) fn create() -> io::Result<Self> {
        let identity = Identity::create()?;
        Ok(Self {
            tls: identity.acceptor()?,
            identity,
            keys: KeyRing::default(),
            state: Mutex::new(State {
                requests: Vec::new(),
                issued: Vec::new(),
                lifetime: Duration::from_secs(3_600),
                role_alias: None,
                scripted: VecDeque::new(),
                answer: CredentialsAnswer::Give,
            }),
        })
    }

    /// Notes a request, and says how to answer it; what the service would refuse uses up no
    /// answer.
    fn arrived(&self, request: CredentialsRequest) -> CredentialsAnswer {
        let mut state = self.state();
        let known = request.role_alias.as_ref().is_some_and(|role_alias| {
            let expected = state.role_alias.as_ref();
            expected.is_none_or(|expected| expected == role_alias)
        });
        state.requests.push(request);
        if !known {
            return CredentialsAnswer::role_alias_not_found();
        }
        let scripted = state.scripted.pop_front();
        scripted.unwrap_or_else(|| state.answer.clone())
    }

    fn give(&self) -> Answered {
        let mut state = self.state();
        let number = state.issued.len() + 1;
        let expiration = clock::now() + state.lifetime;
        let credentials = Credentials {
            access_key: format!("ASIADOUBLE{number:010}"),
            secret_key: format!("secret/{number}+of=the+provider"),
            session_token: Some(format!("token/{number}+of=the+provider")),
            expiration: Some(expiration.unix_timestamp()),
        };
        let (date, time) = (expiration.date(), expiration.time());
        let body = json!({"credentials": {
            "accessKeyId": credentials.access_key,
            "secretAccessKey": credentials.secret_key,
            "sessionToken": credentials.session_token,
            "expiration": format!(
                "{date}T{:02}:{:02}:{:02}Z",
                time.hour(),
                time.minute(),
                time.second()
            ),
        }});
        self.keys.accept(credentials.clone());
        state.issued.push(credentials);
        reply(200, body.to_string())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reply(status: u16, body: String) -> Answered {
    Answered {
        response: whole(Reply {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body,
        }),
        reset: false,
    }
}
