//! `perennial check`: reads a configuration, with the access directory that it names, and starts
//! nothing.

use std::path::Path;

use perennial::{access, config::Config};
use perennial_broker::{Bound, ListenAddress};

use super::{Failure, banner::Banner, print};

/// Says what the file at `path` defines, or everything that is wrong with it or, when it is
/// right, with the access directory.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    if let Some(access) = &config.access {
        access::check(access, &config.listeners)?;
    }
    let listeners = config.listeners.iter();
    let addresses = listeners.map(|settings| match &settings.listener.address {
        ListenAddress::Tcp(address) => Bound::Tcp(*address),
        ListenAddress::Unix { path, .. } => Bound::Unix(path.clone()),
    });
    let addresses: Vec<_> = addresses.collect();
    let defines = Banner::of(&config).defines(&addresses, config.admin.address);
    print(&format!("{}: no errors\n{defines}", path.display()))
}
