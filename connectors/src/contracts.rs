//! The contracts, a folder each.

mod common;
pub(crate) mod firehose;
pub(crate) mod plain;
