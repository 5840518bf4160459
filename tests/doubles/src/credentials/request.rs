//! What devices ask a credential provider for, and how it answers.

use std::time::Duration;

use hyper::{Method, Request, body::Incoming};

use crate::server::PeerCertificate;

/// What a credential provider does with a request.
#[derive(Clone, Debug)]
pub enum CredentialsAnswer {
    /// Gives credentials.
    Give,
    /// Refuses in the service's words: 403 for a policy, 404 for a role alias, 500 for itself.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// Answers with a body of any kind.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Gives credentials, but not before this time has passed.
    GiveAfter(Duration),
    /// Never answers.
    Hang,
    /// Resets the connection.
    Reset,
}

/// A request as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialsRequest {
    /// The path.
    pub path: String,
    /// The role alias in the path; `None` when the path or the method is another.
    pub role_alias: Option<String>,
    /// The header `x-amzn-iot-thingname`.
    pub thing_name: Option<String>,
    /// The client's certificate, in DER.
    pub certificate: Vec<u8>,
}

impl CredentialsAnswer {
    /// No policy of the certificate permits the role alias.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::refuse(403, "Access Denied")
    }

    /// No such role alias.
    #[must_use]
    pub fn role_alias_not_found() -> Self {
        Self::refuse(404, "Role alias does not exist")
    }

    /// A failure inside the service.
    #[must_use]
    pub fn internal_failure() -> Self {
        Self::refuse(500, "Internal Server Error")
    }

    fn refuse(status: u16, message: &str) -> Self {
        Self::Refuse {
            status,
            message: message.to_owned(),
        }
    }
}

impl CredentialsRequest {
    pub(super) fn read(request: &Request<Incoming>) -> Self {
        let path = request.uri().path();
        let role_alias = path
            .strip_prefix("/role-aliases/")
            .and_then(|rest| rest.strip_suffix("/credentials"))
            .filter(|alias| request.method() == Method::GET && is_role_alias(alias));
        let thing_name = request.headers().get("x-amzn-iot-thingname");
        let certificate = request.extensions().get::<PeerCertificate>();
        Self {
            path: path.to_owned(),
            role_alias: role_alias.map(str::to_owned),
            thing_name: thing_name
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            certificate: certificate.map_or_else(Vec::new, |der| der.0.clone()),
        }
    }
}

/// `roleAlias` in the API reference of AWS IoT.
fn is_role_alias(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_=,@-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}
