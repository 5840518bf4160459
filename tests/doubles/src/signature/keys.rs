//! Access keys and what belongs to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;

/// What a request is signed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The session token that belongs to temporary credentials.
    pub session_token: Option<String>,
    /// When temporary credentials end, in seconds since the Unix epoch.
    pub expiration: Option<i64>,
}

impl Credentials {
    /// Credentials that last.
    #[must_use]
    pub fn new(access_key: &str, secret_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            session_token: None,
            expiration: None,
        }
    }

    /// Temporary credentials, which are good only together with `session_token`.
    #[must_use]
    pub fn with_session_token(self, session_token: &str) -> Self {
        Self {
            session_token: Some(session_token.to_owned()),
            ..self
        }
    }
}

/// The credentials that are known; its clones are the same ring.
///
/// Known from the start are `test` with the secret `test`, and every access key that begins
/// with `AKID` with the secret `secret`.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<Mutex<HashMap<String, Option<Credentials>>>>);

/// What a ring knows of credentials.
pub(super) enum Verdict {
    Known { secret: String },
    Expired,
    Unknown,
}

impl KeyRing {
    /// Knows these credentials.
    pub fn accept(&self, credentials: Credentials) {
        let access_key = credentials.access_key.clone();
        self.locked().insert(access_key, Some(credentials));
    }

    /// Knows these credentials no longer.
    pub fn revoke(&self, access_key: &str) {
        self.locked().insert(access_key.to_owned(), None);
    }

    pub(super) fn find(
        &self,
        access_key: &str,
        session_token: Option<&str>,
        now: OffsetDateTime,
    ) -> Verdict {
        let listed = self.locked().get(access_key).cloned();
        let Some(credentials) = listed.unwrap_or_else(|| from_the_start(access_key)) else {
            return Verdict::Unknown;
        };
        if credentials.session_token.as_deref() != session_token {
            return Verdict::Unknown;
        }
        let expiration = credentials.expiration;
        if expiration.is_some_and(|expiration| expiration <= now.unix_timestamp()) {
            return Verdict::Expired;
        }
        Verdict::Known {
            secret: credentials.secret_key,
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Option<Credentials>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn from_the_start(access_key: &str) -> Option<Credentials> {
    match access_key {
        "test" => Some(Credentials::new("test", "test")),
        _ => access_key
            .starts_with("AKID")
            .then(|| Credentials::new(access_key, "secret")),
    }
}
