//! What Firehose reads in a request, what it refuses, and what it answers.
//!
//! The limits are those of the API reference; the texts are those that users report.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{Method, http::request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Ending, Refusal, Reply};

const MAX_RECORDS: usize = 500;
const MAX_RECORD: usize = 1_024_000;
const MAX_BYTES: usize = 4 << 20;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The calls that take records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// `PutRecord`: one record.
    PutRecord,
    /// `PutRecordBatch`: 1 to 500 records.
    PutRecordBatch,
}

/// A call of Firehose.
#[derive(Clone, Debug, Default)]
pub struct FirehoseCall {
    /// The call; `None` when the request names neither.
    pub operation: Option<Operation>,
    /// The stream's name.
    pub stream: String,
    /// The records, decoded.
    pub records: Vec<Bytes>,
}

impl Call for FirehoseCall {
    type Record = Bytes;

    const SIGNING_NAME: &'static str = "firehose";

    fn read_head(&mut self, head: &Parts) -> Result<(), Refusal> {
        let header = |name| {
            let value = head.headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let operation = match header("x-amz-target") {
            Some("Firehose_20150804.PutRecord") => Operation::PutRecord,
            Some("Firehose_20150804.PutRecordBatch") => Operation::PutRecordBatch,
            _ => return unknown_operation("no such operation"),
        };
        self.operation = Some(operation);
        if header("content-type") != Some(CONTENT_TYPE) {
            return unknown_operation("the content type is not JSON 1.1");
        }
        if head.method != Method::POST || head.uri.path() != "/" {
            return unknown_operation("the request is not POST /");
        }
        Ok(())
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), Refusal> {
        match self.operation {
            Some(Operation::PutRecord) => {
                let body: PutRecord = parse(body)?;
                self.stream = body.stream;
                self.records = vec![body.record.decode()?];
            }
            Some(Operation::PutRecordBatch) => {
                let body: PutRecordBatch = parse(body)?;
                self.stream = body.stream;
                self.records = body
                    .records
                    .iter()
                    .map(Data::decode)
                    .collect::<Result<_, _>>()?;
            }
            None => return unknown_operation("no such operation"),
        }
        self.check_limits()
    }

    fn destination(&self) -> &str {
        &self.stream
    }

    fn records(&self) -> &[Bytes] {
        &self.records
    }

    fn payload(record: &Bytes) -> &Bytes {
        record
    }

    fn not_found(stream: &str) -> Refusal {
        let message = format!("Firehose {stream} not found under account 123456789012.");
        Refusal::new(400, "ResourceNotFoundException", message)
    }

    fn answer(&self, endings: &[Ending]) -> Reply {
        match (self.operation, endings) {
            (Some(Operation::PutRecord), [Ending::Taken(id)]) => {
                reply(200, &json!({"RecordId": id, "Encrypted": false}))
            }
            // The one record of the call failed, and so does the call.
            (Some(Operation::PutRecord), [Ending::Failed { code, message }]) => {
                Self::error(503, code, message)
            }
            _ => entries(endings),
        }
    }

    fn wrong_answer(&self, endings: &[Ending]) -> Reply {
        match self.operation {
            Some(Operation::PutRecord) => reply(200, &json!({"Encrypted": false})),
            _ => entries(&endings[1..]),
        }
    }

    fn error(status: u16, code: &str, message: &str) -> Reply {
        reply(status, &json!({"__type": code, "message": message}))
    }
}

impl FirehoseCall {
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

/// The answer to `PutRecordBatch`.
fn entries(endings: &[Ending]) -> Reply {
    let entry = |ending: &Ending| match ending {
        Ending::Taken(id) => json!({"RecordId": id}),
        Ending::Failed { code, message } => json!({"ErrorCode": code, "ErrorMessage": message}),
    };
    let failed = |ending: &&Ending| matches!(ending, Ending::Failed { .. });
    let body = json!({
        "FailedPutCount": endings.iter().filter(failed).count(),
        "Encrypted": false,
        "RequestResponses": endings.iter().map(entry).collect::<Vec<_>>(),
    });
    reply(200, &body)
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type", CONTENT_TYPE.to_owned())],
        body: body.to_string(),
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
            .map_err(|error| serialization(format!("Data is not base64: {error}")))
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| serialization(error.to_string()))
}

fn is_stream_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn serialization(message: String) -> Refusal {
    Refusal::new(400, "SerializationException", message)
}

fn invalid(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new(400, "InvalidArgumentException", message))
}

fn unknown_operation(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new(400, "UnknownOperationException", message))
}
