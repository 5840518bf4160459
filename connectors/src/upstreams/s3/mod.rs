//! The S3 upstream: a batch is one object.

mod key;
mod names;
mod object;

use std::time::Duration;

use aws_sdk_s3::{Client, config::Builder, primitives::ByteStream};

use self::{key::KeyTemplate, names::Names};
use super::aws::{Access, Clients, Failure, Rules, reject_all, within};
use crate::{
    Attempt, Batch, BatchLimits, FailureClass, Outcome, Record, RecordRef, SendError, Settings,
    Upstream, UpstreamKind, destination::DestinationTemplate, form::Form,
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "s3",
    summary: "Amazon S3, and what speaks its protocol: objects by size and time",
    route: None,
    build: |settings| Some(Box::new(S3Upstream::from_settings(settings)?)),
};

const DEFAULT_SIZE: u64 = 8 << 20;
const DEFAULT_RECORDS: u64 = 100_000;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// S3's list of error codes. What is wrong with a bucket or a key of KMS is mended by the
/// operator, and the records wait for that: no record is to blame.
const RULES: Rules = Rules {
    never: &[],
    refused: &[
        "EntityTooLarge",
        "InvalidURI",
        "KeyTooLongError",
        "MaxMessageLengthExceeded",
    ],
    no_access: &[
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidBucketState",
        "InvalidRequest",
        "InvalidSecurity",
        "KMS.DisabledException",
        "KMS.InvalidStateException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "MethodNotAllowed",
        "NoSuchBucket",
        "NotImplemented",
        "NotSignedUp",
        "PermanentRedirect",
    ],
};

/// A bucket.
///
/// Records are gathered until they are an object's worth, by bytes, number or time, and are
/// stored by `PutObject`. The receipt of each is the object's `s3://` URI. A batch that is sent
/// again overwrites its own object; see [`names`]. Parameters beside those of [`Access`] and
/// [`Form`]; the separator is a newline unless another is named:
///
/// | parameter | default | |
/// |---|---|---|
/// | `bucket` | what the contract says | the bucket, with `${channel}` and the like in it |
/// | `key` | `${channel}/${year}/${month}/${day}/${hour}/${hash}.ndjson`, with `gzip` also `.gz` | the key. `${hash}` is needed. Beside it there are the variables of `bucket`, `${client_id}`, `${topic}` and `${id}` of the first record, and the time at which it arrived, in UTC: `${year}`, `${month}`, `${day}`, `${hour}`, `${minute}`, `${second}` |
/// | `object_size` | 8 MiB | bytes in an object before it is compressed, 64 KiB to 64 MiB; so many are held in memory for each request |
/// | `object_records` | 100,000 | records in an object, up to 1,000,000 |
/// | `object_interval` | 60 s | how long records are gathered, 1 s to 1 h |
/// | `gzip` | false | whether objects are compressed, and say so |
/// | `content_type` | `application/x-ndjson` | the type that objects have |
/// | `path_style` | where there is an `endpoint_url` | whether the bucket is in the path of the URL, not in the name of its host |
struct S3Upstream {
    clients: Clients<Client>,
    bucket: Option<DestinationTemplate>,
    key: KeyTemplate,
    form: Form,
    limits: BatchLimits,
    is_gzip: bool,
    content_type: String,
    names: Names,
}

