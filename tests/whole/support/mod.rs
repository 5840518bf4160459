//! What the tests share: the processes around a test, and ways to wait.

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod bystander;
pub(crate) mod client;
pub(crate) mod dead_letters;
pub(crate) mod device;
pub(crate) mod firehose;
pub(crate) mod gateway;
pub(crate) mod hello;
pub(crate) mod javascript;
pub(crate) mod long;
pub(crate) mod memory;
pub(crate) mod mosquitto;
pub(crate) mod numbered;
pub(crate) mod properties;
pub(crate) mod python;
pub(crate) mod random;
pub(crate) mod records;
pub(crate) mod rumqttd;
pub(crate) mod signing;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod transcript;
pub(crate) mod version;
pub(crate) mod wait;
pub(crate) mod web_socket;
pub(crate) mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time of the tests that load the machine; hold it until the end of the test.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static HEAVY: Mutex<()> = Mutex::new(());
    HEAVY.lock().unwrap_or_else(PoisonError::into_inner)
}
