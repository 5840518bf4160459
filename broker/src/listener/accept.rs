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
    Listener, ListenerConfig,
    admission::{Admission, Place},
    handshakes::Handshake,
    open::{Opened, open},
    transport::Transport,
};
use crate::{connection, core::Core, peer::Peer, websocket::WebSocket};

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
    stream: Transport,
    peer: Peer,
    mut handshake: Handshake,
    served: Arc<Served>,
) -> Option<Serving> {
    if let Err(error) = stream.set_nodelay() {
        debug!(%peer, %error, "a connection was lost at once");
        return None;
    }
    let Served { config, core } = &*served;
    let max_packet_size = core.limits.max_packet_size;
    let opening = open(stream, config.protocol, &config.origins, max_packet_size);
    let opened = tokio::select! {
        opened = handshake.limit(opening) => opened,
        () = core.stop.cancelled() => return None,
    };
    let opened = opened.unwrap_or_else(|cut| Err(cut.what()));
    match opened {
        Ok(Opened::Mqtt(stream)) => {
            let core = Arc::clone(core);
            let serving = connection::serve(stream, peer, config.compat, handshake, core);
            Some(Box::pin(serving))
        }
        Ok(Opened::WebSocket(stream)) => {
            let serving = serve_web_socket(stream, peer, handshake, Arc::clone(&served));
            Some(Box::pin(serving))
        }
        Err(what) => {
            core.fail("", peer, what);
            None
        }
    }
}

async fn serve_web_socket<S>(
    mut stream: Box<WebSocket<S>>,
    peer: Peer,
    handshake: Handshake,
    served: Arc<Served>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Served { config, core } = &*served;
    let core = Arc::clone(core);
    connection::serve(&mut *stream, peer, config.compat, handshake, core).await;
    if let Some(breach) = stream.breach() {
        served.core.fail("", peer, breach);
    }
    tokio::select! {
        () = stream.linger() => {}
        () = served.core.stop.cancelled() => {}
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("it did not say why")
}