impl S3Upstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let bucket = DestinationTemplate::from_settings("bucket", settings);
        let is_gzip = settings.boolean("gzip").unwrap_or(false);
        let key = KeyTemplate::from_settings(settings, is_gzip);
        let form = Form::from_settings(settings, "\n");
        let limits = limits(settings);
        let content_type = content_type(settings);
        let path_style = settings
            .boolean("path_style")
            .unwrap_or(settings.has("endpoint_url"));
        let make = match path_style {
            true => {
                |config: &_| Client::from_conf(Builder::from(config).force_path_style(true).build())
            }
            false => Client::new,
        };
        let access = Access::from_settings(settings);
        Some(Self {
            bucket: bucket?,
            key: key?,
            form: form?,
            content_type: content_type?,
            clients: Clients::new(access?, make),
            names: Names::new(),
            limits,
            is_gzip,
        })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        let Some(first) = batch.records.first() else {
            return Ok(Vec::new());
        };
        let bucket = match self.bucket(&batch.destination) {
            Ok(bucket) => bucket,
            Err(message) => {
                return Ok(reject_all(batch, "InvalidArgumentException", &message));
            }
        };
        let mut fingerprint = self.names.fingerprint(&batch.destination);
        let mut content = object::write(self.form, batch, &mut fingerprint).await;
        if self.is_gzip {
            content = object::compress(content).await?;
        }
        let name = self.names.take(fingerprint);
        let key = self.key(&batch.destination, first, &name.to_string())?;
        let client = self.clients.get(None).await;
        let sent = self.put(&client, &bucket, &key, content).await;
        if sent.is_ok() {
            name.keep();
        }
        let sent = sent.map(|()| {
            let receipt = Some(format!("s3://{bucket}/{key}"));
            vec![Outcome::Delivered { receipt }; batch.records.len()]
        });
        self.clients.conclude(None, batch, sent)
    }

    /// The bucket for a destination in the words of the contract.
    fn bucket(&self, destination: &str) -> Result<String, String> {
        let bucket = match &self.bucket {
            Some(template) => template.locate(destination)?,
            None => destination.to_owned(),
        };
        check_bucket(&bucket)?;
        Ok(bucket)
    }

    /// A key that the first record has no place in is refused as S3 would: another batch has
    /// another first record.
    fn key(&self, destination: &str, first: &Record, name: &str) -> Result<String, SendError> {
        let key = self.key.expand(destination, first.into(), name);
        let refused = |message| SendError::new(FailureClass::Refused, "KeyTooLongError", message);
        key.map_err(refused)
    }

    async fn put(
        &self,
        client: &Client,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
    ) -> Result<(), Failure> {
        client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(&self.content_type)
            .set_content_encoding(self.is_gzip.then(|| "gzip".to_owned()))
            .body(ByteStream::from(content))
            .send()
            .await
            .map(drop)
            .map_err(Failure::from_sdk(RULES))
    }
}

impl Upstream for S3Upstream {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn size(&self, destination: &str, record: RecordRef<'_>) -> usize {
        self.form.length(destination, record)
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        self.bucket(destination).map(|_| ())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.clients.timeout(), self.deliver(batch)))
    }
}

fn limits(settings: &mut dyn Settings) -> BatchLimits {
    let size = settings.size("object_size", 64 << 10..=64 << 20);
    let records = settings.integer("object_records", 1..=1_000_000);
    let intervals = Duration::from_secs(1)..=Duration::from_secs(3_600);
    let interval = settings.duration("object_interval", intervals);
    let bytes = size.unwrap_or(DEFAULT_SIZE) as usize;
    BatchLimits {
        records: records.unwrap_or(DEFAULT_RECORDS) as usize,
        bytes,
        record_bytes: bytes,
        in_flight: 2,
        linger: Some(interval.unwrap_or(DEFAULT_INTERVAL)),
    }
}

/// `None` when an error was recorded.
fn content_type(settings: &mut dyn Settings) -> Option<String> {
    let Some(text) = settings.text("content_type") else {
        return Some("application/x-ndjson".to_owned());
    };
    let is_type = text.contains('/') && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_type {
        let problem = format!("found {text:?}; a type is one such as \"text/csv\"");
        settings.refuse("content_type", problem);
        return None;
    }
    Some(text)
}

/// S3's rules for the names of buckets, as far as the letters go.
fn check_bucket(bucket: &str) -> Result<(), String> {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_right = |byte: u8| is_alphanumeric(byte) || b"-.".contains(&byte);
    let ends = [bucket.bytes().next(), bucket.bytes().last()];
    let is_name = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(is_right)
        && ends.into_iter().flatten().all(is_alphanumeric)
        && !bucket.contains("..");
    if is_name {
        return Ok(());
    }
    let found: String = bucket.chars().take(80).collect();
    Err(format!(
        "{found:?} is not a bucket; its name has 3 to 63 lower-case letters, digits, hyphens and \
         dots, and a template such as bucket = \"records\" can name one"
    ))
}
