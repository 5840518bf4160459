//! The Firehose upstream: one `PutRecord` or `PutRecordBatch` per batch.
//!
//! - The SDK retries nothing: the worker does, so that every attempt is counted and waits.
//! - Nothing is loaded before the first batch: neither credentials nor TLS roots.

mod clients;
mod failure;

use std::{future::Future, path::PathBuf, time::Duration};

use aws_sdk_firehose::{
    Client,
    operation::put_record_batch::PutRecordBatchOutput,
    primitives::Blob,
    types::{PutRecordBatchResponseEntry, Record as FirehoseRecord},
};
use tokio::time::timeout;

use crate::{
    Attempt, Batch, BatchLimits, Outcome, Record, SendError, Settings, Upstream, UpstreamKind,
    delivery_stream::{DeliveryStreamArn, DeliveryStreamName},
    upstreams::firehose::{clients::Clients, failure::Failure},
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "firehose",
    summary: "Amazon Data Firehose: PutRecordBatch, or PutRecord for a batch of one",
    build: |settings| Some(Box::new(FirehoseUpstream::from_settings(settings)?)),
};

/// The quotas of `PutRecordBatch`. Bytes are counted before base64: four records of
/// 1,000 KiB pass in one request.
const LIMITS: BatchLimits = BatchLimits {
    records: 500,
    bytes: 4 << 20,
    record_bytes: MAX_RECORD,
    in_flight: 4,
};

const MAX_RECORD: usize = 1_000 << 10;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Delivery streams of Amazon Data Firehose.
///
/// The destination is the ARN of a stream, or its name alone. A batch of one goes by
/// `PutRecord`, so that a connector that does not batch makes the calls that V1 made;
/// the credentials need both actions, as V1's did.
///
/// | parameter | default | |
/// |---|---|---|
/// | `region` | from the ARN, else as every AWS tool finds it | the region of every request |
/// | `endpoint_url` | AWS | where requests go instead: a VPC endpoint, a proxy, a double |
/// | `profile` | as every AWS tool finds it | the profile of the AWS configuration files |
/// | `credentials_file` | as every AWS tool finds them | a file in the format of `~/.aws/credentials` |
/// | `timeout` | 30 s | how long one request may take, 1 s to 10 min |
/// | `batch_bytes` | 4 MiB | payload bytes in one request; on a slow line fewer, so that a request fits into `timeout` |
struct FirehoseUpstream {
    clients: Clients,
    timeout: Duration,
    batch_bytes: usize,
}

/// What the requests are made with.
#[derive(Debug, Default)]
struct Access {
    region: Option<String>,
    endpoint_url: Option<String>,
    profile: Option<String>,
    credentials_file: Option<PathBuf>,
}

impl FirehoseUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let access = Access {
            region: settings.text("region"),
            endpoint_url: settings.text("endpoint_url"),
            profile: settings.text("profile"),
            credentials_file: settings.path("credentials_file"),
        };
        let timeout = settings
            .duration("timeout", Duration::from_secs(1)..=Duration::from_secs(600))
            .unwrap_or(DEFAULT_TIMEOUT);
        let batch_bytes = settings
            .size("batch_bytes", 1_024..=LIMITS.bytes as u64)
            .map_or(LIMITS.bytes, |bytes| bytes as usize);

        let mut valid = true;
        if let Some(region) = access
            .region
            .as_deref()
            .filter(|region| !is_host_label(region))
        {
            settings.refuse(
                "region",
                format!("found {region:?}; a region is one such as \"us-east-1\""),
            );
            valid = false;
        }
        if let Some(url) = access
            .endpoint_url
            .as_deref()
            .filter(|url| !is_http_url(url))
        {
            settings.refuse(
                "endpoint_url",
                format!("found {url:?}; an endpoint is one such as \"http://127.0.0.1:5000\""),
            );
            valid = false;
        }
        valid.then(|| Self {
            clients: Clients::new(access, timeout),
            timeout,
            batch_bytes,
        })
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
        match sent {
            Ok(outcomes) => Ok(outcomes),
            Err(Failure::Rejected { code, message }) => Ok(reject_all(batch, &code, &message)),
            Err(Failure::NoAccess(error)) => {
                self.clients.forget(region);
                Err(error)
            }
            Err(Failure::Unsent(error)) => Err(error),
        }
    }
}

impl Upstream for FirehoseUpstream {
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            bytes: self.batch_bytes,
            record_bytes: self.batch_bytes.min(LIMITS.record_bytes),
            ..LIMITS
        }
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        locate(destination).map(|_| ())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.timeout, self.deliver(batch)))
    }
}

/// The whole attempt within `limit`: finding credentials counts, and a service that
/// hangs on any step is a service that is away.
async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    match timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(SendError {
            code: "TimeoutError".to_owned(),
            message: format!("no answer within {} s", limit.as_secs_f32()),
        }),
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
        .map_err(Failure::from_sdk)?;
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
        .map_err(Failure::from_sdk)?;
    outcomes(records.len(), output)
}

fn encode(record: &Record) -> Result<FirehoseRecord, Failure> {
    FirehoseRecord::builder()
        .data(Blob::new(record.payload.as_ref()))
        .build()
        .map_err(|error| Failure::malformed(&error.to_string()))
}

/// One outcome per record; an answer that does not say one for each says nothing.
fn outcomes(sent: usize, output: PutRecordBatchOutput) -> Result<Vec<Outcome>, Failure> {
    let entries = output.request_responses;
    if entries.len() != sent {
        let found = entries.len();
        return Err(Failure::malformed(&format!(
            "the answer has {found} entries for {sent} records"
        )));
    }
    entries.into_iter().map(outcome).collect()
}

/// An entry with an error is worth another attempt: the service reports only its own
/// failures for single records, and refuses what is wrong with a record for the whole request.
fn outcome(entry: PutRecordBatchResponseEntry) -> Result<Outcome, Failure> {
    match (entry.error_code, entry.record_id) {
        (Some(code), _) => Ok(Outcome::Retry {
            code,
            message: entry.error_message.unwrap_or_default(),
        }),
        (None, Some(receipt)) => Ok(Outcome::Delivered {
            receipt: Some(receipt),
        }),
        (None, None) => Err(Failure::malformed(
            "an entry of the answer has neither RecordId nor ErrorCode",
        )),
    }
}

fn reject_all(batch: &Batch, code: &str, message: &str) -> Vec<Outcome> {
    let rejected = Outcome::Rejected {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    vec![rejected; batch.records.len()]
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

fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_http_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}
