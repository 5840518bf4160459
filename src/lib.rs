//! Perennial: a local MQTT gateway in one binary.
//!
//! The binary parses arguments and calls this library, and so do the tests: [`gateway::Gateway`]
//! is the whole process but its signals.

pub mod access;
pub mod addresses;
pub mod admin;
mod audit;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod gateway;
mod ingest;
mod open_files;
pub mod operator;
pub mod record;
mod reminder;
pub mod services;
mod tls;
