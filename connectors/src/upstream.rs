//! Where batches go: one service, one attempt.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;

/// The future of one attempt.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Vec<Outcome>, SendError>> + Send + 'a>>;

/// Where batches go: one service, one attempt.
///
/// An upstream says what became of each record. Retrying, waiting, logging and
/// settling are the worker's.
pub trait Upstream: Send + Sync {
    /// The largest batch that the service takes.
    fn limits(&self) -> BatchLimits;

    /// What `record` takes of the bytes of a batch.
    fn size(&self, _destination: &str, record: RecordRef<'_>) -> usize {
        record.payload.len()
    }

    /// Whether `destination` is one that this upstream can send to.
    ///
    /// # Errors
    /// Why not, and what would be right, worded for a person.
    fn check(&self, destination: &str) -> Result<(), String>;

    /// Sends `batch` once; one outcome per record, in the batch's order.
    ///
    /// # Errors
    /// Nothing is known to have arrived, so the worker sends the batch again and
    /// a record can arrive twice.
    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a>;
}

/// Records for one destination.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where the records go, in the words of the contract: an ARN, a channel, a name.
    pub destination: String,
    /// The records in the order of their arrival; never empty.
    pub records: Vec<Record>,
}

/// What a device sent, on its way upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The device's id for the request; empty when it gave none.
    pub id: ByteString,
    /// The topic that it was published to.
    pub topic: ByteString,
    /// The client that published it.
    pub client_id: ByteString,
    /// When the gateway took it, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What is sent upstream.
    pub payload: Bytes,
}

/// A record whose parts lie elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordRef<'a> {
    /// The device's id for the request; empty when it gave none.
    pub id: &'a str,
    /// The topic that it was published to.
    pub topic: &'a str,
    /// The client that published it.
    pub client_id: &'a str,
    /// When the gateway took it, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What is sent upstream.
    pub payload: &'a [u8],
}

impl<'a> From<&'a Record> for RecordRef<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            id: &record.id,
            topic: &record.topic,
            client_id: &record.client_id,
            time: record.time,
            payload: &record.payload,
        }
    }
}

/// The largest batch that a service takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchLimits {
    /// Records in a batch.
    pub records: usize,
    /// Bytes in a batch, as [`Upstream::size`] counts them.
    pub bytes: usize,
    /// Bytes in one record, counted likewise; a larger one is rejected on arrival.
    pub record_bytes: usize,
    /// Requests that the service gains from at once; one keeps records in their order.
    pub in_flight: usize,
    /// How long records are gathered for a batch, where that is for the upstream to say and
    /// not for the contract: objects that are worth storing are larger than requests.
    pub linger: Option<Duration>,
}

/// What became of one record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The service has it.
    Delivered {
        /// The service's name for the record, where it gives one.
        receipt: Option<String>,
    },
    /// Not this time: worth another attempt.
    Retry {
        /// The service's error type.
        code: String,
        /// The service's words.
        message: String,
    },
    /// Never: to the dead letters.
    Rejected {
        /// The service's error type.
        code: String,
        /// The service's words.
        message: String,
    },
}

/// A batch of which nothing is known to have arrived.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SendError {
    /// What another attempt needs.
    pub class: FailureClass,
    /// The service's error type, or a name for what failed on the way (`ConnectError`, `TimeoutError`).
    pub code: String,
    /// What happened, for the person who reads the log.
    pub message: String,
}

/// What has to change before a batch that failed comes through.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureClass {
    /// The service or the way to it: it is tried again until they are back.
    Unavailable,
    /// The time: the batch had no answer in the time that it had. The service may be away, or
    /// the line so slow that only fewer bytes come through.
    Late,
    /// The rate: the service takes no more for the moment.
    Throttled,
    /// Credentials, permissions, the clock or the configuration: it is tried again, and the
    /// operator is told.
    NoAccess,
    /// The batch: the service refuses it as it is, and would refuse it again. One record of it
    /// may be the cause, which is found by sending parts of it.
    Refused,
}

impl SendError {
    /// An error of `class`.
    pub fn new(class: FailureClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
        }
    }
}
