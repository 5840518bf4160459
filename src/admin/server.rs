//! Connections of the admin server, and what each may take.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::routes::{Door, Routes};

/// Connections of one listener at once; a further one is closed.
const MAX_CONNECTIONS: usize = 16;

/// Bytes and number of a request's headers.
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;

/// Until a request's headers are there.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// The pause after the system has refused to accept, as it does when files run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Door {
    /// For all of a connection, one request and its answer. An operator's change goes on for as
    /// long as it has letters.
    fn time(self) -> Duration {
        match self {
            Self::Network => Duration::from_secs(10),
            Self::Socket => Duration::from_secs(3_600),
        }
    }
}

/// Serves the connections of a listener.
pub(super) struct Server {
    pub(super) listener: Listener,
    pub(super) door: Door,
    pub(super) routes: Arc<Routes>,
    pub(super) stop: CancellationToken,
}

impl Server {
    /// Serves until told to stop; then all connections are closed.
    pub(super) async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok(stream) if connections.len() < MAX_CONNECTIONS => {
                        connections.spawn(serve(stream, self.door, Arc::clone(&self.routes)));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        warn!(%error, "the admin server cannot accept a connection");
                        time::sleep(PAUSE).await;
                    }
                }
            }
        }
        connections.shutdown().await;
    }
}

/// Answers one request.
async fn serve(stream: Box<dyn Stream>, door: Door, routes: Arc<Routes>) {
    let service = service_fn(move |request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request, door).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks is its client's affair.
    drop(time::timeout(door.time(), connection).await);
}
