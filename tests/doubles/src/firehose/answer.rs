//! How the double answers a request.

use std::time::Duration;

/// What the double does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Takes every record.
    Accept,
    /// Takes all records but those at `positions`, which fail with `code` and `message`.
    FailRecords {
        /// Positions in the request, from 0.
        positions: Vec<usize>,
        /// The `ErrorCode` of each.
        code: String,
        /// The `ErrorMessage` of each.
        message: String,
    },
    /// Takes nothing and answers with an error of the service.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error type, such as `ResourceNotFoundException`.
        code: String,
        /// The error's message.
        message: String,
    },
    /// Takes nothing and answers with a body of any kind.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Takes nothing and never answers.
    Hang,
    /// Takes nothing and resets the connection.
    ResetBefore,
    /// Takes every record and resets the connection, so that the sender does not hear of it.
    ResetAfter,
    /// Waits, then does the other.
    Delayed(Duration, Box<Answer>),
}

impl Answer {
    /// This answer after `delay`.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::Delayed(delay, Box::new(self))
    }

    /// Records fail as they do when the service is short of capacity.
    #[must_use]
    pub fn slow_down(positions: impl Into<Vec<usize>>) -> Self {
        Self::FailRecords {
            positions: positions.into(),
            code: "ServiceUnavailableException".to_owned(),
            message: "Slow down.".to_owned(),
        }
    }

    /// Too many requests for the account.
    #[must_use]
    pub fn throttling() -> Self {
        Self::error(400, "ThrottlingException", "Rate exceeded")
    }

    /// The stream's throughput limit.
    #[must_use]
    pub fn service_unavailable() -> Self {
        Self::error(503, "ServiceUnavailableException", "Slow down.")
    }

    /// A failure inside the service.
    #[must_use]
    pub fn internal_failure() -> Self {
        Self::error(500, "InternalFailure", "The request processing has failed.")
    }

    /// No such stream.
    #[must_use]
    pub fn resource_not_found(stream: &str) -> Self {
        let message = format!("Firehose {stream} not found under account 123456789012.");
        Self::error(400, "ResourceNotFoundException", &message)
    }

    /// The credentials lack the permission.
    #[must_use]
    pub fn access_denied() -> Self {
        let message = "User is not authorized to perform: firehose:PutRecordBatch";
        Self::error(400, "AccessDeniedException", message)
    }

    /// The credentials are too old.
    #[must_use]
    pub fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self::error(400, "ExpiredTokenException", message)
    }

    /// An error of the service.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}
