//! The configuration: a TOML file in, what each part needs out.
//!
//! - One reading reports every problem with its line and column, before anything binds.
//! - What comes out is typed and complete: no reader of it checks anything again.
//! - A relative `data_dir` begins in the current directory, as for every command that
//!   is started from a shell; relative paths in parameters begin in `data_dir`.

mod access;
mod admin;
mod audit;
mod connectors;
mod discovery;
mod limits;
mod listeners;
mod problems;
mod read;
mod rules;
mod section;
mod source;
mod values;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use perennial_broker::{Limits, store::StoreConfig};
use perennial_connectors::{Contract, Upstream};
use perennial_rules::TopicFilter;

use crate::{admin::AdminConfig, delivery::ConnectorSettings};

pub use access::{AccessConfig, Model};
pub use audit::AuditConfig;
pub use discovery::{CoreConfig, DiscoveryConfig};
pub use listeners::ListenerSettings;
pub use problems::{ConfigErrors, Place, Problem};
pub use source::Source;

/// Where devices find MQTT when the configuration does not say.
const DEFAULT_LISTENER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

/// Where the gateway writes when the configuration does not say.
const DEFAULT_DATA_DIR: &str = "./perennial-data";

/// Everything that a gateway is told.
#[derive(Debug)]
pub struct Config {
    /// Everything that the gateway writes is in here.
    pub data_dir: PathBuf,
    /// Threads that serve connections; without a number as many as there are cores.
    pub worker_threads: Option<usize>,
    /// Where devices are served; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// Where identities come from; without it everybody may do everything.
    pub access: Option<AccessConfig>,
    /// Where refusals are written down.
    pub audit: AuditConfig,
    /// What devices are told that ask where their core is, if they are told anything.
    pub discovery: Option<DiscoveryConfig>,
    /// Where metrics are served on the network.
    pub admin: AdminConfig,
    /// What one client, or all of them, may use.
    pub limits: Limits,
    /// How messages are kept.
    pub store: StoreConfig,
    /// The connectors, in the order of the file; none makes a plain broker.
    pub connectors: Vec<ConnectorConfig>,
    /// Which publishes go to which connector; every connector has at least one.
    pub rules: Vec<RuleConfig>,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Source::file(path)?.read()
    }

    /// What runs without a file: see [`Source::embedded`].
    ///
    /// # Panics
    /// Never: the text is a part of the program and a test reads it.
    #[must_use]
    pub fn embedded() -> Self {
        match Source::embedded().read() {
            Ok(config) => config,
            Err(errors) => unreachable!("{errors}"),
        }
    }
}

/// A contract in front of an upstream, and how its records are delivered.
pub struct ConnectorConfig {
    /// The name: unique, 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// The contract's name in the table of kinds.
    pub contract_kind: &'static str,
    /// What devices speak.
    pub contract: Box<dyn Contract>,
    /// The upstream's name in the table of kinds.
    pub upstream_kind: &'static str,
    /// Where batches go.
    pub upstream: Box<dyn Upstream>,
    /// Where the upstream writes, if it writes to this machine.
    pub upstream_path: Option<PathBuf>,
    /// How records are queued and sent.
    pub delivery: ConnectorSettings,
}

impl fmt::Debug for ConnectorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorConfig")
            .field("name", &self.name)
            .field("contract", &self.contract_kind)
            .field("upstream", &self.upstream_kind)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// Publishes that match `filter` go to a connector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleConfig {
    /// Which topics; without a share group.
    pub filter: TopicFilter,
    /// Which connector, as an index into [`Config::connectors`].
    pub connector: usize,
}
