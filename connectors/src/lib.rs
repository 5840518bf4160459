//! A connector is a contract times an upstream: what devices speak, and where batches go.
//!
//! The two tables below are all that knows which kinds exist. A new kind is one
//! folder and one line here.

mod chain;
mod channel;
mod contract;
mod contracts;
mod delivery_stream;
mod destination;
mod excerpt;
mod form;
mod json;
mod record_variables;
mod route;
mod settings;
mod template;
mod upstream;
mod upstreams;

pub use contract::{
    Accepted, AfterFailure, Contract, DeliverySettings, DuplicateIds, Publish, Rejection, Report,
    Status, WhenFull,
};
pub use settings::Settings;
pub use upstream::{
    Attempt, Batch, BatchLimits, FailureClass, Outcome, Record, RecordRef, SendError, Upstream,
};

/// Every contract that a configuration can name.
pub const CONTRACTS: &[ContractKind] = &[
    contracts::firehose::KIND,
    contracts::iot_analytics::KIND,
    contracts::plain::KIND,
];

/// Every upstream that a configuration can name.
pub const UPSTREAMS: &[UpstreamKind] = &[
    upstreams::file::KIND,
    upstreams::firehose::KIND,
    upstreams::http::KIND,
    upstreams::iot_analytics::KIND,
    upstreams::kinesis::KIND,
    upstreams::s3::KIND,
    upstreams::sqs::KIND,
];

/// The contract that a configuration calls `name`.
#[must_use]
pub fn contract(name: &str) -> Option<&'static ContractKind> {
    CONTRACTS.iter().find(|kind| kind.name == name)
}

/// The upstream that a configuration calls `name`.
#[must_use]
pub fn upstream(name: &str) -> Option<&'static UpstreamKind> {
    UPSTREAMS.iter().find(|kind| kind.name == name)
}

/// A contract that a configuration can name.
pub struct ContractKind {
    /// The name in the configuration.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Reads the parameters; `None` when an error was recorded.
    pub build: fn(&mut dyn Settings) -> Option<Box<dyn Contract>>,
}

/// An upstream that a configuration can name.
pub struct UpstreamKind {
    /// The name in the configuration.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The parameter with a template for the destination; `None` where records go to one
    /// place and as they are.
    route: Option<&'static str>,
    /// Reads the parameters of the kind alone; `None` when an error was recorded.
    build: fn(&mut dyn Settings) -> Option<Box<dyn Upstream>>,
}

impl UpstreamKind {
    /// Reads the parameters and connects nothing yet; `None` when an error was recorded.
    pub fn build(&self, settings: &mut dyn Settings) -> Option<Box<dyn Upstream>> {
        route::build(self, settings)
    }
}
