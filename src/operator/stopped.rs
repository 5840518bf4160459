//! The store of a gateway that does not run.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use perennial_broker::store::{QueueKind, QueueLimits, Store, StoreConfig, StoreError, WhenFull};

use crate::{
    config::ConnectorConfig,
    delivery::operator::queue_name,
    operator::{Destinations, NoWay, Operator, Target, Terms, walk::off_thread},
};

/// Opens the store of a gateway that does not run, for an operator; it is closed with it.
///
/// Records that are sent again wait in their queues for the next start. With `connectors` they
/// keep to these connectors' limits; without any, there are none but what the store holds.
///
/// # Errors
/// There is no store, or it cannot be opened: another process has it, or permission is missing.
pub async fn open_stopped(
    config: StoreConfig,
    connectors: Option<Vec<ConnectorConfig>>,
) -> Result<Operator, OpenError> {
    let opening = off_thread(move || {
        if !config.path.is_dir() {
            return Err(OpenError::Missing { path: config.path });
        }
        Ok(Store::open(config)?)
    });
    let store = opening.await??;
    let connectors = connectors.map(|connectors| {
        let named = connectors.into_iter();
        named.map(|own| (own.name.clone(), own)).collect()
    });
    let destinations = Arc::new(Stopped {
        store: store.clone(),
        connectors,
    });
    Ok(Operator::new(store, destinations))
}

/// Why the store of a stopped gateway was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no store in {}, so no gateway has run with this data directory", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The queues that a gateway finds when it starts.
struct Stopped {
    store: Store,
    /// `None` when there is no configuration.
    connectors: Option<HashMap<String, ConnectorConfig>>,
}

impl Destinations for Stopped {
    fn find(&self, connector: &str, destination: &str) -> Result<Target, NoWay> {
        let terms = match &self.connectors {
            None => Terms::NONE,
            Some(connectors) => {
                let Some(own) = connectors.get(connector) else {
                    let problem = format!("no connector {connector:?} is configured");
                    return Err(NoWay::Never(problem));
                };
                own.upstream.check(destination).map_err(NoWay::Never)?;
                Terms::of(&*own.contract, &own.delivery)
            }
        };
        // The next start gives the queue its limits.
        let unlimited = QueueLimits {
            records: u64::MAX,
            bytes: u64::MAX,
            when_full: WhenFull::Refuse,
        };
        let name = queue_name(connector, destination);
        let queue = self.store.queue(&name, QueueKind::Durable, unlimited);
        Ok(Target {
            queue: queue.map_err(|error| NoWay::NotNow(error.to_string()))?,
            lane: None,
            terms,
        })
    }
}
