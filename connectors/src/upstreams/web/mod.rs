//! Requests over HTTP/1.1 and TLS, whole and bounded: what an upstream needs that no SDK serves.
//!
//! - Nothing is retried and no redirect is followed.
//! - An answer is read up to a bound, whatever the server says of its length.
//! - An error names its class, as that of an upstream does.

mod tls;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HyperClient, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::task;

pub(super) use self::tls::{TlsFiles, Trust};
use crate::{
    FailureClass::{NoAccess, Unavailable},
    SendError,
    chain::{chain, find},
};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection stays open without a request; shorter than servers commonly wait, so
/// that a request does not meet a connection that is being closed.
const IDLE: Duration = Duration::from_secs(20);

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub(super) struct Client(HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What a server has answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body up to the bound.
    pub(super) body: Vec<u8>,
    /// Whether there is no more of it.
    pub(super) is_whole: bool,
}

impl Client {
    /// Reads the files and connects nothing; `ca_key` is the parameter that names the
    /// certificates to trust.
    pub(super) async fn open(files: TlsFiles, ca_key: &'static str) -> Result<Self, SendError> {
        let load = move || files.load(ca_key).map_err(|error| chain(&error));
        let loaded = match task::spawn_blocking(load).await {
            Ok(loaded) => loaded,
            Err(error) => Err(error.to_string()),
        };
        let refused = |message| SendError::new(NoAccess, "ConfigurationError", message);
        let tls = loaded.map_err(refused)?;

        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self(client))
    }

    /// Sends `request` once and reads the answer, of its body up to `bound` bytes.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        bound: usize,
    ) -> Result<Answer, SendError> {
        let (head, body) = self.0.request(request).await.map_err(failed)?.into_parts();
        let mut answer = Answer {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            is_whole: false,
        };
        answer.read(body, bound).await?;
        Ok(answer)
    }
}

impl Answer {
    async fn read(&mut self, mut body: Incoming, bound: usize) -> Result<(), SendError> {
        while let Some(frame) = body.frame().await {
            let broken = |error: hyper::Error| unavailable("ResponseError", chain(&error));
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            let room = bound - self.body.len();
            self.body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok(());
            }
        }
        self.is_whole = true;
        Ok(())
    }

    /// The beginning of the body in one line, for people.
    pub(super) fn excerpt(&self) -> String {
        const LENGTH: usize = 200;
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<_> = text.split_whitespace().take(LENGTH).collect();
        let printable = |char: &char| !char.is_control();
        words
            .join(" ")
            .chars()
            .filter(printable)
            .take(LENGTH)
            .collect()
    }
}

/// Why there was no answer. That a certificate is not taken, ours or the server's, is for the
/// operator to mend.
fn failed(error: Error) -> SendError {
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    let is_refusal = |error: &rustls::Error| {
        matches!(
            error,
            AlertReceived(_) | InvalidCertificate(_) | NoCertificatesPresented
        )
    };
    match find(&error) {
        Some(tls) if is_refusal(tls) => SendError::new(NoAccess, "TlsError", chain(&error)),
        Some(_) => unavailable("TlsError", chain(&error)),
        None if error.is_connect() => unavailable("ConnectError", chain(&error)),
        None => unavailable("ResponseError", chain(&error)),
    }
}

fn unavailable(code: &str, message: String) -> SendError {
    SendError::new(Unavailable, code, message)
}
