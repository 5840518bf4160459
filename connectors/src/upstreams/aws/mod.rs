//! What the upstreams of AWS services share: how they get in, a client per region, and what
//! a failure means.

mod access;
mod clients;
mod failure;
mod group;
mod iot_credentials;

use std::{future::Future, time::Duration};

use tokio::time::timeout;

pub(super) use self::{
    access::{Access, is_http_url},
    clients::Clients,
    failure::{Failure, Rules},
    group::{Groups, digest},
};
use crate::{Batch, BatchLimits, FailureClass, Outcome, SendError, Settings};

/// The whole attempt within `limit`: finding credentials counts, and a service that
/// hangs on any step is a service that is away.
pub(super) async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let message = || format!("no answer within {} s", limit.as_secs_f32());
    let late = |_| SendError::new(FailureClass::Late, "TimeoutError", message());
    timeout(limit, attempt).await.map_err(late).flatten()
}

/// The same end for all records of a batch.
pub(super) fn reject_all(batch: &Batch, code: &str, message: &str) -> Vec<Outcome> {
    let rejected = Outcome::Rejected {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    vec![rejected; batch.records.len()]
}

/// The `limits` of a service with what `batch_bytes` says, which goes up to `most`: on a slow
/// line requests are smaller.
pub(super) fn limits(settings: &mut dyn Settings, limits: BatchLimits, most: usize) -> BatchLimits {
    let bytes = settings
        .size("batch_bytes", 1_024..=most as u64)
        .map_or(limits.bytes, |bytes| bytes as usize);
    BatchLimits {
        bytes,
        record_bytes: limits.record_bytes.min(bytes),
        ..limits
    }
}

/// One outcome per record; an answer that does not say one for each says nothing.
pub(super) fn one_for_each<E>(
    sent: usize,
    entries: Vec<E>,
    outcome: impl FnMut(E) -> Result<Outcome, Failure>,
) -> Result<Vec<Outcome>, Failure> {
    if entries.len() != sent {
        let found = entries.len();
        return Err(Failure::malformed(format!(
            "the answer has {found} entries for {sent} records"
        )));
    }
    entries.into_iter().map(outcome).collect()
}

/// What an entry says that has either an error, which is worth another attempt, or the
/// service's name for the record, which the API calls `name`.
pub(super) fn outcome(
    (code, message): (Option<String>, Option<String>),
    receipt: Option<String>,
    name: &str,
) -> Result<Outcome, Failure> {
    match (code, receipt) {
        (Some(code), _) => Ok(Outcome::Retry {
            code,
            message: message.unwrap_or_default(),
        }),
        (None, Some(receipt)) => Ok(Outcome::Delivered {
            receipt: Some(receipt),
        }),
        (None, None) => Err(Failure::malformed(format!(
            "an entry of the answer has neither {name} nor ErrorCode"
        ))),
    }
}
