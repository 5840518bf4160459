//! Scripts for Node.js beside the tests.

use std::{env, path::Path, process::Command};

/// Runs `script` with what tests/run has installed from npm.
pub(crate) fn node(script: &str) -> Command {
    let Some(modules) = env::var_os("PERENNIAL_TEST_NODE_MODULES") else {
        panic!(
            "PERENNIAL_TEST_NODE_MODULES is not set: run the tests with tests/run, which \
             prepares it"
        );
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/javascript");
    let mut command = Command::new("node");
    command
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("NODE_PATH", modules)
        .arg(scripts.join(script));
    command
}
