//! Accepting connections, and a task for each of them.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::{
    Gate, Listener, ListenerConfig, Secured,
    admission::{Admission, Place},
    handshakes::Handshake,
    open::{Opened, open},
    secure::{Application, Secure, Stream},
    transport::Transport,
};
use crate::{
    connection,
    core::Core,
    peer::{Caller, Peer},
    websocket::WebSocket,
};

/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener at work.
pub(crate) struct Acceptor {
    pub(crate) listener: Listener,
    pub(crate) admission: Arc<Admission>,
    pub(crate) served: Arc<Served>,
    pub(crate) tasks: TaskTracker,
}

/// What the connections of a listener share.
pub(crate) struct Served {
    pub(crate) config: ListenerConfig,
    pub(crate) gate: Gate,
    pub(crate) core: Arc<Core>,
}

impl Acceptor {
    /// Accepts connections until the broker stops.
    pub(crate) async fn run(self) {
        let mut stopped = pin!(self.served.core.stop.cancelled());
        let mut fails = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stopped => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    fails = false;
                    self.admit(stream, peer).await;
                }
                Err(error) => {
                    // Out of file descriptors, or the peer was gone first: the next one may do.
                    if !fails {
                        warn!(%error, "connections cannot be accepted");
                    }
                    fails = true;
                    tokio::select! {
                        () = sleep(ACCEPT_PAUSE) => {}
                        () = &mut stopped => return,
                    }
                }
            }
        }
    }

    /// Serves a connection in a task of its own, if it gets a place.
    async fn admit(&self, stream: Transport, peer: Peer) {
        if self.admission.evicts() {
            // Those whose CONNECT is here already get a turn before one of them has to go.
            tokio::task::yield_now().await;
        }
        let Some((place, handshake)) = self.admission.admit(peer, Instant::now()) else {
            return;
        };
        let served = Arc::clone(&self.served);
        let opening = Box::pin(begin(stream, peer, handshake, Arc::clone(&served)));
        self.tasks.spawn(async move {
            let mut connection = pin!(async move {
                let serving = opening.await;
                if let Some(serving) = serving {
                    serving.await;
                }
            });
            let ended = poll_fn(|context| {
                // What a panic leaves behind is dropped and never looked at again.
                let polled = AssertUnwindSafe(|| connection.as_mut().poll(context));
                catch_unwind(polled).unwrap_or_else(|panic| {
                    let what = message(panic.as_ref());
                    error!(%peer, what, "a connection's task panicked; its connection is closed");
                    served.core.counters.connections_panicked.add(1);
                    Poll::Ready(())
                })
            });
            ended.await;
            drop::<Place>(place);
        });
    }
}

/// What remains to be done once a connection is open.
///
/// A future of its own, so that what it takes to open one is free for as long as it lasts.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens a connection.
async fn begin(
    mut transport: Transport,
    peer: Peer,
    handshake: Handshake,
    served: Arc<Served>,
) -> Option<Serving> {
    if let Err(error) = transport.set_nodelay() {
        debug!(%peer, %error, "a connection was lost at once");
        return None;
    }
    transport.count_by(handshake.meter());
    let caller = Caller {
        peer,
        principal: served.gate.principal.clone(),
    };
    match served.gate.secure.clone() {
        None => enter(transport, None, caller, handshake, served).await,
        Some(secure) => {
            let (secured, caller, handshake) =
                Box::pin(pass(transport, secure.as_ref(), caller, handshake, &served)).await?;
            let Secured {
                stream,
                application,
                ..
            } = secured;
            enter(stream, application, caller, handshake, served).await
        }
    }
}

/// Makes a connection secure, and takes from whom it comes.
async fn pass(
    transport: Transport,
    secure: &dyn Secure,
    mut caller: Caller,
    mut handshake: Handshake,
    served: &Served,
) -> Option<(Secured, Caller, Handshake)> {
    let core = &served.core;
    let securing = secure.secure(transport, caller.peer);
    let secured = tokio::select! {
        secured = handshake.limit(securing) => secured,
        () = core.stop.cancelled() => return None,
    };
    let what = match secured {
        Ok(Ok(mut secured)) => {
            if let Some(principal) = secured.principal.take() {
                caller.principal = Some(principal);
            }
            return Some((secured, caller, handshake));
        }
        Ok(Err(error)) => {
            core.counters.tls_handshakes_failed.add(1);
            format!("the TLS handshake failed: {error}")
        }
        Err(cut) => cut.what().to_owned(),
    };
    core.fail("", caller.peer, &what);
    None
}

/// Finds out what a client speaks, and begins with that.
async fn enter<S>(
    stream: S,
    application: Option<Application>,
    mut caller: Caller,
    mut handshake: Handshake,
    served: Arc<Served>,
) -> Option<Serving>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let core = &served.core;
    let peer = caller.peer;
    let opening = open(stream, application, &mut caller, &served);
    let opened = tokio::select! {
        opened = handshake.limit(opening) => opened,
        () = core.stop.cancelled() => return None,
    };
    match opened.unwrap_or_else(|cut| Err(cut.what().to_owned())) {
        Ok(Opened::Mqtt(stream)) => {
            let (core, compat) = (Arc::clone(core), served.config.compat);
            let serving = connection::serve(stream, caller, compat, handshake, core);
            Some(Box::pin(serving))
        }
        Ok(Opened::WebSocket(stream)) => {
            let served = Arc::clone(&served);
            Some(Box::pin(serve_web_socket(
                stream, caller, handshake, served,
            )))
        }
        Ok(Opened::Http(stream)) => {
            let served = Arc::clone(&served);
            Some(Box::pin(serve_http(
                Box::new(stream),
                caller,
                handshake,
                served,
            )))
        }
        Err(what) => {
            core.fail("", peer, &what);
            None
        }
    }
}

async fn serve_web_socket<S>(
    mut stream: Box<WebSocket<S>>,
    caller: Caller,
    handshake: Handshake,
    served: Arc<Served>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Served { config, core, .. } = &*served;
    let (core, peer) = (Arc::clone(core), caller.peer);
    connection::serve(&mut *stream, caller, config.compat, handshake, core).await;
    if let Some(breach) = stream.breach() {
        served.core.fail("", peer, breach);
    }
    tokio::select! {
        () = stream.linger() => {}
        () = served.core.stop.cancelled() => {}
    }
}

/// Serves requests in HTTP for as long as a handshake may take.
async fn serve_http(
    stream: Box<dyn Stream>,
    caller: Caller,
    mut handshake: Handshake,
    served: Arc<Served>,
) {
    let Some(web) = &served.gate.web else { return };
    let peer = caller.peer;
    let serving = web.serve(stream, peer, caller.principal);
    let ended = tokio::select! {
        ended = handshake.limit(serving) => ended,
        () = served.core.stop.cancelled() => return,
    };
    if ended.is_err() {
        let what = "a request in HTTP did not end in time, or its place was needed";
        served.core.fail("", peer, what);
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("it did not say why")
}
