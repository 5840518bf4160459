//! The upstreams, a folder each.

pub(crate) mod file;
pub(crate) mod firehose;
