//! Credentials from AWS IoT's credential provider: the gateway shows its certificate and takes
//! on the role behind a role alias.
//!
//! - One question serves all lanes and regions of a connector, and is asked by a task of its
//!   own, so that an attempt that is given up does not end it.
//! - The cache of the SDK is not used: it drops credentials that are still good as soon as
//!   renewing them fails.

mod cache;
mod request;
mod settings;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub(super) use self::settings::IotCredentialsSettings;
use self::{
    cache::{Cache, Granted, Step},
    request::ask,
};
use crate::{FailureClass, SendError};

/// The error types that say that the credentials themselves are not taken, whatever they
/// would be allowed to do.
const NOT_TAKEN: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// AWS IoT's credential provider.
#[derive(Clone)]
pub(super) struct IotCredentials {
    shared: Arc<Shared>,
    /// The question that is asked; it ends with the last who could want its answer.
    question: Arc<Mutex<JoinSet<()>>>,
}

struct Shared {
    settings: IotCredentialsSettings,
    timeout: Duration,
    cache: Mutex<Cache>,
    answered: Notify,
}

impl IotCredentials {
    /// Connects nothing and reads nothing; `timeout` is that of an attempt that waits.
    pub(super) fn new(settings: IotCredentialsSettings, timeout: Duration) -> Self {
        let shared = Shared {
            settings,
            // Less, so that the attempt can still say what it has waited for.
            timeout: timeout.mul_f32(0.75),
            cache: Mutex::default(),
            answered: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            question: Arc::default(),
        }
    }

    /// Has the next attempt get new credentials, if a service said by `code` that it does not
    /// take the ones that it was given.
    pub(super) fn refused(&self, code: &str) {
        if NOT_TAKEN.contains(&code) {
            self.shared.cache().forget();
        }
    }

    async fn provide(&self) -> Result<Credentials, SendError> {
        loop {
            let answered = self.shared.answered.notified();
            tokio::pin!(answered);
            // An answer from here on wakes this task, also before it waits.
            answered.as_mut().enable();
            let step = self.shared.cache().step(Instant::now());
            match step {
                Step::Take(credentials) => return Ok(credentials),
                Step::Fail(error) => return Err(error),
                Step::Ask(meanwhile) => {
                    self.ask();
                    match meanwhile {
                        Some(credentials) => return Ok(credentials),
                        None => answered.await,
                    }
                }
                Step::Wait => answered.await,
                Step::WaitUntil(then) => sleep_until(then).await,
            }
        }
    }

    fn ask(&self) {
        let asking = Asking(Some(Arc::clone(&self.shared)));
        let mut question = self.question.lock().unwrap_or_else(PoisonError::into_inner);
        while question.try_join_next().is_some() {}
        question.spawn(asking.run());
    }
}

impl ProvideCredentials for IotCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let provide = async {
            self.provide()
                .await
                .map_err(CredentialsError::provider_error)
        };
        future::ProvideCredentials::new(provide)
    }
}

impl fmt::Debug for IotCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IotCredentials")
            .field(&self.shared.settings)
            .finish()
    }
}

impl Shared {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answer: Result<Granted, SendError>) {
        self.cache().answered(answer, Instant::now());
        self.answered.notify_waiters();
    }
}

/// A question on its way; one that ends without an answer is answered as well.
struct Asking(Option<Arc<Shared>>);

impl Asking {
    async fn run(mut self) {
        let Some(shared) = &self.0 else {
            return;
        };
        let answer = ask(&shared.settings, shared.timeout).await;
        shared.answer(answer);
        self.0 = None;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let message = "the question was abandoned";
            let error = SendError::new(FailureClass::Unavailable, "InternalError", message);
            shared.answer(Err(error));
        }
    }
}
