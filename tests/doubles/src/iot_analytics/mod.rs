//! A double of AWS IoT Analytics, which is gone: nothing else answers as it did.

mod call;

use bytes::Bytes;

pub use self::call::{BatchCall, Message};
use crate::{answer::Answer, double::Double};

/// An IoT Analytics: `BatchPutMessage` for channels of any name.
///
/// Its errors have statuses of their own, so that those of [`Answer`] which are Firehose's
/// have their counterparts here.
pub type IotAnalyticsDouble = Double<BatchCall>;

impl IotAnalyticsDouble {
    /// The id and the payload of every message that `channel` has taken, in the order of arrival.
    #[must_use]
    pub fn messages(&self, channel: &str) -> Vec<(String, Bytes)> {
        let messages = self.records(channel).into_iter();
        messages
            .map(|message| (message.id, message.payload))
            .collect()
    }

    /// Too many requests for the account.
    #[must_use]
    pub fn throttling() -> Answer {
        Answer::error(429, "ThrottlingException", "Rate exceeded")
    }

    /// The service is away.
    #[must_use]
    pub fn service_unavailable() -> Answer {
        let message = "The service is temporarily unavailable.";
        Answer::error(503, "ServiceUnavailableException", message)
    }

    /// A failure inside the service.
    #[must_use]
    pub fn internal_failure() -> Answer {
        let message = "There was an internal failure.";
        Answer::error(500, "InternalFailureException", message)
    }

    /// The request is not valid.
    #[must_use]
    pub fn invalid_request(message: &str) -> Answer {
        Answer::error(400, "InvalidRequestException", message)
    }

    /// No such channel.
    #[must_use]
    pub fn resource_not_found() -> Answer {
        Answer::error(404, "ResourceNotFoundException", call::NOT_FOUND)
    }

    /// The credentials lack the permission.
    #[must_use]
    pub fn access_denied() -> Answer {
        let message = "User is not authorized to perform: iotanalytics:BatchPutMessage";
        Answer::error(403, "AccessDeniedException", message)
    }

    /// Every fault after which the same messages may pass, for chaos.
    ///
    /// A [`Hang`](Answer::Hang) is not among them: it costs the sender its timeout.
    #[must_use]
    pub fn passing_faults() -> Vec<(&'static str, Answer)> {
        let mut faults = Answer::passing_faults();
        faults.extend([
            ("throttling", Self::throttling()),
            ("service_unavailable", Self::service_unavailable()),
            ("internal_failure", Self::internal_failure()),
            ("access_denied", Self::access_denied()),
        ]);
        faults
    }
}
