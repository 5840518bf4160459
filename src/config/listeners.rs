//! Listeners: where they are, what is spoken there and by whom.

use std::{net::SocketAddr, os::unix, path::PathBuf};

use perennial_broker::{Compat, ListenAddress, ListenerConfig, Origins, Protocol};
use perennial_certs::{ClientCertificate, TlsSettings, TlsVersion};
use perennial_connectors::Settings;

use super::{DEFAULT_LISTENER, section::Section};

const PROTOCOLS: [(&str, Protocol); 3] = [
    ("mqtt", Protocol::Mqtt),
    ("websocket", Protocol::WebSocket),
    ("any", Protocol::Any),
];

const CLIENT_CERTIFICATES: [(&str, ClientCertificate); 3] = [
    ("required", ClientCertificate::Required),
    ("optional", ClientCertificate::Optional),
    ("none", ClientCertificate::None),
];

const TLS_VERSIONS: [(&str, TlsVersion); 2] =
    [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];

/// A listener, and who may do what there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerSettings {
    /// Where it is and what is spoken there.
    pub listener: ListenerConfig,
    /// What is asked for within TLS; without it everything passes in the clear.
    pub tls: Option<TlsSettings>,
    /// Whether it says that it serves clients on other machines that show nothing.
    pub is_insecure: bool,
    /// The policies of clients that show nothing; without them these may do everything.
    pub policies: Option<Vec<String>>,
}

impl ListenerSettings {
    /// A listener in the clear, for programs of this machine.
    fn plain(listener: ListenerConfig) -> ListenerSettings {
        ListenerSettings {
            listener,
            tls: None,
            is_insecure: false,
            policies: None,
        }
    }

    /// Whether a client may come in that shows nothing.
    #[must_use]
    pub fn takes_anonymous(&self) -> bool {
        self.tls.is_none() || self.is_insecure
    }
}

/// Reads every `[[listener]]`; without any there is the default one.
pub(super) fn read(root: &mut Section<'_>) -> Vec<ListenerSettings> {
    let has_access = root.has("access");
    let mut listeners: Vec<ListenerSettings> = Vec::new();
    for mut section in root.tables("listener") {
        if let Some(settings) = listener(&mut section, has_access) {
            refuse_another(&listeners, &settings.listener.address, &mut section);
            listeners.push(settings);
        }
        section.finish();
    }
    if listeners.is_empty() {
        let listener = ListenerConfig::new(ListenAddress::Tcp(DEFAULT_LISTENER));
        listeners.push(ListenerSettings::plain(listener));
    }
    listeners
}

fn listener(section: &mut Section<'_>, has_access: bool) -> Option<ListenerSettings> {
    let tls = tls(section, has_access);
    let insecure = section.boolean("insecure");
    let address = address(section, tls, insecure);
    let protocol = section.choice("protocol", &PROTOCOLS).unwrap_or_default();
    let mut compat = section.table("compat");
    let aws_iot = compat.boolean("aws_iot").unwrap_or_default();
    compat.finish();
    let origins = origins(section);
    if origins.is_some() && protocol == Protocol::Mqtt {
        let problem = "only web pages have an origin, and none speaks `protocol = \"mqtt\"`";
        section.refuse("origins", problem.to_owned());
    }
    let listener = address.map(|address| ListenerConfig {
        address,
        protocol,
        compat: if aws_iot {
            Compat::AwsIot
        } else {
            Compat::None
        },
        origins: origins.unwrap_or_default(),
    });
    let mut settings = ListenerSettings {
        tls,
        is_insecure: insecure == Some(true),
        ..ListenerSettings::plain(listener?)
    };
    settings.policies = policies(section, &settings, has_access);
    Some(settings)
}

