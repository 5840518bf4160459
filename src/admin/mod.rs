//! What operators and their tools ask a running gateway: HTTP/1.1 on a socket of the data
//! directory, and metrics on TCP where the configuration says so.
//!
//! - The socket is there for the gateway's own user. It shows and changes everything.
//! - TCP shows counts and whether the gateway works; it changes nothing and shows no payload.
//! - Connections, their headers, their bodies and the time that they take are bounded.

mod access;
mod api;
mod client;
mod exposition;
mod metrics;
mod routes;
mod server;
mod socket;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use perennial_broker::BrokerCounters;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use self::{
    routes::{Door, Routes},
    server::{Listener, Server},
    socket::SocketFile,
};
use crate::{access::Figures, audit::Audit, delivery::Delivery, operator::Operator};

pub use self::{
    access::{Access, AccessError},
    api::DropRequest,
    client::ClientError,
};

/// Where metrics are served beside the socket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AdminConfig {
    /// An address for `/metrics` and `/health`; `None` serves them on the socket only.
    pub address: Option<SocketAddr>,
}

/// What is told of a gateway.
pub struct Subject {
    /// The lanes of the gateway.
    pub delivery: Arc<Delivery>,
    /// Does what is asked for.
    pub operator: Operator,
    /// What the broker has counted.
    pub broker: Box<dyn Fn() -> BrokerCounters + Send + Sync>,
    /// Who may do what, where that is decided.
    pub(crate) access: Option<Watched>,
}

/// What is told of who may do what.
pub(crate) struct Watched {
    pub(crate) figures: Arc<Figures>,
    pub(crate) audit: Arc<Audit>,
}

/// The listeners of the admin server, on which nobody is served yet.
pub struct Admin {
    socket: Option<(Listener, SocketFile)>,
    tcp: Option<(Listener, SocketAddr)>,
}

/// An admin server that serves.
pub struct RunningAdmin {
    address: Option<SocketAddr>,
    /// Goes with the server.
    _socket: Option<SocketFile>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Admin {
    /// Listens on the socket of `data_dir`, whose store the caller has open, and where `config`
    /// says.
    ///
    /// A folder that can have no socket costs the socket and nothing else: devices are served.
    ///
    /// # Errors
    /// The address of `config` cannot be had.
    pub async fn listen(data_dir: &Path, config: AdminConfig) -> Result<Self, AdminError> {
        let tcp = match config.address {
            None => None,
            Some(address) => {
                let failed = |source| AdminError { address, source };
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                Some((Listener::Tcp(listener), address))
            }
        };
        let socket = match socket::listen(data_dir) {
            Ok((listener, file)) => Some((Listener::Unix(listener), file)),
            Err(error) => {
                let path = socket_path(data_dir);
                error!(
                    path = %path.display(), %error,
                    "the admin socket cannot be had: `perennial queues` and `perennial dead-letters` \
                     do not reach this gateway"
                );
                None
            }
        };
        Ok(Self { socket, tcp })
    }

    /// Begins to serve what is known of `subject`.
    #[must_use]
    pub fn serve(self, subject: Subject) -> RunningAdmin {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let routes = Arc::new(Routes::new(subject));
        let serve = |listener, door| {
            let server = Server {
                listener,
                door,
                routes: Arc::clone(&routes),
                stop: stop.clone(),
            };
            tasks.spawn(server.run());
        };
        let mut running = RunningAdmin {
            address: None,
            _socket: None,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        if let Some((listener, file)) = self.socket {
            serve(listener, Door::Socket);
            running._socket = Some(file);
        }
        if let Some((listener, address)) = self.tcp {
            serve(listener, Door::Network);
            running.address = Some(address);
        }
        running
    }
}

impl RunningAdmin {
    /// Where metrics are served on TCP, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Closes all connections; what was begun for one is done in part and never by half.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The socket of the gateway whose data is in `data_dir`.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// An address of the admin server cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}")]
pub struct AdminError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}
