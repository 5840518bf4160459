//! The contracts, a folder each.

mod common;
pub(crate) mod firehose;
pub(crate) mod iot_analytics;
mod parameters;
pub(crate) mod plain;
mod request;
