//! The upstreams, a folder each.

mod aws;
pub(crate) mod file;
pub(crate) mod firehose;
pub(crate) mod http;
pub(crate) mod iot_analytics;
pub(crate) mod kinesis;
pub(crate) mod s3;
pub(crate) mod sqs;
mod web;
