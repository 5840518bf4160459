//! The doubles' side of HTTP: a port that closes and opens again, and connections that can
//! be broken on purpose.

mod body;
mod socket;

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) use self::body::{ReplyBody, cut, whole};
use self::socket::Socket;

/// How many connections are served at once; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;

/// What a port is for.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The server's side of TLS, where the port speaks it.
    fn tls(&self) -> Option<&TlsAcceptor> {
        None
    }

    /// Answers a request.
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Answered, Broken>> + Send;
}

/// The client's certificate in DER, among the extensions of a request.
#[derive(Clone)]
pub(crate) struct PeerCertificate(pub(crate) Vec<u8>);

/// The answer to a request.
pub(crate) struct Answered {
    pub(crate) response: Response<ReplyBody>,
    /// Closing the connection behind this answer sends RST.
    pub(crate) reset: bool,
}

/// The end of a connection that is not answered.
pub(crate) enum Broken {
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// A port of 127.0.0.1, open or not.
pub(crate) struct Server<H> {
    address: SocketAddr,
    handler: Arc<H>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl<H: Handler> Server<H> {
    /// Listens on a free port.
    pub(crate) async fn start(handler: Arc<H>) -> io::Result<Self> {
        let mut server = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            handler,
            running: None,
        };
        server.restart().await?;
        Ok(server)
    }

    /// Listens on the same port again.
    pub(crate) async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(128)?;
        self.address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept_all(
            listener,
            Arc::clone(&self.handler),
            stop.clone(),
        ));
        self.running = Some(Running { stop, tasks });
        Ok(())
    }

    /// Closes the port and every connection.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stop.cancel();
            while running.tasks.join_next().await.is_some() {}
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves connections until `stop`, and closes all of them then.
async fn accept_all<H: Handler>(listener: TcpListener, handler: Arc<H>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&handler)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve<H: Handler>(stream: TcpStream, handler: Arc<H>) {
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(stream, Arc::clone(&reset));
    let Some(tls) = handler.tls() else {
        return serve_http(socket, None, &reset, &*handler).await;
    };
    // Who does not come in makes no request, and that is what a test sees.
    if let Ok(stream) = tls.accept(socket).await {
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(<[_]>::first);
        let certificate = certificate.map(|der| PeerCertificate(der.to_vec()));
        serve_http(stream, certificate, &reset, &*handler).await;
    }
}

async fn serve_http<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    certificate: Option<PeerCertificate>,
    reset: &AtomicBool,
    handler: &H,
) {
    let service = service_fn(async |mut request: Request<Incoming>| {
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        match handler.handle(request).await {
            Ok(answered) => {
                reset.fetch_or(answered.reset, Ordering::Relaxed);
                Ok(answered.response)
            }
            Err(broken) => {
                reset.fetch_or(matches!(broken, Broken::Reset), Ordering::Relaxed);
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            }
        }
    });
    // A connection that breaks is the client's affair; the test looks at what was taken.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
