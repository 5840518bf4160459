//! `[admin]`: where metrics are served on the network.

use std::net::SocketAddr;

use perennial_connectors::Settings;

use super::section::Section;
use crate::admin::AdminConfig;

const EXAMPLE: &str = "127.0.0.1:9464";

/// Reads `[admin]`; without an address metrics are on the socket of the data directory only.
pub(super) fn read(mut section: Section<'_>) -> AdminConfig {
    let what = format!("an IP address and a port, such as \"{EXAMPLE}\"");
    let address: Option<SocketAddr> = section.parsed("address", what);
    let insecure = section.boolean("insecure");
    if let Some(address) = address
        && !address.ip().to_canonical().is_loopback()
        && insecure != Some(true)
    {
        let problem = format!(
            "{address} can be reached from other machines, and nothing authenticates who asks; \
             use a loopback address such as \"{EXAMPLE}\", or say `insecure = true` where \
             everyone on the network may read the metrics"
        );
        section.refuse("address", problem);
    }
    section.finish();
    AdminConfig { address }
}
