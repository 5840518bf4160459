//! The few lines about a gateway that a person reads first.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{self, PathBuf},
};

use perennial::config::{Config, ConnectorConfig, ListenerSettings};
use perennial_broker::{Bound, Protocol};

use super::things::joined;

/// What a configuration defines, for people.
pub(super) struct Banner {
    data_dir: PathBuf,
    /// Where identities come from, if there are any.
    access: Option<PathBuf>,
    /// What is spoken on each listener, and to whom.
    listeners: Vec<ListenerSettings>,
    has_discovery: bool,
    connectors: Vec<Row>,
    takes_firehose: bool,
}

/// A connector: its name, and what goes where.
struct Row {
    name: String,
    way: String,
}

impl Banner {
    pub(super) fn of(config: &Config) -> Self {
        let connectors = config.connectors.iter().enumerate();
        let access = config.access.as_ref();
        Self {
            data_dir: absolute(&config.data_dir),
            access: access.map(|access| absolute(&access.directory)),
            listeners: config.listeners.clone(),
            has_discovery: config.discovery.is_some(),
            connectors: connectors
                .map(|(index, connector)| Row {
                    name: connector.name.clone(),
                    way: format!("{} -> {}", filters(config, index), upstream(connector)),
                })
                .collect(),
            takes_firehose: takes_firehose(config),
        }
    }

    /// What is defined, a line each; the listeners are where they are configured or bound, and
    /// so are metrics where they are on TCP.
    pub(super) fn defines(&self, listeners: &[Bound], metrics: Option<SocketAddr>) -> String {
        let mut text = String::new();
        for (settings, bound) in self.speaking(Protocol::Mqtt, listeners) {
            let tls = if settings.tls.is_some() { "TLS " } else { "" };
            text += &format!("  listening  {tls}{bound}\n");
        }
        for (settings, bound) in self.speaking(Protocol::WebSocket, listeners) {
            let scheme = if settings.tls.is_some() { "wss" } else { "ws" };
            text += &match bound {
                Bound::Tcp(address) => format!("  websocket  {scheme}://{address}/mqtt\n"),
                Bound::Unix(path) => format!("  websocket  {}\n", path.display()),
            };
        }
        let discovery = self.speaking(Protocol::WebSocket, listeners);
        for (settings, bound) in discovery.filter(|_| self.has_discovery) {
            if settings.tls.is_some() {
                text += &format!("  discovery  https://{bound}/greengrass/discover/thing/NAME\n");
            }
        }
        if let Some(address) = metrics {
            text += &format!("  metrics    http://{address}/metrics\n");
        }
        text += &format!("  data       {}\n", self.data_dir.display());
        if let Some(access) = &self.access {
            text += &format!("  access     {}\n", access.display());
        }
        for Row { name, way } in &self.connectors {
            text += &format!("  connector  {name}: {way}\n");
        }
        if self.connectors.is_empty() {
            text += "  connector  none: messages pass between clients and go nowhere else\n";
        }
        text + &self.warnings(listeners)
    }

    /// Each listener that lets in who shows nothing, from wherever: the configuration says so,
    /// and whoever runs it may not know the configuration.
    fn warnings(&self, listeners: &[Bound]) -> String {
        let insecure = self.listeners.iter().zip(listeners);
        let insecure = insecure.filter(|(settings, _)| settings.is_insecure);
        let warning = |(settings, bound): (&ListenerSettings, &Bound)| {
            let what = match &settings.policies {
                None => "everything".to_owned(),
                Some(policies) => format!("what its policies allow ({})", joined(policies)),
            };
            format!("  insecure   {bound}: whoever reaches it may do {what}\n")
        };
        insecure.map(warning).collect()
    }

    /// What a gateway says that has started, with two commands to try.
    pub(super) fn running(&self, listeners: &[Bound], metrics: Option<SocketAddr>) -> String {
        let defines = self.defines(listeners, metrics);
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("perennial {version} is running\n{defines}");
        let mut plain = self.speaking(Protocol::Mqtt, listeners);
        let plain = plain.find(|(settings, _)| settings.tls.is_none());
        if let Some((_, listener)) = plain {
            let place = match listener {
                Bound::Tcp(address) => {
                    let (host, port) = (reachable(address.ip()), address.port());
                    format!("-h {host} -p {port}")
                }
                Bound::Unix(path) => format!("--unix {}", path.display()),
            };
            let (heard, said, message) = if self.takes_firehose {
                (
                    "kinesisfirehose/message/status",
                    "kinesisfirehose/message",
                    r#"{"id":"1","request":{"data":"hello"}}"#,
                )
            } else {
                ("greetings", "greetings", "hello")
            };
            text += &format!(
                "try it, the first command in a terminal of its own\n  \
                 mosquitto_sub {place} -t {heard}\n  \
                 mosquitto_pub {place} -q 1 -t {said} -m '{message}'\n"
            );
        }
        text
    }

    /// The listeners on which `protocol` is spoken, and where they are.
    fn speaking<'a>(
        &'a self,
        protocol: Protocol,
        listeners: &'a [Bound],
    ) -> impl Iterator<Item = (&'a ListenerSettings, &'a Bound)> {
        let all = self.listeners.iter().zip(listeners);
        all.filter(move |(settings, _)| {
            [protocol, Protocol::Any].contains(&settings.listener.protocol)
        })
    }
}

/// Whether devices of the V1 Firehose connector are served where they publish to.
fn takes_firehose(config: &Config) -> bool {
    config.rules.iter().any(|rule| {
        let kind = config.connectors[rule.connector].contract_kind;
        kind == "firehose" && rule.filter.as_str() == "kinesisfirehose/message"
    })
}

