//! Listeners: where they are, what is spoken there and by whom.

use std::{net::SocketAddr, os::unix, path::PathBuf};

use perennial_broker::{Compat, ListenAddress, ListenerConfig, Origins, Protocol};
use perennial_connectors::Settings;

use super::{DEFAULT_LISTENER, section::Section};

const PROTOCOLS: [(&str, Protocol); 3] = [
    ("mqtt", Protocol::Mqtt),
    ("websocket", Protocol::WebSocket),
    ("any", Protocol::Any),
];

/// Reads every `[[listener]]`; without any there is the default one.
pub(super) fn read(root: &mut Section<'_>) -> Vec<ListenerConfig> {
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    for mut section in root.tables("listener") {
        if let Some(listener) = listener(&mut section) {
            refuse_another(&listeners, &listener.address, &mut section);
            listeners.push(listener);
        }
        section.finish();
    }
    if listeners.is_empty() {
        listeners.push(ListenerConfig::new(ListenAddress::Tcp(DEFAULT_LISTENER)));
    }
    listeners
}

fn listener(section: &mut Section<'_>) -> Option<ListenerConfig> {
    let address = address(section);
    let protocol = section.choice("protocol", &PROTOCOLS).unwrap_or_default();
    let mut compat = section.table("compat");
    let aws_iot = compat.boolean("aws_iot").unwrap_or_default();
    compat.finish();
    let origins = origins(section);
    if origins.is_some() && protocol == Protocol::Mqtt {
        let problem = "only web pages have an origin, and none speaks `protocol = \"mqtt\"`";
        section.refuse("origins", problem.to_owned());
    }
    Some(ListenerConfig {
        address: address?,
        protocol,
        compat: if aws_iot {
            Compat::AwsIot
        } else {
            Compat::None
        },
        origins: origins.unwrap_or_default(),
    })
}

/// An `address` or a `path`, with what belongs to each.
fn address(section: &mut Section<'_>) -> Option<ListenAddress> {
    let path = section.path("path");
    let mode = section.octal("mode", 0o777);
    let insecure = section.boolean("insecure");
    let what = format!("an IP address and a port, such as \"{DEFAULT_LISTENER}\"");
    let address: Option<SocketAddr> = section.parsed("address", what);

    let (is_tcp, is_unix) = (section.has("address"), section.has("path"));
    if is_tcp && is_unix {
        let problem = "there is an `address` too; each needs its own [[listener]]";
        section.refuse("path", problem.to_owned());
        return None;
    }
    if is_unix {
        if insecure.is_some() {
            let problem = "it means something with `address` only; who may connect to a path is \
                           said by its `mode`";
            section.refuse("insecure", problem.to_owned());
        }
        return unix_socket(section, path?, mode);
    }
    if mode.is_some() {
        let problem = "it means something with `path` only";
        section.refuse("mode", problem.to_owned());
    }
    section.missing("address", &format!("address = \"{DEFAULT_LISTENER}\""));
    let address = address?;
    if !address.ip().to_canonical().is_loopback() && insecure != Some(true) {
        let problem = format!(
            "{address} can be reached from other machines, and nothing authenticates who \
             connects; use a loopback address such as \"{DEFAULT_LISTENER}\", or say \
             `insecure = true` where everyone on the network may publish and subscribe"
        );
        section.refuse("address", problem);
    }
    Some(ListenAddress::Tcp(address))
}

fn unix_socket(
    section: &mut Section<'_>,
    path: PathBuf,
    mode: Option<u32>,
) -> Option<ListenAddress> {
    if let Err(error) = unix::net::SocketAddr::from_pathname(&path) {
        section.refuse(
            "path",
            format!("{} cannot be a Unix socket: {error}", path.display()),
        );
        return None;
    }
    let mut address = ListenAddress::unix(path);
    if let (ListenAddress::Unix { mode, .. }, Some(written)) = (&mut address, mode) {
        *mode = written;
    }
    Some(address)
}

/// Which pages may connect: origins as browsers send them, or `*` for all.
fn origins(section: &mut Section<'_>) -> Option<Origins> {
    let origins = section.texts("origins")?;
    if origins.iter().any(|origin| origin == "*") {
        return Some(Origins::Any);
    }
    for origin in &origins {
        let host = origin.split_once("://").map(|(_, host)| host);
        if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            let found = super::section::excerpt(origin);
            let problem = format!(
                "an origin is a scheme, a host and a port if it is not the scheme's, such as \
                 \"https://dashboard.example\", or \"*\" for all; found {found:?}"
            );
            section.refuse("origins", problem);
        }
    }
    Some(Origins::Listed(origins))
}

/// Two listeners cannot be in one place.
fn refuse_another(above: &[ListenerConfig], address: &ListenAddress, section: &mut Section<'_>) {
    let key = match address {
        // Port 0 is any free port, so it can be asked for more than once.
        ListenAddress::Tcp(address) if address.port() == 0 => return,
        ListenAddress::Tcp(_) => "address",
        ListenAddress::Unix { .. } => "path",
    };
    let is_same = |other: &ListenerConfig| other.address.to_string() == address.to_string();
    if above.iter().any(is_same) {
        section.refuse(
            key,
            format!("{address} has a listener above; one is enough"),
        );
    }
}
