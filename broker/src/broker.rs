//! The broker: what all connections share, its listeners, and its life.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use perennial_rules::TopicName;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinError, JoinSet},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

use crate::{
    codec::QoS,
    compat::Compat,
    connection,
    core::Core,
    counters::BrokerCounters,
    hooks::Hooks,
    housekeeper,
    inbound::publish_internal,
    limits::Limits,
    store::{Store, StoreError},
};

/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An MQTT server.
pub struct Broker {
    core: Arc<Core>,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    addresses: Vec<SocketAddr>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Broker {
    /// A broker that serves nobody yet, with the sessions and retained messages that `store`
    /// holds; this reads from the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(limits: Limits, hooks: Arc<dyn Hooks>, store: Store) -> Result<Broker, StoreError> {
        Ok(Broker {
            places: Arc::new(Semaphore::new(limits.max_connections)),
            core: Arc::new(Core::open(limits, hooks, store)?),
            addresses: Vec::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Begins with what has to be done without a client: wills, sessions and messages whose
    /// time has come. Call it once, when hooks are ready.
    pub fn start(&self) {
        self.tasks
            .spawn(housekeeper::run(Arc::clone(&self.core), self.stop.clone()));
    }

    /// Publishes on behalf of the gateway.
    pub fn publisher(&self) -> Publisher {
        Publisher {
            core: Arc::clone(&self.core),
        }
    }

    /// Serves MQTT over TCP on `address`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(&mut self, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        self.addresses.push(bound);
        self.tasks.spawn(accept(
            listener,
            Arc::clone(&self.core),
            Arc::clone(&self.places),
            self.stop.clone(),
        ));
        Ok(bound)
    }

    /// The addresses that it listens on, in the order of the calls.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What was counted since the start.
    pub fn counters(&self) -> BrokerCounters {
        self.core.snapshot()
    }

    /// Accepts nobody, says goodbye to everybody, and waits until they have left.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Publishes messages that no client sent.
#[derive(Clone)]
pub struct Publisher {
    core: Arc<Core>,
}

impl Publisher {
    /// Publishes to whoever is subscribed; never waits.
    ///
    /// # Errors
    /// A subscriber's mailbox is full and the store takes nothing.
    pub fn publish(&self, topic: TopicName, payload: &[u8], qos: QoS) -> Result<(), StoreError> {
        publish_internal(topic, payload, qos, &self.core)
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

/// Accepts connections until the broker stops, then waits until they have ended.
async fn accept(
    listener: TcpListener,
    core: Arc<Core>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => admit(stream, address, &core, &places, &stop, &mut connections),
                Err(error) => {
                    // Out of file descriptors, or the peer was gone first: the next one may do.
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => log_panic(ended),
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Serves a connection in a task of its own, if it is not one too many.
fn admit(
    stream: TcpStream,
    address: SocketAddr,
    core: &Arc<Core>,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        core.fail(
            "",
            address.into(),
            "as many connections are open as the configuration allows",
        );
        return;
    };
    // Acknowledgements are small and should not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        warn!(%address, %error, "a connection was lost at once");
        return;
    }
    let (core, stop) = (Arc::clone(core), stop.clone());
    connections.spawn(async move {
        connection::serve(stream, address.into(), Compat::None, core, stop).await;
        drop(place);
    });
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(failure) = ended
        && failure.is_panic()
    {
        error!("a connection's task panicked; its connection was closed");
    }
}
