//! How a double answers a request.

use std::{fmt, sync::Arc, time::Duration};

/// What a double does with a request.
///
/// The simple ones combine: `Answer::throttling().after(second)` is late,
/// `Answer::internal_failure().after_taking()` is a lie, `Answer::ResetMidBody.if_any(poison)`
/// is for requests with such a record.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Takes every record.
    Accept,
    /// Takes all records but those at `positions`, which fail with `code` and `message`.
    FailRecords {
        /// Positions in the request, from 0.
        positions: Vec<usize>,
        /// The error code of each.
        code: String,
        /// The error message of each.
        message: String,
    },
    /// Takes all records but those that `matcher` finds, which fail with `code` and `message`.
    FailMatching {
        /// Which records fail.
        matcher: Matcher,
        /// The error code of each.
        code: String,
        /// The error message of each.
        message: String,
    },
    /// Each record fails with the probability `share`, and the rest is taken.
    FailShare {
        /// The probability, from 0 to 1.
        share: f64,
        /// The error code of each that fails.
        code: String,
        /// The error message of each that fails.
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
    /// Takes every record and answers with entries that cannot be those of the request:
    /// one too few, or one for a record that was not sent.
    WrongEntries,
    /// Takes nothing and never answers; ends when the client goes.
    Hang,
    /// Takes nothing and closes the connection before the body of the request is read, which
    /// is not among the requests then.
    CloseUnread,
    /// Takes nothing and resets the connection instead of an answer.
    ResetBefore,
    /// Takes every record and resets the connection, so that the sender does not hear of it.
    ResetAfter,
    /// Takes nothing, and resets the connection behind the head and half of the body of an
    /// answer that says that every record was taken.
    ResetMidBody,
    /// Waits, then does the other.
    Delayed(Duration, Box<Answer>),
    /// Takes every record, then answers as the other does, whatever that says.
    Taken(Box<Answer>),
    /// Does the other when a record of the request is found, and else takes every record.
    IfAny(Matcher, Box<Answer>),
}

/// Finds records by their payload.
#[derive(Clone)]
pub struct Matcher(Arc<Predicate>);

type Predicate = dyn Fn(&[u8]) -> bool + Send + Sync;

impl Matcher {
    /// Finds the records whose payload satisfies `matches`.
    pub fn new(matches: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(matches))
    }

    pub(crate) fn finds(&self, payload: &[u8]) -> bool {
        (self.0)(payload)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Matcher")
    }
}

impl Answer {
    /// This answer after `delay`.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::Delayed(delay, Box::new(self))
    }

    /// This answer after every record has been taken: the sender hears that they failed, or
    /// nothing, and they have arrived.
    #[must_use]
    pub fn after_taking(self) -> Self {
        Self::Taken(Box::new(self))
    }

    /// This answer when the payload of any record satisfies `matches`, and else
    /// [`Answer::Accept`]: a poison record spoils its request.
    #[must_use]
    pub fn if_any(self, matches: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self::IfAny(Matcher::new(matches), Box::new(self))
    }

    /// The records whose payload satisfies `matches` fail.
    #[must_use]
    pub fn fail_matching(
        matches: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        code: &str,
        message: &str,
    ) -> Self {
        Self::FailMatching {
            matcher: Matcher::new(matches),
            code: code.to_owned(),
            message: message.to_owned(),
        }
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

    /// Each record fails with the probability `share`, as when the service is short of capacity.
    #[must_use]
    pub fn slow_down_share(share: f64) -> Self {
        Self::FailShare {
            share,
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

    /// A failure in front of the service, which answers in its own words.
    #[must_use]
    pub fn gateway_failure(status: u16) -> Self {
        Self::Body {
            status,
            body: "<html><body>gateway</body></html>".to_owned(),
        }
    }

    /// An answer that breaks off in the middle of its JSON; its length is right.
    #[must_use]
    pub fn malformed() -> Self {
        Self::Body {
            status: 200,
            body: r#"{"FailedPutCount":0,"RequestRes"#.to_owned(),
        }
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
        Self::error(403, "ExpiredTokenException", message)
    }

    /// The request was signed for `region`, and that is another than the service's.
    #[must_use]
    pub fn wrong_region(region: &str) -> Self {
        let message = format!("Credential should be scoped to a valid region, not '{region}'. ");
        Self::error(403, "InvalidSignatureException", &message)
    }

    /// The faults after which the same records may pass, of every service alike.
    pub(crate) fn passing_faults() -> Vec<(&'static str, Self)> {
        vec![
            ("slow_down", Self::slow_down_share(0.3)),
            ("gateway_failure", Self::gateway_failure(502)),
            (
                "empty_failure",
                Self::Body {
                    status: 500,
                    body: String::new(),
                },
            ),
            ("malformed", Self::malformed()),
            ("malformed_after_taking", Self::malformed().after_taking()),
            ("wrong_entries", Self::WrongEntries),
            ("expired_token", Self::expired_token()),
            ("wrong_region", Self::wrong_region("eu-north-1")),
            ("close_unread", Self::CloseUnread),
            ("reset_before", Self::ResetBefore),
            ("reset_after", Self::ResetAfter),
            ("reset_mid_body", Self::ResetMidBody),
            (
                "reset_mid_body_after_taking",
                Self::ResetMidBody.after_taking(),
            ),
            ("late", Self::Accept.after(Duration::from_millis(300))),
        ]
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
