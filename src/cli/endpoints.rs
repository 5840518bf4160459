//! Where devices find a gateway: its names and addresses, with the ports of its TLS listeners.

use std::net::SocketAddr;

use perennial::config::ListenerSettings;
use perennial_broker::{ListenAddress, Protocol};
use perennial_certs::ServerName;

/// Hosts with ports, best first.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Endpoints {
    /// Where MQTT is served.
    pub(super) mqtt: Vec<(String, u16)>,
    /// Where HTTPS is served: WebSocket and discovery.
    pub(super) https: Vec<(String, u16)>,
}

impl Endpoints {
    /// What is served at `listeners` of a machine that has all of `names`.
    pub(super) fn of(listeners: &[ListenerSettings], names: &[ServerName]) -> Self {
        let mut endpoints = Self::default();
        for settings in listeners.iter().filter(|settings| settings.tls.is_some()) {
            let ListenAddress::Tcp(address) = settings.listener.address else {
                continue;
            };
            let hosts = hosts(address, names);
            if settings.listener.protocol != Protocol::WebSocket {
                endpoints.mqtt.extend(hosts.clone());
            }
            if settings.listener.protocol != Protocol::Mqtt {
                endpoints.https.extend(hosts);
            }
        }
        endpoints
    }
}

/// What a client can call a listener: one on all addresses by every name, another one by its own
/// address and by names of hosts, which may well mean it.
fn hosts(address: SocketAddr, names: &[ServerName]) -> Vec<(String, u16)> {
    let ip = address.ip().to_canonical();
    let means = |name: &&ServerName| match name {
        ServerName::Dns(name) => (name == "localhost") == ip.is_loopback(),
        ServerName::Ip(other) if ip.is_unspecified() => {
            !other.is_loopback() && (ip.is_ipv6() || other.is_ipv4())
        }
        ServerName::Ip(other) => *other == ip,
    };
    let mut hosts: Vec<_> = names
        .iter()
        .filter(means)
        .map(|name| (host(name), address.port()))
        .collect();
    if !ip.is_unspecified() {
        hosts.push((ip.to_string(), address.port()));
    }
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

fn host(name: &ServerName) -> String {
    match name {
        ServerName::Dns(name) => name.clone(),
        ServerName::Ip(ip) => ip.to_string(),
    }
}

/// A host with a port, as text.
pub(super) fn with_port((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use perennial::config::Source;

    use super::*;

    fn endpoints(listeners: &str) -> Endpoints {
        let text = format!("[access]\ndirectory = \"/a\"\n{listeners}");
        let config = Source::text("p.toml", text).read().unwrap();
        let names = [
            ServerName::Dns("gateway.local".to_owned()),
            ServerName::Dns("localhost".to_owned()),
            ServerName::Ip("192.168.1.5".parse().unwrap()),
            ServerName::Ip("127.0.0.1".parse().unwrap()),
            ServerName::Ip("fd00::5".parse().unwrap()),
        ];
        Endpoints::of(&config.listeners, &names)
    }

    fn texts(endpoints: &[(String, u16)]) -> Vec<String> {
        endpoints.iter().map(with_port).collect()
    }

    #[test]
    fn devices_find_each_service_at_every_name_of_the_machine() {
        let found = endpoints(
            r#"
[[listener]]
address = "0.0.0.0:8883"
protocol = "mqtt"
tls = {}
[[listener]]
address = "[::]:8443"
protocol = "websocket"
tls = {}
[[listener]]
address = "127.0.0.1:1883"
"#,
        );
        assert_eq!(
            texts(&found.mqtt),
            ["gateway.local:8883", "192.168.1.5:8883"]
        );
        assert_eq!(
            texts(&found.https),
            ["gateway.local:8443", "192.168.1.5:8443", "[fd00::5]:8443"]
        );
    }

    #[test]
    fn a_listener_on_one_address_is_found_there() {
        let found = endpoints("[[listener]]\naddress = \"10.0.0.9:443\"\ntls = {}\n");
        assert_eq!(texts(&found.mqtt), ["gateway.local:443", "10.0.0.9:443"]);
        assert_eq!(found.mqtt, found.https);
        let found = endpoints("[[listener]]\naddress = \"127.0.0.1:443\"\ntls = {}\n");
        assert_eq!(texts(&found.mqtt), ["localhost:443", "127.0.0.1:443"]);
    }
}
