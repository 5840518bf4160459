//! The Firehose upstream: one `PutRecord` or `PutRecordBatch` per batch.

use aws_sdk_firehose::{
    Client,
    primitives::Blob,
    types::{PutRecordBatchResponseEntry, Record as FirehoseRecord},
};

use crate::{
    Attempt, Batch, BatchLimits, Outcome, Record, SendError, Settings, Upstream, UpstreamKind,
    delivery_stream::{DeliveryStreamArn, DeliveryStreamName},
    upstreams::aws::{
        Access, Clients, Failure, Rules, limits, one_for_each, outcome, reject_all, within,
    },
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "firehose",
    summary: "Amazon Data Firehose: PutRecordBatch, or PutRecord for a batch of one",
    route: Some("stream"),
    build: |settings| Some(Box::new(FirehoseUpstream::from_settings(settings)?)),
};

/// The quotas of `PutRecordBatch`. Bytes are counted before base64: four records of
/// 1,000 KiB pass in one request.
const LIMITS: BatchLimits = BatchLimits {
    records: 500,
    bytes: 4 << 20,
    record_bytes: MAX_RECORD,
    in_flight: 4,
    linger: None,
};

const MAX_RECORD: usize = 1_000 << 10;

/// `PutRecordBatch` in the Firehose API reference. What the key or the source of a stream
/// lacks is mended by the operator, and the records wait for that.
const RULES: Rules = Rules {
    never: &["ResourceNotFoundException"],
    refused: &[
        "InvalidArgumentException",
        "SerializationException",
        "ValidationException",
    ],
    no_access: &["InvalidKMSResourceException", "InvalidSourceException"],
};

/// Delivery streams of Amazon Data Firehose.
///
/// The destination is the ARN of a stream, or its name alone. A batch of one goes by
/// `PutRecord`, so that a connector that does not batch makes the calls that V1 made;
/// the credentials need both actions, as V1's did. Parameters beside those of [`Access`]:
///
/// | parameter | default | |
/// |---|---|---|
/// | `batch_bytes` | 4 MiB | payload bytes in one request; on a slow line fewer, so that a request fits into `timeout` |
struct FirehoseUpstream {
    clients: Clients<Client>,
    limits: BatchLimits,
}

impl FirehoseUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let limits = limits(settings, LIMITS, LIMITS.bytes);
        let clients = Clients::new(Access::from_settings(settings)?, Client::new);
        Some(Self { clients, limits })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let (region, stream) = match locate(&batch.destination) {
            Ok(found) => found,
            Err(message) => {
                return Ok(reject_all(batch, "InvalidArgumentException", &message));
            }
        };
        let client = self.clients.get(region).await;
        let sent = match batch.records.as_slice() {
            [record] => put_record(&client, stream, record).await,
            records => put_record_batch(&client, stream, records).await,
        };
        self.clients.conclude(region, batch, sent)
    }
}

impl Upstream for FirehoseUpstream {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        locate(destination).map(|_| ())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.clients.timeout(), self.deliver(batch)))
    }
}

async fn put_record(
    client: &Client,
    stream: &str,
    record: &Record,
) -> Result<Vec<Outcome>, Failure> {
    let output = client
        .put_record()
        .delivery_stream_name(stream)
        .record(encode(record)?)
        .send()
        .await
        .map_err(Failure::from_sdk(RULES))?;
    if output.record_id().is_empty() {
        return Err(Failure::malformed(
            "the answer to PutRecord has no RecordId",
        ));
    }
    Ok(vec![Outcome::Delivered {
        receipt: Some(output.record_id),
    }])
}

async fn put_record_batch(
    client: &Client,
    stream: &str,
    records: &[Record],
) -> Result<Vec<Outcome>, Failure> {
    let encoded = records.iter().map(encode).collect::<Result<_, _>>()?;
    let output = client
        .put_record_batch()
        .delivery_stream_name(stream)
        .set_records(Some(encoded))
        .send()
        .await
        .map_err(Failure::from_sdk(RULES))?;
    one_for_each(records.len(), output.request_responses, entry_outcome)
}

fn encode(record: &Record) -> Result<FirehoseRecord, Failure> {
    FirehoseRecord::builder()
        .data(Blob::new(record.payload.as_ref()))
        .build()
        .map_err(|error| Failure::malformed(error.to_string()))
}

/// An entry with an error is worth another attempt: the service reports only its own
/// failures for single records, and refuses what is wrong with a record for the whole request.
fn entry_outcome(entry: PutRecordBatchResponseEntry) -> Result<Outcome, Failure> {
    let error = (entry.error_code, entry.error_message);
    outcome(error, entry.record_id, "RecordId")
}

/// The region, where the destination names one, and the stream's name.
fn locate(destination: &str) -> Result<(Option<&str>, &str), String> {
    if destination.contains(':') {
        let arn = DeliveryStreamArn::parse(destination).map_err(|error| error.to_string())?;
        Ok((Some(arn.region()), arn.name()))
    } else {
        let name = DeliveryStreamName::parse(destination).map_err(|error| error.to_string())?;
        Ok((None, name.as_str()))
    }
}
