//! Who somebody is: the principal that was shown, and what is attached to it.

use std::{fmt, sync::Arc};

use crate::{certificate::Certificate, policy::Policy, thing::Thing};

/// Who somebody is by a registry.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What was shown.
    pub principal: Principal,
    /// The things that it is attached to.
    pub things: Vec<Arc<Thing>>,
    /// The policies of the principal itself.
    pub policies: Vec<Arc<Policy>>,
    /// What the principal was checked with.
    pub(crate) proof: Proof,
}

/// What somebody has shown.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A certificate, with the key to it.
    Certificate(Arc<Certificate>),
    /// A user name, with the password.
    User(String),
    /// The identifier of an access key, with a signature by it.
    AccessKey(String),
}

/// What a principal was checked with: whoever was checked with something else is not the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    /// A certificate that is registered, whoever has issued it.
    Registered,
    /// A certificate of an authority that is trusted to name things.
    Issued,
    /// A secret with this SHA-256.
    Secret([u8; 32]),
}

/// Which client identifiers a thing may have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientIdRule {
    /// The name of the thing, as on a Greengrass V1 core.
    #[default]
    ThingName,
    /// Any that its policies allow.
    Any,
}

/// Why somebody is not taken for whom he says to be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No thing has the certificate.
    #[error("the certificate is attached to no thing")]
    UnknownCertificate,
    /// The certificate was revoked or is set inactive.
    #[error("the certificate is revoked or inactive")]
    InactiveCertificate,
    /// The certificate's time is over or has not come.
    #[error("the certificate is not valid at this time")]
    NotValidNow,
    /// All things that the certificate is attached to are disabled.
    #[error("the thing is disabled")]
    DisabledThing,
    /// The client identifier is not that of the thing.
    #[error("the client identifier is not the name of the thing")]
    ForeignClientId,
    /// There is no such user, or the password is another.
    #[error("the user name or the password is wrong")]
    BadPassword,
    /// The request is not signed as it must be; what is wrong.
    #[error("the signature is not taken: {0}")]
    BadSignature(&'static str),
}

impl Identity {
    /// Whether what was shown is not valid at `now` (seconds since the Unix epoch): a certificate
    /// that has ended.
    #[must_use]
    pub fn is_untimely(&self, now: u64) -> bool {
        match &self.principal {
            Principal::Certificate(certificate) => certificate.is_untimely(now),
            Principal::User(_) | Principal::AccessKey(_) => false,
        }
    }

    /// The thing that connects with `client_id`; `None` where the identity has no thing, or has
    /// several and may choose another name.
    ///
    /// # Errors
    /// The client identifier is not one that the identity may have.
    pub fn thing(
        &self,
        client_id: &str,
        rule: ClientIdRule,
    ) -> Result<Option<&Arc<Thing>>, Refusal> {
        let mut things = self.things.iter();
        let named = things.find(|thing| thing.name.as_str() == client_id);
        match (named, self.things.as_slice(), rule) {
            (Some(thing), _, _) => Ok(Some(thing)),
            (None, [], _) => Ok(None),
            (None, _, ClientIdRule::ThingName) => Err(Refusal::ForeignClientId),
            (None, [only], ClientIdRule::Any) => Ok(Some(only)),
            (None, _, ClientIdRule::Any) => Ok(None),
        }
    }
}

/// As people know it: the certificate's identifier, the user's name, the key's identifier.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Certificate(certificate) => certificate.id().fmt(formatter),
            Principal::User(name) | Principal::AccessKey(name) => formatter.write_str(name),
        }
    }
}
