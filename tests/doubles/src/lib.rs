//! Doubles of the services that Perennial sends to, for its tests.
//!
//! A double listens on a port of 127.0.0.1 that the system chooses, refuses what the
//! service would refuse, remembers what it took, and fails on request.

mod firehose;

pub use firehose::{Answer, FirehoseDouble, Operation, Request};
