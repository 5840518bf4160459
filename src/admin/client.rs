//! The other end of the admin socket.

use std::{io, path::Path, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::JoinSet, time};

use super::{api::Failure, socket};

/// More than any answer has: a record is at most a packet, and base64 makes it a third longer.
const MAX_ANSWER: usize = 512 << 20;

/// Until a gateway that runs has taken the connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Asks a gateway that runs.
pub(super) struct Client {
    stream: UnixStream,
}

/// Why a gateway that runs gave no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It did not do it, and says why.
    #[error("{0}")]
    Refused(String),
    /// The connection ended.
    #[error("the gateway ended the connection; what it has done until then is done")]
    Ended {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer makes no sense.
    #[error("the gateway's answer cannot be read: is it of another version?")]
    Unreadable {
        /// The cause.
        source: serde_json::Error,
    },
}

impl Client {
    /// Connects to the gateway of `data_dir`; `None` when none runs.
    ///
    /// # Errors
    /// There is a socket that cannot be used.
    pub(super) async fn connect(data_dir: &Path) -> io::Result<Option<Self>> {
        use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
        let connecting = time::timeout(CONNECT_TIME, socket::connect(data_dir));
        match connecting.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(stream) => Ok(Some(Self { stream })),
            Err(error) if [NotFound, ConnectionRefused, NotADirectory].contains(&error.kind()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        self,
        path: &str,
        what: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(what).map_err(unreadable)?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.stream))
            .await
            .map_err(ended)?;
        // It ends with this set.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "perennial")
            .body(Full::new(body))
            .map_err(ended)?;
        let (status, body) = exchange(&mut sender, request).await?;
        if status != StatusCode::OK {
            let failure: Failure = serde_json::from_slice(&body).map_err(unreadable)?;
            return Err(ClientError::Refused(failure.error));
        }
        serde_json::from_slice(&body).map_err(unreadable)
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let answer = sender.send_request(request).await.map_err(ended)?;
    let status = answer.status();
    let body: Limited<Incoming> = Limited::new(answer.into_body(), MAX_ANSWER);
    let body = body.collect().await;
    let body = body.map_err(|source| ClientError::Ended { source })?;
    Ok((status, body.to_bytes()))
}

fn ended(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::Ended {
        source: error.into(),
    }
}

fn unreadable(source: serde_json::Error) -> ClientError {
    ClientError::Unreadable { source }
}