fn filters(config: &Config, connector: usize) -> String {
    let rules = config.rules.iter();
    let rules = rules.filter(|rule| rule.connector == connector);
    let filters: Vec<_> = rules.map(|rule| rule.filter.as_str()).collect();
    filters.join(", ")
}

fn upstream(connector: &ConnectorConfig) -> String {
    match &connector.upstream_path {
        Some(path) => format!("{} {}", connector.upstream_kind, absolute(path).display()),
        None => connector.upstream_kind.to_owned(),
    }
}

/// `path` without what hangs on the current directory; as it is where that is unknown.
fn absolute(path: &PathBuf) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.clone())
}

/// The address under which this machine reaches a listener.
fn reachable(listener: IpAddr) -> IpAddr {
    match listener {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use perennial::config::Source;

    use super::*;

    #[test]
    fn the_embedded_default_is_told_with_two_commands_to_try() {
        let config = Source::embedded()
            .with_data_dir(PathBuf::from("/data"))
            .read()
            .unwrap();
        let listening = Bound::Tcp("127.0.0.1:40000".parse().unwrap());
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"perennial {version} is running
  listening  127.0.0.1:40000
  websocket  ws://127.0.0.1:40000/mqtt
  data       /data
  connector  firehose: kinesisfirehose/message, kinesisfirehose/message/binary/# -> file /data/firehose
  connector  archive: sensors/# -> file /data/archive
try it, the first command in a terminal of its own
  mosquitto_sub -h 127.0.0.1 -p 40000 -t kinesisfirehose/message/status
  mosquitto_pub -h 127.0.0.1 -p 40000 -q 1 -t kinesisfirehose/message -m '{{"id":"1","request":{{"data":"hello"}}}}'
"#
        );
        assert_eq!(Banner::of(&config).running(&[listening], None), expected);
    }

    #[test]
    fn a_plain_broker_says_that_messages_go_nowhere_else() {
        let config = Source::text("empty.toml", "")
            .with_data_dir(PathBuf::from("/data"))
            .read()
            .unwrap();
        let listening = Bound::Tcp("[::]:1883".parse().unwrap());
        let told = Banner::of(&config).running(&[listening], None);
        assert!(
            told.contains("none: messages pass between clients"),
            "{told}"
        );
        assert!(
            told.contains("mosquitto_sub -h ::1 -p 1883 -t greetings\n"),
            "{told}"
        );
    }
    #[test]
    fn each_listener_is_told_under_what_is_spoken_there() {
        let text = r#"
            data_dir = "/data"
            [[listener]]
            path = "/run/mqtt.sock"
            protocol = "mqtt"
            [[listener]]
            address = "127.0.0.1:8080"
            protocol = "websocket"
        "#;
        let config = Source::text("two.toml", text).read().unwrap();
        let listeners = [
            Bound::Unix("/run/mqtt.sock".into()),
            Bound::Tcp("127.0.0.1:8080".parse().unwrap()),
        ];
        let told = Banner::of(&config).running(&listeners, None);
        let lines: Vec<_> = told.lines().skip(1).take(3).collect();
        let expected = [
            "  listening  /run/mqtt.sock",
            "  websocket  ws://127.0.0.1:8080/mqtt",
            "  data       /data",
        ];
        assert_eq!(lines, expected);
        assert!(
            told.contains("mosquitto_sub --unix /run/mqtt.sock -t"),
            "{told}"
        );
        // No command of mosquitto speaks WebSocket.
        let told = Banner::of(&config).running(&[], None);
        assert!(!told.contains("mosquitto"), "{told}");
    }

    #[test]
    fn identities_and_those_who_need_none_are_told() {
        let text = r#"
            data_dir = "/data"
            [access]
            directory = "/access"
            [discovery]
            [[listener]]
            address = "0.0.0.0:8883"
            protocol = "mqtt"
            tls = {}
            [[listener]]
            address = "0.0.0.0:443"
            insecure = true
            policies = ["guest"]
            tls = { client_certificate = "optional" }
            [[listener]]
            address = "0.0.0.0:1883"
            protocol = "mqtt"
            insecure = true
        "#;
        let config = Source::text("three.toml", text).read().unwrap();
        let bound = ["0.0.0.0:8883", "0.0.0.0:443", "0.0.0.0:1883"];
        let bound = bound.map(|address| Bound::Tcp(address.parse().unwrap()));
        let expected = "  listening  TLS 0.0.0.0:8883
  listening  TLS 0.0.0.0:443
  listening  0.0.0.0:1883
  websocket  wss://0.0.0.0:443/mqtt
  discovery  https://0.0.0.0:443/greengrass/discover/thing/NAME
  data       /data
  access     /access
  connector  none: messages pass between clients and go nowhere else
  insecure   0.0.0.0:443: whoever reaches it may do what its policies allow (guest)
  insecure   0.0.0.0:1883: whoever reaches it may do everything
";
        assert_eq!(Banner::of(&config).defines(&bound, None), expected);
        // A command to try goes where no certificate is asked for.
        let told = Banner::of(&config).running(&bound, None);
        assert!(
            told.contains("mosquitto_sub -h 127.0.0.1 -p 1883"),
            "{told}"
        );
    }

    #[test]
    fn metrics_are_told_where_they_are_on_tcp() {
        let config = Config::embedded();
        let metrics = "127.0.0.1:9464".parse().unwrap();
        let told = Banner::of(&config).defines(&[], Some(metrics));
        let line = "  metrics    http://127.0.0.1:9464/metrics\n";
        assert!(told.contains(line), "{told}");
        assert!(!Banner::of(&config).defines(&[], None).contains("metrics"));
    }
}
