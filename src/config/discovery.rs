//! `[discovery]`: what devices are told that ask where their core is.

use std::path::PathBuf;

use perennial_certs::{ServerName, ThingName};
use perennial_connectors::Settings;

use super::{
    access::needs_access,
    section::{Section, excerpt},
};

/// The most addresses that one core has; an answer must fit into the SDKs' buffers.
const MAX_ADDRESSES: usize = 20;

/// The most cores beside this one.
const MAX_CORES: usize = 10;

/// What devices are told that ask where their core is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DiscoveryConfig {
    /// The identifier of the group; without one it is derived from the authority.
    pub group: Option<String>,
    /// The name of this core's thing; without one it is the host name.
    pub core: Option<String>,
    /// Hosts and ports where MQTT is served; none means all own addresses.
    pub addresses: Vec<(String, u16)>,
    /// The other cores of the group.
    pub cores: Vec<CoreConfig>,
}

/// Another core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoreConfig {
    /// The name of its thing.
    pub name: String,
    /// Hosts and ports where it serves MQTT; at least one.
    pub addresses: Vec<(String, u16)>,
    /// A file with the certificates of the authorities that its own is issued by.
    pub authorities: PathBuf,
}

/// Reads `[discovery]`, if there is one; only things can be told anything, so it goes with
/// `[access]`.
pub(super) fn read(root: &mut Section<'_>) -> Option<DiscoveryConfig> {
    let is_there = root.has("discovery");
    needs_access(root, "discovery");
    let mut section = root.table("discovery");
    let discovery = DiscoveryConfig {
        group: group(&mut section),
        core: thing_name(&mut section, "core"),
        addresses: addresses(&mut section),
        cores: other_cores(&mut section),
    };
    section.finish();
    is_there.then_some(discovery)
}

/// Every `[[discovery.other_core]]`.
fn other_cores(section: &mut Section<'_>) -> Vec<CoreConfig> {
    let own = section.text_of("core").map(str::to_owned);
    let sections = section.tables("other_core");
    if sections.len() > MAX_CORES {
        let problem = format!("these are {}; {MAX_CORES} are the most", sections.len());
        section.refuse("other_core", problem);
    }
    let mut cores: Vec<CoreConfig> = Vec::new();
    for mut section in sections {
        if let Some(core) = other_core(&mut section) {
            let mut names = cores.iter().map(|core| &core.name).chain(&own);
            if names.any(|name| *name == core.name) {
                let problem = format!("there is a core {:?} above; a name is unique", core.name);
                section.refuse("name", problem);
            }
            cores.push(core);
        }
        section.finish();
    }
    cores
}

fn other_core(section: &mut Section<'_>) -> Option<CoreConfig> {
    let name = thing_name(section, "name");
    section.missing("name", "name = \"core-2\"");
    let addresses = addresses(section);
    section.missing("addresses", "addresses = [\"192.168.1.6:8883\"]");
    let authorities = section.path("authorities");
    section.missing("authorities", "authorities = \"/etc/perennial/core-2.pem\"");
    Some(CoreConfig {
        name: name?,
        addresses,
        authorities: authorities?,
    })
}

/// An identifier as Greengrass has them.
fn group(section: &mut Section<'_>) -> Option<String> {
    let group = section.text("group")?;
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte);
    if !(1..=128).contains(&group.len()) || !group.bytes().all(is_fine) {
        let found = excerpt(&group);
        let problem =
            format!("a group has 1 to 128 letters, digits, `:`, `_` and `-`, found {found:?}");
        section.refuse("group", problem);
    }
    Some(group)
}

fn thing_name(section: &mut Section<'_>, key: &str) -> Option<String> {
    let what = "the name of a thing: 1 to 128 letters, digits, `:`, `_` and `-`";
    let name: ThingName = section.parsed(key, what)?;
    Some(name.as_str().to_owned())
}

fn addresses(section: &mut Section<'_>) -> Vec<(String, u16)> {
    let texts = section.texts("addresses").unwrap_or_default();
    if section.has("addresses") && !(1..=MAX_ADDRESSES).contains(&texts.len()) {
        let problem = format!(
            "there are 1 to {MAX_ADDRESSES} of them, found {}",
            texts.len()
        );
        section.refuse("addresses", problem);
        return Vec::new();
    }
    let mut addresses = Vec::new();
    for text in texts {
        match address(&text) {
            Some(address) if addresses.contains(&address) => {
                section.refuse("addresses", format!("{text:?} is written twice"));
            }
            Some(address) => addresses.push(address),
            None => {
                let found = excerpt(&text);
                let problem = format!(
                    "an address is a host name or an IP address with a port, such as \
                     \"gateway.local:8883\" or \"[fd00::1]:8883\"; found {found:?}"
                );
                section.refuse("addresses", problem);
            }
        }
    }
    addresses
}

fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let within = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match (within.unwrap_or(host).parse().ok()?, within) {
        (ServerName::Ip(ip), Some(_)) if ip.is_ipv6() => ip.to_string(),
        (ServerName::Ip(ip), None) if ip.is_ipv4() => ip.to_string(),
        // A certificate may be for all names of a domain, but nobody finds them.
        (ServerName::Dns(name), None) if !name.starts_with('*') => name,
        _ => return None,
    };
    Some((host, port))
}
