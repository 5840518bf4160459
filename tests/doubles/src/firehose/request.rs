//! What Firehose reads in a request, and what it refuses.
//!
//! The limits are those of the API reference; the texts are those that users report.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;

const MAX_RECORDS: usize = 500;
const MAX_RECORD: usize = 1_024_000;
const MAX_BYTES: usize = 4 << 20;

/// The calls that take records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// `PutRecord`: one record.
    PutRecord,
    /// `PutRecordBatch`: 1 to 500 records.
    PutRecordBatch,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The call; `None` when the request names neither.
    pub operation: Option<Operation>,
    /// The region in the signature; empty when there is none.
    pub region: String,
    /// The access key in the signature; empty when there is none.
    pub access_key: String,
    /// The stream's name.
    pub stream: String,
    /// The records, decoded.
    pub records: Vec<Bytes>,
    /// For each record the name under which it was taken, or `None`; empty when the
    /// request failed as a whole.
    pub record_ids: Vec<Option<String>>,
    /// The error type with which the request was refused as Firehose would.
    pub refused: Option<String>,
}

/// Why Firehose refuses a request.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Request {
    /// Reads a request; what could be read is there even when it is refused.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> (Self, Option<Refusal>) {
        let mut request = Self {
            operation: None,
            region: String::new(),
            access_key: String::new(),
            stream: String::new(),
            records: Vec::new(),
            record_ids: Vec::new(),
            refused: None,
        };
        let refusal = request.fill(headers, body).err();
        request.refused = refusal.as_ref().map(|refusal| refusal.code.to_owned());
        (request, refusal)
    }

    fn fill(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let operation = match header("x-amz-target") {
            Some("Firehose_20150804.PutRecord") => Operation::PutRecord,
            Some("Firehose_20150804.PutRecordBatch") => Operation::PutRecordBatch,
            _ => return refuse("UnknownOperationException", "no such operation"),
        };
        self.operation = Some(operation);
        if header("content-type") != Some("application/x-amz-json-1.1") {
            return refuse(
                "UnknownOperationException",
                "the content type is not JSON 1.1",
            );
        }
        let Some(authorization) = header("authorization") else {
            return refuse(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            );
        };
        let Some((access_key, region)) = read_authorization(authorization) else {
            return refuse(
                "IncompleteSignatureException",
                "the Authorization header is incomplete",
            );
        };
        self.access_key = access_key;
        self.region = region;
        match operation {
            Operation::PutRecord => {
                let body: PutRecord = parse(body)?;
                self.stream = body.stream;
                self.records = vec![body.record.decode()?];
            }
            Operation::PutRecordBatch => {
                let body: PutRecordBatch = parse(body)?;
                self.stream = body.stream;
                self.records = body
                    .records
                    .iter()
                    .map(Data::decode)
                    .collect::<Result<_, _>>()?;
            }
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), Refusal> {
        if !is_stream_name(&self.stream) {
            return invalid(
                "Value at 'deliveryStreamName' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            );
        }
        if self.records.is_empty() || self.records.len() > MAX_RECORDS {
            return invalid(
                "Value at 'records' failed to satisfy constraint: \
                 Member must have length between 1 and 500",
            );
        }
        if let Some(position) = self.records.iter().position(|data| data.len() > MAX_RECORD) {
            return invalid(&format!(
                "Value at 'records.{}.member.data' failed to satisfy constraint: \
                 Member must have length less than or equal to {MAX_RECORD}",
                position + 1,
            ));
        }
        if self.records.iter().map(Bytes::len).sum::<usize>() > MAX_BYTES {
            return invalid("Records size exceeds 4 MB limit");
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct PutRecord {
    #[serde(rename = "DeliveryStreamName")]
    stream: String,
    #[serde(rename = "Record")]
    record: Data,
}

#[derive(Deserialize)]
struct PutRecordBatch {
    #[serde(rename = "DeliveryStreamName")]
    stream: String,
    #[serde(rename = "Records")]
    records: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "Data")]
    base64: String,
}

impl Data {
    fn decode(&self) -> Result<Bytes, Refusal> {
        STANDARD
            .decode(&self.base64)
            .map(Bytes::from)
            .map_err(|error| Refusal {
                code: "SerializationException",
                message: format!("Data is not base64: {error}"),
            })
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal {
        code: "SerializationException",
        message: error.to_string(),
    })
}

/// The access key and the region of a Signature Version 4 header.
fn read_authorization(header: &str) -> Option<(String, String)> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let field = |name| {
        let mut parts = fields.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let scope: Vec<_> = field("Credential")?.split('/').collect();
    let [access_key, date, region, "firehose", "aws4_request"] = scope[..] else {
        return None;
    };
    let signature = field("Signature")?;
    let complete = date.len() == 8
        && field("SignedHeaders")?
            .split(';')
            .any(|name| name == "host")
        && signature.len() == 64
        && signature.bytes().all(|byte| byte.is_ascii_hexdigit());
    complete.then(|| (access_key.to_owned(), region.to_owned()))
}

fn is_stream_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn invalid(message: &str) -> Result<(), Refusal> {
    refuse("InvalidArgumentException", message)
}

fn refuse(code: &'static str, message: &str) -> Result<(), Refusal> {
    Err(Refusal {
        code,
        message: message.to_owned(),
    })
}
