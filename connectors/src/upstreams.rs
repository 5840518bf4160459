//! The upstreams, a folder each.

mod aws;
pub(crate) mod file;
pub(crate) mod firehose;