/// What `[listener.tls]` asks for, if it is there.
fn tls(section: &mut Section<'_>, has_access: bool) -> Option<TlsSettings> {
    let is_there = section.has("tls");
    if is_there && !has_access {
        let problem = "it needs [access], where certificates come from; `perennial init` makes \
                       a folder with all that is needed";
        section.refuse("tls", problem.to_owned());
    }
    let mut tls = section.table("tls");
    let client_certificate = tls.choice("client_certificate", &CLIENT_CERTIFICATES);
    let min_version = tls.choice("min_version", &TLS_VERSIONS);
    tls.finish();
    is_there.then(|| TlsSettings {
        client_certificate: client_certificate.unwrap_or_default(),
        min_version: min_version.unwrap_or_default(),
    })
}

/// The policies of clients that show nothing, where there can be such clients.
fn policies(
    section: &mut Section<'_>,
    settings: &ListenerSettings,
    has_access: bool,
) -> Option<Vec<String>> {
    let policies = section.texts("policies")?;
    let problem = if !has_access {
        "it needs [access], where policies are"
    } else if !settings.takes_anonymous() {
        "they are for clients that show nothing, and none comes in here; the policies of others \
         belong to things, certificates, users and access keys"
    } else {
        return Some(policies);
    };
    section.refuse("policies", problem.to_owned());
    None
}

/// An `address` or a `path`, with what belongs to each.
fn address(
    section: &mut Section<'_>,
    tls: Option<TlsSettings>,
    insecure: Option<bool>,
) -> Option<ListenAddress> {
    let path = section.path("path");
    let mode = section.octal("mode", 0o777);
    let what = format!("an IP address and a port, such as \"{DEFAULT_LISTENER}\"");
    let address: Option<SocketAddr> = section.parsed("address", what);

    let (is_tcp, is_unix) = (section.has("address"), section.has("path"));
    if is_tcp && is_unix {
        let problem = "there is an `address` too; each needs its own [[listener]]";
        section.refuse("path", problem.to_owned());
        return None;
    }
    if is_unix {
        for (key, is_there, who) in [
            (
                "insecure",
                insecure.is_some(),
                "who may connect to a path is said by its `mode`",
            ),
            (
                "tls",
                tls.is_some(),
                "nothing on the way to a path can listen",
            ),
        ] {
            if is_there {
                let problem = format!("it means something with `address` only; {who}");
                section.refuse(key, problem);
            }
        }
        return unix_socket(section, path?, mode);
    }
    if mode.is_some() {
        let problem = "it means something with `path` only";
        section.refuse("mode", problem.to_owned());
    }
    section.missing("address", &format!("address = \"{DEFAULT_LISTENER}\""));
    let address = address?;
    let is_insecure = insecure == Some(true);
    match tls {
        Some(tls) if is_insecure && tls.client_certificate == ClientCertificate::Required => {
            let problem = "it lets clients in that show nothing, and means nothing where all show \
                           a certificate; leave it out, or say `client_certificate = \"optional\"`";
            section.refuse("insecure", problem.to_owned());
        }
        None if !address.ip().to_canonical().is_loopback() && !is_insecure => {
            let problem = format!(
                "{address} can be reached from other machines, and nothing authenticates who \
                 connects; use a loopback address such as \"{DEFAULT_LISTENER}\", add a \
                 [listener.tls] table, or say `insecure = true` where everyone on the network \
                 may publish and subscribe"
            );
            section.refuse("address", problem);
        }
        _ => {}
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
fn refuse_another(above: &[ListenerSettings], address: &ListenAddress, section: &mut Section<'_>) {
    let key = match address {
        // Port 0 is any free port, so it can be asked for more than once.
        ListenAddress::Tcp(address) if address.port() == 0 => return,
        ListenAddress::Tcp(_) => "address",
        ListenAddress::Unix { .. } => "path",
    };
    let is_same =
        |other: &ListenerSettings| other.listener.address.to_string() == address.to_string();
    if above.iter().any(is_same) {
        section.refuse(
            key,
            format!("{address} has a listener above; one is enough"),
        );
    }
}
