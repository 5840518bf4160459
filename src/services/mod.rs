//! What devices find here beside MQTT.
//!
//! Requests come over TLS listeners, one to a connection; who asks is known by the certificate
//! that was shown in the handshake.

mod discovery;
mod http;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use hyper::{Method, Request, StatusCode};
use perennial_broker::{Answer, Peer, Principal, Stream, Web};
use perennial_certs::{Action, Certificate};

use self::{discovery::Refusal, http::Response};
use crate::{access::Access, audit::Refused, tls::Shown};

pub use self::discovery::AuthorityError;
pub(crate) use self::discovery::Discovery;

/// The services of a gateway.
pub(crate) struct Services {
    access: Arc<Access>,
    discovery: Discovery,
}

/// Who asks.
struct Caller {
    /// What it has shown.
    certificate: Option<Arc<Certificate>>,
    /// Where it asks from.
    peer: Peer,
}

impl Services {
    /// The services for whoever `access` knows.
    pub(crate) fn new(access: Arc<Access>, discovery: Discovery) -> Services {
        Services { access, discovery }
    }

    /// Says where MQTT is served to devices; the first word counts.
    pub(crate) fn open(&self, listener: SocketAddr) {
        self.discovery.open(listener);
    }

    fn answer<B>(&self, request: &Request<B>, caller: &Caller) -> Response {
        let uri = request.uri();
        let Some(asked) = uri.path().strip_prefix(discovery::PATH) else {
            return http::error(StatusCode::NOT_FOUND);
        };
        if request.method() != Method::GET {
            return http::only_get();
        }
        if uri.query().is_some() || uri.authority().is_some() {
            return http::error(StatusCode::BAD_REQUEST);
        }
        let registry = self.access.registry();
        match self.discovery.answer(asked, caller, &registry) {
            Ok(document) => http::json(StatusCode::OK, document),
            Err(refusal) => {
                self.note(&refusal, asked, caller);
                http::error(refusal.status)
            }
        }
    }

    /// Counts and writes down that `caller` is not told about `asked`.
    fn note(&self, refusal: &Refusal, asked: &str, caller: &Caller) {
        let Some(reason) = refusal.why else { return };
        let thing = refusal.thing.as_ref().map(|thing| thing.name.as_str());
        let certificate = caller.certificate.as_ref();
        let principal = certificate.map(|one| format!("certificate:{}", one.id()));
        self.access.audit().refused(&Refused {
            action: Action::Discover,
            resource: asked,
            // Nobody has a client identifier here; a thing's is its name.
            client: thing.unwrap_or_default(),
            principal: &principal.as_deref().unwrap_or("anonymous"),
            thing,
            peer: caller.peer,
            reason,
        });
    }
}

impl Web for Services {
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        principal: Option<Arc<dyn Principal>>,
    ) -> Answer<'_, ()> {
        let shown = principal.as_ref().and_then(|one| one.downcast_ref());
        let caller = Caller {
            certificate: shown.map(|Shown(certificate)| Arc::clone(certificate)),
            peer,
        };
        let answer = move |request: &Request<_>| self.answer(request, &caller);
        Box::pin(http::serve(stream, answer))
    }
}
