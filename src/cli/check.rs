//! `perennial check`: reads a configuration and starts nothing.

use std::path::Path;

use perennial::config::Config;

use super::{Failure, banner::Banner, print};

/// Says what the file at `path` defines, or everything that is wrong with it.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let defines = Banner::of(&config).defines(&config.listeners);
    print(&format!("{}: no errors\n{defines}", path.display()))
}
