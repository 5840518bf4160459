//! The IoT Analytics upstream: one `BatchPutMessage` per batch.

mod message_id;

use std::collections::HashMap;

use aws_sdk_iotanalytics::{
    Client, operation::batch_put_message::BatchPutMessageOutput, primitives::Blob, types::Message,
};

use crate::{
    Attempt, Batch, BatchLimits, Outcome, SendError, Settings, Upstream, UpstreamKind,
    channel::ChannelName,
    excerpt::excerpt,
    upstreams::{
        aws::{Access, Clients, Failure, Rules, limits, reject_all, within},
        iot_analytics::message_id::message_ids,
    },
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "iot-analytics",
    summary: "AWS IoT Analytics: BatchPutMessage, for private and emulated endpoints; the service ended on 2025-12-15",
    route: Some("channel"),
    build: |settings| Some(Box::new(IotAnalyticsUpstream::from_settings(settings)?)),
};

/// The quotas of `BatchPutMessage`, which has none for a whole request. Bytes are counted
/// before base64.
const LIMITS: BatchLimits = BatchLimits {
    records: 100,
    bytes: 4 << 20,
    record_bytes: 128 << 10,
    in_flight: 4,
    linger: None,
};

/// A hundred messages of the largest size.
const MAX_BATCH_BYTES: usize = LIMITS.records * LIMITS.record_bytes;

/// `BatchPutMessage` in the IoT Analytics API reference.
const RULES: Rules = Rules {
    never: &["ResourceNotFoundException"],
    refused: &[
        "InvalidRequestException",
        "SerializationException",
        "ValidationException",
    ],
    no_access: &[],
};

/// How the codes of single messages begin that pass when the message is sent again. The API
/// reference names none; these are the names of its errors for whole requests.
const PASSING: [&str; 3] = ["InternalFailure", "ServiceUnavailable", "Throttling"];

/// Channels of AWS IoT Analytics.
///
/// AWS ended the service on 2025-12-15: without `endpoint_url` requests go to an address that
/// nobody answers any more, and wait there like those of any service that is away. What
/// remains are private and emulated endpoints that speak its protocol.
///
/// The destination is the name of a channel. A message has the id of its record where that
/// is one: 1 to 128 characters of ASCII, and of no earlier record in the batch. Else it has a
/// random one (UUID version 4). Parameters beside those of [`Access`]:
///
/// | parameter | default | |
/// |---|---|---|
/// | `batch_bytes` | 4 MiB | payload bytes in one request, up to 12,800 KiB; on a slow line fewer, so that a request fits into `timeout` |
struct IotAnalyticsUpstream {
    clients: Clients<Client>,
    limits: BatchLimits,
}

impl IotAnalyticsUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let limits = limits(settings, LIMITS, MAX_BATCH_BYTES);
        let clients = Clients::new(Access::from_settings(settings)?, Client::new);
        Some(Self { clients, limits })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(message) = self.check(&batch.destination) {
            return Ok(reject_all(batch, "InvalidRequestException", &message));
        }
        let client = self.clients.get(None).await;
        let sent = put_messages(&client, batch).await;
        self.clients.conclude(None, batch, sent)
    }
}

impl Upstream for IotAnalyticsUpstream {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        let channel = ChannelName::parse(destination);
        channel.map(|_| ()).map_err(|error| error.to_string())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.clients.timeout(), self.deliver(batch)))
    }
}

async fn put_messages(client: &Client, batch: &Batch) -> Result<Vec<Outcome>, Failure> {
    let ids = message_ids(&batch.records);
    let messages = batch.records.iter().zip(&ids).map(|(record, id)| {
        Message::builder()
            .message_id(id.as_ref())
            .payload(Blob::new(record.payload.as_ref()))
            .build()
            .map_err(|error| Failure::malformed(error.to_string()))
    });
    let output = client
        .batch_put_message()
        .channel_name(&batch.destination)
        .set_messages(Some(messages.collect::<Result<_, _>>()?))
        .send()
        .await
        .map_err(Failure::from_sdk(RULES))?;
    outcomes(&ids, output)
}

/// One outcome per record: the answer names those that failed.
fn outcomes(
    ids: &[impl AsRef<str>],
    output: BatchPutMessageOutput,
) -> Result<Vec<Outcome>, Failure> {
    let Some(entries) = output.batch_put_message_error_entries else {
        return Err(Failure::malformed(
            "the answer has no batchPutMessageErrorEntries",
        ));
    };
    let mut failed = HashMap::new();
    for entry in entries {
        let (Some(id), Some(code)) = (entry.message_id, entry.error_code) else {
            return Err(Failure::malformed(
                "an entry of the answer lacks messageId or errorCode",
            ));
        };
        let message = entry.error_message.unwrap_or_default();
        failed.insert(id, failure(code, message));
    }
    let delivered = || Outcome::Delivered { receipt: None };
    let outcomes = ids
        .iter()
        .map(|id| failed.remove(id.as_ref()).unwrap_or_else(delivered))
        .collect();
    match failed.into_keys().next() {
        None => Ok(outcomes),
        Some(id) => Err(Failure::malformed(format!(
            "the answer has an entry for {:?}, which was not sent",
            excerpt(&id)
        ))),
    }
}

fn failure(code: String, message: String) -> Outcome {
    if PASSING.iter().any(|passing| code.starts_with(passing)) {
        Outcome::Retry { code, message }
    } else {
        Outcome::Rejected { code, message }
    }
}
