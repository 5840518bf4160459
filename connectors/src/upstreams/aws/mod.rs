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
use crate::{Batch, FailureClass, Outcome, SendError};

/// The whole attempt within `limit`: finding credentials counts, and a service that
/// hangs on any step is a service that is away.
pub(super) async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let message = || format!("no answer within {} s", limit.as_secs_f32());
    let late = |_| SendError::new(FailureClass::Unavailable, "TimeoutError", message());
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
