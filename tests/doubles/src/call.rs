//! What a service is to its double: how it reads a request, and how it words an answer.

use bytes::Bytes;
use hyper::http::request::Parts;

/// The calls of a service that take records.
///
/// A value is one request as far as it could be read; it begins as the default and is filled
/// step by step, so that a refused request shows what came before the refusal.
pub trait Call: Clone + Default + Send + Sync + 'static {
    /// What the service takes.
    type Record: Clone + Send + Sync;

    /// The name of the service in the scope of a signature.
    const SIGNING_NAME: &'static str;

    /// Reads method, path and headers.
    ///
    /// # Errors
    /// The service knows no such call.
    fn read_head(&mut self, head: &Parts) -> Result<(), Refusal>;

    /// Reads the body, and compares it with the limits of the service.
    ///
    /// # Errors
    /// The service refuses such a body.
    fn read_body(&mut self, body: &[u8]) -> Result<(), Refusal>;

    /// Where the records are to go.
    fn destination(&self) -> &str;

    /// The records, in the order of the request.
    fn records(&self) -> &[Self::Record];

    /// What a record carries.
    fn payload(record: &Self::Record) -> &Bytes;

    /// The service's words for a destination that does not exist.
    fn not_found(destination: &str) -> Refusal;

    /// The answer to a request with an ending for each of its records.
    fn answer(&self, endings: &[Ending]) -> Reply;

    /// An answer that cannot be one to this request.
    fn wrong_answer(&self, endings: &[Ending]) -> Reply;

    /// The answer to a request that failed as a whole.
    fn error(status: u16, code: &str, message: &str) -> Reply;
}

/// What became of a record, in the words of the answer.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It was taken under this name.
    Taken(String),
    /// It failed.
    Failed {
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
}

/// Why a service refuses a request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error type.
    pub code: &'static str,
    /// The error's message.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }
}

/// An answer as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers beside those of HTTP itself.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}
