//! The doubles from outside: what they refuse, what they keep, and how they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod boto3;
mod chaos;
mod client;
mod credentials;
mod faults;
mod firehose;
mod iot_analytics;
mod signatures;
