//! The Kinesis upstream: one `PutRecords` per batch.

mod stream;

use aws_sdk_kinesis::{
    Client,
    primitives::Blob,
    types::{PutRecordsRequestEntry, PutRecordsResultEntry},
};

use crate::{
    Attempt, Batch, BatchLimits, Outcome, RecordRef, SendError, Settings, Upstream, UpstreamKind,
    upstreams::{
        aws::{
            Access, Clients, Failure, Groups, Rules, limits, one_for_each, outcome, reject_all,
            within,
        },
        kinesis::stream::Stream,
    },
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "kinesis",
    summary: "Amazon Kinesis Data Streams: PutRecords with a partition key per record",
    route: Some("stream"),
    build: |settings| Some(Box::new(KinesisUpstream::from_settings(settings)?)),
};

/// The quotas of `PutRecords`, which count partition keys as well and the bytes before base64.
///
/// A stream can be set up for records of up to 10 MiB; 1 MiB passes on every one.
const LIMITS: BatchLimits = BatchLimits {
    records: 500,
    bytes: 5 << 20,
    record_bytes: 1 << 20,
    in_flight: 4,
    linger: None,
};

/// The longest partition key, in the service's characters: those of UTF-16.
const MAX_KEY: usize = 256;

/// `PutRecords` in the Kinesis API reference. What the key of a stream lacks is mended by the
/// operator, and the records wait for that.
const RULES: Rules = Rules {
    never: &["ResourceNotFoundException"],
    refused: &[
        "InvalidArgumentException",
        "SerializationException",
        "ValidationException",
    ],
    no_access: &[
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
    ],
};

/// Streams of Amazon Kinesis Data Streams.
///
/// The destination is the ARN of a stream, or its name alone. Records with the same partition
/// key are in one shard and in the order of the batch. Two things change that order: a record
/// that the service puts off (`ProvisionedThroughputExceededException`) comes behind those of
/// its batch that were taken, and a contract that lets its records leave in any order has up to
/// four batches under way at once. Parameters beside those of [`Access`]:
///
/// | parameter | default | |
/// |---|---|---|
/// | `partition_key` | `"${client_id}"` | a template over `${client_id}`, `${topic}`, `${id}` and `${destination}`; an empty key becomes the topic, and one of more than 256 characters its SHA-256 |
/// | `batch_bytes` | 5 MiB | bytes of payloads and keys in one request; on a slow line fewer, so that a request fits into `timeout` |
struct KinesisUpstream {
    clients: Clients<Client>,
    keys: Groups,
    limits: BatchLimits,
}

impl KinesisUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let limits = limits(settings, LIMITS, LIMITS.bytes);
        let keys = Groups::from_settings(settings, "partition_key", is_key);
        let access = Access::from_settings(settings);
        Some(Self {
            clients: Clients::new(access?, Client::new),
            keys: keys?,
            limits,
        })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let stream = match Stream::parse(&batch.destination) {
            Ok(stream) => stream,
            Err(error) => {
                let message = error.to_string();
                return Ok(reject_all(batch, "InvalidArgumentException", &message));
            }
        };
        let client = self.clients.get(stream.region()).await;
        let sent = self.put_records(&client, stream, batch).await;
        self.clients.conclude(stream.region(), batch, sent)
    }

    async fn put_records(
        &self,
        client: &Client,
        stream: Stream<'_>,
        batch: &Batch,
    ) -> Result<Vec<Outcome>, Failure> {
        let records = batch.records.iter();
        let entries = records
            .map(|record| self.encode(&batch.destination, record.into()))
            .collect::<Result<_, _>>()?;
        let request = client.put_records().set_records(Some(entries));
        let request = match stream {
            Stream::Name(name) => request.stream_name(name),
            Stream::Arn { arn, .. } => request.stream_arn(arn),
        };
        let output = request.send().await.map_err(Failure::from_sdk(RULES))?;
        one_for_each(batch.records.len(), output.records, entry_outcome)
    }

    fn encode(
        &self,
        destination: &str,
        record: RecordRef<'_>,
    ) -> Result<PutRecordsRequestEntry, Failure> {
        PutRecordsRequestEntry::builder()
            .data(Blob::new(record.payload))
            .partition_key(self.keys.of(destination, record))
            .build()
            .map_err(|error| Failure::malformed(error.to_string()))
    }
}

impl Upstream for KinesisUpstream {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn size(&self, destination: &str, record: RecordRef<'_>) -> usize {
        self.keys.of(destination, record).len() + record.payload.len()
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        let stream = Stream::parse(destination);
        stream.map(|_| ()).map_err(|error| error.to_string())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.clients.timeout(), self.deliver(batch)))
    }
}

fn is_key(text: &str) -> bool {
    // The bytes are no fewer than the characters.
    !text.is_empty() && (text.len() <= MAX_KEY || text.encode_utf16().count() <= MAX_KEY)
}

/// An entry with an error is worth another attempt: the service reports only a shard that is
/// busy and its own failures for single records.
fn entry_outcome(entry: PutRecordsResultEntry) -> Result<Outcome, Failure> {
    let error = (entry.error_code, entry.error_message);
    outcome(error, entry.sequence_number, "SequenceNumber")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_has_up_to_256_characters_of_utf_16() {
        for (key, fits) in [
            (String::new(), false),
            ("k".repeat(256), true),
            ("k".repeat(257), false),
            ("\u{fffd}".repeat(256), true),
            ("\u{1F600}".repeat(128), true),
            ("\u{1F600}".repeat(129), false),
        ] {
            assert_eq!(is_key(&key), fits, "{} bytes", key.len());
        }
    }
}
