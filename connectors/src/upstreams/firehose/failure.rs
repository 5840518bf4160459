//! What a failed request means: never, or another attempt.

use std::error::Error;

use aws_sdk_firehose::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::SendError;

/// The error types that the same request will meet every time
/// (`PutRecordBatch` in the Firehose API reference).
///
/// All others are worth another attempt: what is wrong with credentials, permissions or
/// the clock is mended by the operator, and the records wait for that.
const NEVER: [&str; 4] = [
    "InvalidArgumentException",
    "InvalidKMSResourceException",
    "InvalidSourceException",
    "ResourceNotFoundException",
];

/// An answer that cannot be read.
const MALFORMED: &str = "MalformedResponse";

/// The error types that say that the credentials are not good
/// (AWS's common errors, and those of services that name them otherwise).
const CREDENTIALS: [&str; 11] = [
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "UnrecognizedClientException",
];

/// Why a request delivered nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service will never take these records.
    Rejected { code: String, message: String },
    /// Nothing is known to have arrived, and it is for the operator to mend. What was
    /// read of the configuration of AWS is to be read again for the next attempt.
    NoAccess(SendError),
    /// Nothing is known to have arrived.
    Unsent(SendError),
}

impl Failure {
    /// Sorts an error of the SDK.
    pub(super) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let meta = service.err().meta();
                of_service(meta.code(), meta.message(), status)
            }
            SdkError::TimeoutError(_) => Self::Unsent(describe("TimeoutError", &error)),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::Unsent(describe("TimeoutError", &error))
            }
            // The SDK gives a kind to what broke on the wire, and none to what broke before.
            SdkError::DispatchFailure(failure)
                if failure.is_io() || failure.as_other().is_some() =>
            {
                Self::Unsent(describe("ConnectError", &error))
            }
            // What stands between gateway and service answers in its own words.
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                let status = response.raw().status().as_u16();
                Self::Unsent(send_error(
                    &format!("HttpStatus{status}"),
                    format!("HTTP status {status} without an error of the service"),
                ))
            }
            SdkError::ResponseError(_) => Self::Unsent(describe(MALFORMED, &error)),
            // No credentials, no region, no usable URL.
            _ => Self::NoAccess(describe("ConfigurationError", &error)),
        }
    }

    /// An answer that is not what the API says.
    pub(super) fn malformed(message: &str) -> Self {
        Self::Unsent(send_error(MALFORMED, message.to_owned()))
    }
}

fn of_service(code: Option<&str>, message: Option<&str>, status: u16) -> Failure {
    let message = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
    match code {
        Some(code) if NEVER.contains(&code) => Failure::Rejected {
            code: code.to_owned(),
            message,
        },
        Some(code) if CREDENTIALS.contains(&code) => Failure::NoAccess(send_error(code, message)),
        Some(code) => Failure::Unsent(send_error(code, message)),
        None => Failure::Unsent(send_error(&format!("HttpStatus{status}"), message)),
    }
}

fn describe(code: &str, error: &dyn Error) -> SendError {
    send_error(code, chain(error))
}

fn send_error(code: &str, message: String) -> SendError {
    SendError {
        code: code.to_owned(),
        message,
    }
}

/// An error and its causes in one line, since only the innermost says which host or file.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
