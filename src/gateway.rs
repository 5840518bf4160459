//! The running gateway: builds all parts, hands back what is running, stops it.

use std::{
    fs::DirBuilder, io, net::SocketAddr, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc,
};

use perennial_broker::{
    Bound, Broker, BrokerCounters, Gate, Hooks, ListenError, Protocol, Web,
    store::{Store, StoreConfig, StoreError},
};
use tracing::{error, info, warn};

use crate::{
    access::{AccessError, Opened, Upkeep},
    admin::{Admin, AdminError, RunningAdmin, Subject, Watched},
    config::{Config, ConnectorConfig},
    delivery::{Connector, Delivery, StatusSink},
    ingest::{Ingest, StatusPublisher},
    open_files,
    operator::{Destinations, Operator},
    services::{AuthorityError, Discovery, Services},
};

/// A gateway that serves devices.
pub struct Gateway {
    /// Where there is an access directory.
    access: Option<Upkeep>,
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
            access,
            audit,
            discovery,
            admin,
            limits,
            store,
            connectors,
            rules,
        } = config;
        let limits = open_files::bound(limits);
        let store = open_store(data_dir.clone(), store).await?;
        let admin = Admin::listen(&data_dir, admin).await?;
        let connectors: Vec<_> = connectors.into_iter().map(connector).collect();
        let rules: Vec<_> = rules
            .into_iter()
            .map(|rule| (rule.filter, rule.connector))
            .collect();

        let ingest = Arc::new(Ingest::new(&connectors, &rules));
        let discovery = match (discovery, &access) {
            (Some(discovery), Some(access)) => Some(Discovery::new(discovery, access)?),
            _ => None,
        };
        let opened = match access {
            Some(access) => {
                let ingest = Arc::clone(&ingest);
                Some(Opened::open(access, audit, &listeners, ingest).await?)
            }
            None => None,
        };
        let hooks: Arc<dyn Hooks> = match &opened {
            Some(opened) => Arc::clone(opened.access()) as _,
            None => Arc::clone(&ingest) as _,
        };
        let connectors = connectors.into_iter().map(|(connector, _)| connector);
        let mut broker = Broker::open(limits, hooks, store.clone())?;
        let sink: Arc<dyn StatusSink> = Arc::new(StatusPublisher(broker.publisher()));
        let delivery = Arc::new(Delivery::start(
            store.clone(),
            connectors.collect(),
            Arc::clone(&sink),
        )?);
        ingest.open(&delivery, &sink);
        broker.start();
        let services = opened.as_ref().zip(discovery).map(|(opened, discovery)| {
            Arc::new(Services::new(Arc::clone(opened.access()), discovery))
        });
        let web = services.clone().map(|services| services as Arc<dyn Web>);
        for settings in listeners {
            if settings.is_insecure {
                let address = &settings.listener.address;
                warn!(%address, "insecure = true: clients on other machines need not show who they are");
            }
            let gate = match &opened {
                Some(opened) => opened.gate(&settings, web.as_ref()),
                None => Gate::default(),
            };
            let is_for_devices =
                settings.tls.is_some() && settings.listener.protocol != Protocol::WebSocket;
            match broker.listen(settings.listener, gate).await {
                Ok(bound) => {
                    let address = bound.tcp().filter(|_| is_for_devices);
                    if let (Some(services), Some(address)) = (&services, address) {
                        services.open(address);
                    }
                }
                Err(error) => {
                    // Those that listen already leave no files of sockets behind.
                    broker.stop().await;
                    if let Some(opened) = &opened {
                        opened.access().audit().stop().await;
                    }
                    return Err(error.into());
                }
            }
        }
        let destinations: Arc<dyn Destinations> = Arc::clone(&delivery) as _;
        let admin = admin.serve(Subject {
            delivery: Arc::clone(&delivery),
            operator: Operator::new(store.clone(), destinations),
            broker: Box::new(broker.counting()),
            access: opened.as_ref().map(|opened| Watched {
                figures: Arc::clone(opened.figures()),
                audit: Arc::clone(opened.access().audit()),
            }),
        });
        let access = opened.map(|opened| opened.keep(broker.rechecker()));
        Ok(Gateway {
            access,
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

    /// Reads the access directory again, if there is one.
    pub fn reload(&self) {
        match &self.access {
            Some(upkeep) => upkeep.reload(),
            None => info!("there is no access directory that could be read again"),
        }
    }

    /// Waits until the store fails, which only a restart mends; never, if all goes well.
    pub async fn failed(&self) {
        let mut durable = self.store.durable();
        while durable.changed().await.is_ok() {}
    }

    /// Says goodbye to clients, lets requests in flight end, keeps the rest, and closes the store.
    pub async fn stop(self) {
        self.admin.stop().await;
        if let Some(upkeep) = &self.access {
            upkeep.stop().await;
        }
        self.broker.stop().await;
        if let Some(upkeep) = &self.access {
            upkeep.access().audit().stop().await;
        }
        self.delivery.stop().await;
        let store = self.store;
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(Ok(())) => info!("stopped; everything is kept"),
            Ok(Err(error)) => error!(%error, "the store did not close well"),
            Err(error) => error!(%error, "closing the store failed"),
        }
    }
}

/// A connector, and the name of its contract in the table of kinds.
pub(crate) fn connector(config: ConnectorConfig) -> (Arc<Connector>, &'static str) {
    let ConnectorConfig {
        name,
        contract,
        contract_kind,
        upstream,
        delivery,
        ..
    } = config;
    let connector = Connector {
        name,
        contract,
        upstream,
        settings: delivery,
    };
    (Arc::new(connector), contract_kind)
}

/// Opening reads what a crash left, which can take the disk a while.
async fn open_store(data_dir: PathBuf, settings: StoreConfig) -> Result<Store, StartError> {
    let opening = tokio::task::spawn_blocking(move || {
        // What devices send is nobody's but the gateway's.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data_dir);
        made.map_err(|source| StartError::DataDir {
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
    /// The access directory is wrong.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// What discovery tells of other cores is not known.
    #[error(transparent)]
    Discovery(#[from] AuthorityError),
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
