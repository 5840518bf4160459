//! What a failed request means: never, or another attempt.

use std::error::Error;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{
    FailureClass::{self, Late, NoAccess, Refused, Throttled, Unavailable},
    SendError,
    chain::{chain, find},
};

/// What a service's error types mean.
///
/// All that are not named are worth another attempt.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstreams) struct Rules {
    /// The destination takes no records, whatever they are.
    pub(in crate::upstreams) never: &'static [&'static str],
    /// The service refuses this request and would refuse it again.
    pub(in crate::upstreams) refused: &'static [&'static str],
    /// The operator mends it; what is wrong with credentials is known beside these.
    pub(in crate::upstreams) no_access: &'static [&'static str],
}

impl Rules {
    /// What an error type says by itself; `None` for one that leaves it to the rest of the answer.
    pub(in crate::upstreams) fn class(self, code: &str) -> Option<FailureClass> {
        if self.refused.contains(&code) {
            Some(Refused)
        } else if CREDENTIALS.contains(&code) || self.no_access.contains(&code) {
            Some(NoAccess)
        } else if THROTTLED.contains(&code) {
            Some(Throttled)
        } else {
            None
        }
    }
}

/// An answer that cannot be read.
const MALFORMED: &str = "MalformedResponse";

/// The error types that say that the credentials are not good
/// (AWS's common errors, and those of services that name them otherwise).
const CREDENTIALS: [&str; 18] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedException",
    "UnrecognizedClientException",
];

/// The error types that say that there are too many requests.
const THROTTLED: [&str; 12] = [
    "KMS.ThrottlingException",
    "KMSThrottlingException",
    "KmsThrottled",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Why a request delivered nothing.
#[derive(Debug)]
pub(in crate::upstreams) enum Failure {
    /// The service will never take these records.
    Rejected { code: String, message: String },
    /// Nothing is known to have arrived.
    Unsent(SendError),
}

impl Failure {
    /// Sorts an error of the SDK.
    pub(in crate::upstreams) fn from_sdk<E>(
        rules: Rules,
    ) -> impl FnOnce(SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        move |error| Self::sort(&error, rules)
    }

    fn sort<E>(error: &SdkError<E, HttpResponse>, rules: Rules) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        // A provider of credentials that is ours has sorted its failure already.
        if let Some(sorted) = find::<SendError>(error) {
            return Self::Unsent(sorted.clone());
        }
        match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let meta = service.err().meta();
                // What reads the answer takes one that it cannot read for an error.
                if service.raw().status().is_success() && meta.code().is_none() {
                    return Self::malformed(chain(service.err()));
                }
                of_service(meta.code(), meta.message(), status, rules)
            }
            SdkError::TimeoutError(_) => unsent(Late, "TimeoutError", chain(error)),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                unsent(Late, "TimeoutError", chain(error))
            }
            // The SDK gives a kind to what broke on the wire, and none to what broke before.
            SdkError::DispatchFailure(failure)
                if failure.is_io() || failure.as_other().is_some() =>
            {
                unsent(Unavailable, "ConnectError", chain(error))
            }
            // What stands between gateway and service answers in its own words.
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                let status = response.raw().status().as_u16();
                unsent(
                    class_of_status(status),
                    &format!("HttpStatus{status}"),
                    format!("HTTP status {status} without an error of the service"),
                )
            }
            SdkError::ResponseError(_) => unsent(Unavailable, MALFORMED, chain(error)),
            // No credentials, no region, no usable URL.
            _ => unsent(NoAccess, "ConfigurationError", chain(error)),
        }
    }

    /// An answer that is not what the API says.
    pub(in crate::upstreams) fn malformed(message: impl Into<String>) -> Self {
        unsent(Unavailable, MALFORMED, message.into())
    }
}

fn of_service(code: Option<&str>, message: Option<&str>, status: u16, rules: Rules) -> Failure {
    let message = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
    let Some(code) = code else {
        return unsent(
            class_of_status(status),
            &format!("HttpStatus{status}"),
            message,
        );
    };
    if rules.never.contains(&code) {
        let code = code.to_owned();
        return Failure::Rejected { code, message };
    }
    let by_status = || class_of_status(status);
    let class = rules.class(code).unwrap_or_else(by_status);
    unsent(class, code, message)
}

/// What a status says by itself; a request that is too large is so for whoever answers.
fn class_of_status(status: u16) -> FailureClass {
    match status {
        401 | 403 => NoAccess,
        413 => Refused,
        429 => Throttled,
        _ => Unavailable,
    }
}

fn unsent(class: FailureClass, code: &str, message: String) -> Failure {
    Failure::Unsent(SendError::new(class, code, message))
}
