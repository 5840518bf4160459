//! The running gateway: builds all parts, hands back what is running, stops it.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use perennial_broker::{
    Bound, Broker, BrokerCounters, Gate, Hooks, ListenError,
    store::{Store, StoreConfig, StoreError},
};
use tracing::{error, info};

use crate::{
    admin::{Admin, AdminError, RunningAdmin, Subject},
    config::{Config, ConnectorConfig},
    delivery::{Connector, Delivery, StatusSink},
    ingest::{Ingest, StatusPublisher},
    operator::{Destinations, Operator},
};

/// A gateway that serves devices.
pub struct Gateway {
    admin: RunningAdmin,
    broker: Broker,
    delivery: Arc<Delivery>,
    store: Store,
}

impl Gateway {
    /// Opens the store, sends on what an earlier run left, and listens.
    ///
    /// # Errors
    /// The data directory, the store or an address cannot be had.
    pub async fn start(config: Config) -> Result<Gateway, StartError> {
        let Config {
            data_dir,
            // What this runs on was made by whoever called.
            worker_threads: _,
            listeners,
            admin,
            limits,
            store,
            connectors,
            rules,
        } = config;
        let store = open_store(data_dir.clone(), store).await?;
        let admin = Admin::listen(&data_dir, admin).await?;
        let connectors: Vec<_> = connectors.into_iter().map(connector).collect();
        let rules: Vec<_> = rules
            .into_iter()
            .map(|rule| (rule.filter, rule.connector))
            .collect();

        let ingest = Arc::new(Ingest::new(&connectors, &rules));
        let mut broker =
            Broker::open(limits, Arc::clone(&ingest) as Arc<dyn Hooks>, store.clone())?;
        let sink: Arc<dyn StatusSink> = Arc::new(StatusPublisher(broker.publisher()));
        let delivery = Arc::new(Delivery::start(
            store.clone(),
            connectors,
            Arc::clone(&sink),
        )?);
        ingest.open(&delivery, &sink);
        broker.start();
        for listener in listeners {
            if let Err(error) = broker.listen(listener, Gate::default()).await {
                // Those that listen already leave no files of sockets behind.
                broker.stop().await;
                return Err(error.into());
            }
        }
        let destinations: Arc<dyn Destinations> = Arc::clone(&delivery) as _;
        let admin = admin.serve(Subject {
            delivery: Arc::clone(&delivery),
            operator: Operator::new(store.clone(), destinations),
            broker: Box::new(broker.counting()),
        });
        Ok(Gateway {
            admin,
            broker,
            delivery,
            store,
        })
    }

    /// Where it listens, in the order of the configuration, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> &[Bound] {
        self.broker.bound()
    }

    /// Where metrics are served on TCP, if they are, with the port that was chosen.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.admin.address()
    }

    /// What the broker has counted.
    #[must_use]
    pub fn counters(&self) -> BrokerCounters {
        self.broker.counters()
    }

    /// Waits until the store fails, which only a restart mends; never, if all goes well.
    pub async fn failed(&self) {
        let mut durable = self.store.durable();
        while durable.changed().await.is_ok() {}
    }

    /// Says goodbye to clients, lets requests in flight end, keeps the rest, and closes the store.
    pub async fn stop(self) {
        self.admin.stop().await;
        self.broker.stop().await;
        self.delivery.stop().await;
        let store = self.store;
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(Ok(())) => info!("stopped; everything is kept"),
            Ok(Err(error)) => error!(%error, "the store did not close well"),
            Err(error) => error!(%error, "closing the store failed"),
        }
    }
}

fn connector(config: ConnectorConfig) -> Arc<Connector> {
    let ConnectorConfig {
        name,
        contract,
        upstream,
        delivery,
        ..
    } = config;
    Arc::new(Connector {
        name,
        contract,
        upstream,
        settings: delivery,
    })
}

/// Opening reads what a crash left, which can take the disk a while.
async fn open_store(data_dir: PathBuf, settings: StoreConfig) -> Result<Store, StartError> {
    let opening = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&data_dir).map_err(|source| StartError::DataDir {
            path: data_dir,
            source,
        })?;
        Ok(Store::open(settings)?)
    });
    opening.await.map_err(|error| StartError::Interrupted {
        source: error.into(),
    })?
}

/// What keeps a gateway from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address is taken or not ours.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address for metrics is taken or not ours.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The store was not opened to the end.
    #[error("opening the store was interrupted")]
    Interrupted {
        /// The cause.
        source: io::Error,
    },
}
