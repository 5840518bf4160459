//! The connectors from outside: through the tables of kinds, as the gateway uses them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod behaviour;
mod file_upstream;
mod firehose_contract;
mod firehose_failures;
mod firehose_upstream;
mod plain_contract;
mod support;
