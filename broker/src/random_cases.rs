//! What tests with random clients have in common.

use std::{env, future::Future};

use proptest::test_runner::Config;

use crate::codec::Version;

/// A message that a client publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) topic: usize,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) is_empty: bool,
}

/// Even clients speak MQTT 3.1.1, odd ones MQTT 5.
pub(crate) fn version(client: usize) -> Version {
    match client % 2 {
        0 => Version::V311,
        _ => Version::V5,
    }
}

/// As many cases as the environment's `variable` says, or else `ordinarily` so many.
pub(crate) fn config(variable: &str, ordinarily: u32) -> Config {
    let asked = env::var(variable).ok();
    let cases = asked.map_or(ordinarily, |asked| {
        asked.parse().expect("it is a number of cases")
    });
    Config {
        cases,
        // The steps themselves are printed.
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    }
}

/// Runs a case to its end.
pub(crate) fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(case);
}
