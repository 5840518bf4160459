//! `perennial check`: reads a configuration and starts nothing.

use std::path::Path;

use perennial::config::Config;
use perennial_broker::{Bound, ListenAddress};

use super::{Failure, banner::Banner, print};

/// Says what the file at `path` defines, or everything that is wrong with it.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let listeners = config.listeners.iter();
    let addresses = listeners.map(|listener| match &listener.address {
        ListenAddress::Tcp(address) => Bound::Tcp(*address),
        ListenAddress::Unix { path, .. } => Bound::Unix(path.clone()),
    });
    let addresses: Vec<_> = addresses.collect();
    let defines = Banner::of(&config).defines(&addresses, config.admin.address);
    print(&format!("{}: no errors\n{defines}", path.display()))
}
