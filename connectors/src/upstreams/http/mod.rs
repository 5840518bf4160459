//! The HTTP upstream: a batch is one request with an array of JSON objects.

mod answer;
mod secret;
mod settings;
mod url;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Uri,
    header::{AUTHORIZATION, HeaderValue},
};
use tokio::task;

use self::settings::{CA, HttpSettings};
use super::{
    aws::{reject_all, within},
    web::Client,
};
use crate::{
    Attempt, Batch, BatchLimits, FailureClass, Outcome, RecordRef, SendError, Settings, Upstream,
    UpstreamKind,
    json::{RecordWriter, record_length},
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "http",
    summary: "A web server of your own: batches as JSON, by POST or PUT",
    route: None,
    build: |settings| Some(Box::new(HttpUpstream::from_settings(settings)?)),
};

/// How much is read of an answer that is only for people.
const MAX_WORDS: usize = 64 << 10;

/// How much is read of an answer with a result for each record.
const MAX_RESULTS: usize = 4 << 20;

/// How much is encoded before other tasks of the thread get their turn.
const ENCODE_SLICE: usize = 256 << 10;

/// A server that takes JSON.
///
/// The body is an array with an object for each record, as [`RecordWriter`] writes it: `time`
/// (RFC 3339, UTC, milliseconds), `topic`, `client_id`, `destination` in the words of the
/// contract, `id` where the device gave one, and `payload` as text, or `payload_base64` for
/// what is not UTF-8.
///
/// | status | |
/// |---|---|
/// | 2xx | all records are delivered, or what `record_results` says |
/// | 400, 413, 415, 422 | the batch is refused as it is; a record that is refused alone is a dead letter |
/// | 429 | there are too many requests. `Retry-After` is not read: the pause is that of the connector |
/// | 408, 425, 5xx, no answer | the server is away, and the batch is sent again |
/// | any other 3xx or 4xx | the batch is sent again, and the operator is told. No redirect is followed |
///
/// | parameter | default | |
/// |---|---|---|
/// | `url` | needed | `http` or `https`; `${destination}`, `${channel}` and the like may be in its path and query |
/// | `method` | `"POST"` | or `"PUT"` |
/// | `headers` | none | a table of headers |
/// | `bearer_token` or `bearer_token_file` | none | what is sent as `Authorization: Bearer`; a file is read for each request |
/// | `basic_user` with `basic_password` or `basic_password_file` | none | what is sent as `Authorization: Basic` |
/// | `insecure` | false | whether a secret may be sent over plain `http` to another machine |
/// | `ca` | the system's | a PEM file with the certificates to trust |
/// | `client_certificate` with `client_private_key` | none | PEM files with what the gateway shows |
/// | `batch_records` | 500 | objects in one request, up to 10,000 |
/// | `batch_bytes` | 1 MiB | bytes in one body, up to 64 MiB |
/// | `timeout` | 30 s | how long one request may take, 1 s to 10 min |
/// | `record_results` | false | whether the answer says of each record what became of it, in the order of the request: `{"results":[{"status":"ok"},{"status":"retry","code":"...","message":"..."},{"status":"rejected"}]}`. Any other answer means that nothing arrived |
struct HttpUpstream {
    settings: HttpSettings,
    /// Dropped when the server does not let it in, so that files are read again.
    client: Mutex<Option<Client>>,
}

impl HttpUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        Some(Self {
            settings: HttpSettings::from_settings(settings)?,
            client: Mutex::default(),
        })
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let url = match self.settings.url.locate(&batch.destination) {
            Ok(url) => url,
            Err(message) => {
                return Ok(reject_all(batch, "InvalidArgumentException", &message));
            }
        };
        let body = encode(batch).await;
        self.request(&url, body, batch.records.len())
            .await
            .inspect_err(|error| {
                if error.class == FailureClass::NoAccess {
                    *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
            })
            .map_err(|error| SendError {
                message: format!(
                    "{} {}: {}",
                    self.settings.method,
                    url::shown(&url),
                    error.message
                ),
                ..error
            })
    }

    async fn request(
        &self,
        url: &Uri,
        body: Vec<u8>,
        records: usize,
    ) -> Result<Vec<Outcome>, SendError> {
        let authorization = match &self.settings.authorization {
            None => None,
            Some(authorization) => Some(authorization.header().await?),
        };
        let request = self.make(url, body, authorization);
        let secrets = secrets_of(&request);
        let client = self.client().await?;
        let bound = match self.settings.record_results {
            true => MAX_RESULTS,
            false => MAX_WORDS,
        };
        let mut answer = client.send(request, bound).await?;
        if !answer.status.is_success() {
            // A server may repeat what it was sent.
            let words = String::from_utf8_lossy(&answer.body);
            answer.body = hide(words.into_owned(), &secrets).into_bytes();
        }
        match self.settings.record_results {
            true => answer::each(&answer, records),
            false => answer::all_alike(&answer, records),
        }
    }

    fn make(
        &self,
        url: &Uri,
        body: Vec<u8>,
        authorization: Option<HeaderValue>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = self.settings.method.clone();
        *request.uri_mut() = url.clone();
        *request.headers_mut() = self.settings.headers.clone();
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        request
    }

    async fn client(&self) -> Result<Client, SendError> {
        let known = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(client) = known {
            return Ok(client);
        }
        // Two batches may come here at once; either client will do.
        let client = Client::open(self.settings.files.clone(), CA).await?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }
}

impl Upstream for HttpUpstream {
    fn limits(&self) -> BatchLimits {
        // A record counts with the comma or bracket after it; one bracket is left.
        let bytes = self.settings.batch_bytes - 1;
        BatchLimits {
            records: self.settings.batch_records,
            bytes,
            record_bytes: bytes,
            in_flight: 4,
            linger: None,
        }
    }

    fn size(&self, destination: &str, record: RecordRef<'_>) -> usize {
        record_length(destination, record) + 1
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        self.settings.url.locate(destination).map(|_| ())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(within(self.settings.timeout, self.deliver(batch)))
    }
}

async fn encode(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = RecordWriter::new(&batch.destination);
    let mut turn_ends = ENCODE_SLICE;
    for record in &batch.records {
        body.push(if body.is_empty() { b'[' } else { b',' });
        writer.write(record.into(), &mut body);
        if body.len() >= turn_ends {
            turn_ends = body.len() + ENCODE_SLICE;
            task::yield_now().await;
        }
    }
    body.push(b']');
    body
}

/// The secrets in the headers, the longest first; one may follow the name of a scheme.
fn secrets_of(request: &Request<Full<Bytes>>) -> Vec<String> {
    let values = request.headers().values();
    let texts = values
        .filter(|value| value.is_sensitive())
        .filter_map(|value| value.to_str().ok());
    let words = texts.flat_map(|text| [Some(text), text.split_once(' ').map(|(_, rest)| rest)]);
    words
        .flatten()
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn hide(text: String, secrets: &[String]) -> String {
    secrets
        .iter()
        .fold(text, |text, secret| text.replace(secret, "***"))
}
