//! The connectors from outside: through the tables of kinds, as the gateway uses them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod behaviour;
mod contract_answers;
mod file_upstream;
mod firehose_contract;
mod firehose_failures;
mod firehose_faults;
mod firehose_upstream;
mod http_upstream;
mod iot_analytics_contract;
mod iot_analytics_upstream;
mod iot_credentials;
mod kinesis_failures;
mod kinesis_upstream;
mod moto;
mod plain_contract;
mod proxy;
mod route;
mod s3_upstream;
mod sqs_failures;
mod sqs_upstream;
mod support;
mod v1_parameters;
