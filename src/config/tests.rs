//! Configurations as people write them: what becomes of the right ones, and exactly what
//! is said about the wrong ones.

mod access;
mod admin;
mod connectors;
mod discovery;
mod listeners;
mod values;

use std::time::Duration;

use perennial_broker::{
    Compat, ListenAddress, ListenerConfig, Origins, Protocol, QueueFullPolicy, store::Durability,
};

use super::*;
use crate::delivery::{MaxRate, Retry};

/// What is said about `text`, a line per problem.
fn problems(text: &str) -> String {
    match Source::text("p.toml", text).read() {
        Ok(config) => panic!("nothing is said about {config:?}"),
        Err(errors) => errors.to_string(),
    }
}

fn read(text: &str) -> Config {
    Source::text("p.toml", text).read().unwrap()
}

/// A listener in the clear that nothing else is said about.
fn plain(listener: ListenerConfig) -> ListenerSettings {
    ListenerSettings {
        listener,
        tls: None,
        is_insecure: false,
        policies: None,
    }
}

/// A listener with nothing but an address.
fn tcp(address: impl Into<SocketAddr>) -> ListenerConfig {
    ListenerConfig::new(ListenAddress::Tcp(address.into()))
}

/// Two connectors that nothing is wrong with, in 17 lines.
const CONNECTORS: &str = r#"
[[connector]]
name = "firehose"
contract = "firehose"
upstream = "firehose"
[connector.parameters]
default_delivery_stream_arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/a"

[[connector]]
name = "archive"
contract = "plain"
upstream = "file"
[connector.parameters]
destination = "archive"
[connector.upstream_parameters]
path = "archive"

"#;

/// What the second of them needs.
const ARCHIVE_RULE: &str = "[[rule]]\nfilter = \"a/#\"\nconnector = \"archive\"\n";

#[test]
fn the_embedded_default_serves_firehose_and_a_rule_on_this_machine_only() {
    let config = Config::embedded();
    assert_eq!(config.listeners, [plain(tcp(DEFAULT_LISTENER))]);
    assert_eq!(config.data_dir, Path::new("./perennial-data"));
    let kinds = |connector: &ConnectorConfig| {
        let (contract, upstream) = (connector.contract_kind, connector.upstream_kind);
        (connector.name.clone(), contract, upstream)
    };
    let connectors: Vec<_> = config.connectors.iter().map(kinds).collect();
    let firehose = ("firehose".to_owned(), "firehose", "file");
    assert_eq!(
        connectors,
        [firehose, ("archive".to_owned(), "plain", "file")]
    );
    assert_eq!(
        rules(&config),
        [
            ("sensors/#", "archive"),
            ("kinesisfirehose/message", "firehose"),
            ("kinesisfirehose/message/binary/#", "firehose"),
        ]
    );
}

/// Which filter goes to which connector.
fn rules(config: &Config) -> Vec<(&str, &str)> {
    let connector = |rule: &RuleConfig| config.connectors[rule.connector].name.as_str();
    let rules = config.rules.iter();
    rules
        .map(|rule| (rule.filter.as_str(), connector(rule)))
        .collect()
}

#[test]
fn an_empty_file_is_a_plain_broker_with_every_default() {
    let config = read("");
    assert_eq!(config.data_dir, Path::new("./perennial-data"));
    assert_eq!(config.listeners, [plain(tcp(DEFAULT_LISTENER))]);
    assert_eq!(config.worker_threads, None);
    assert_eq!(config.limits, Limits::default());
    let store = StoreConfig {
        path: PathBuf::from("./perennial-data/store"),
        durability: Durability::Sync,
        memory: StoreConfig::MEMORY,
    };
    assert_eq!(config.store, store);
    assert!(config.connectors.is_empty() && config.rules.is_empty());
    assert_eq!((config.access, config.discovery), (None, None));
    let audit = AuditConfig {
        path: PathBuf::from("./perennial-data/audit.jsonl"),
        max_size: 10 << 20,
        files: 3,
    };
    assert_eq!(config.audit, audit);
}

#[test]
fn every_value_arrives_where_it_belongs() {
    let config = read(
        r#"
data_dir = "/var/lib/perennial"
worker_threads = 3
[[listener]]
address = "127.0.0.1:0"
protocol = "mqtt"
[[listener]]
address = "[::]:1883"
insecure = true
protocol = "websocket"
origins = ["https://dashboard.example", "http://192.0.2.1:8080"]
compat = { aws_iot = true }
[[listener]]
path = "run/mqtt.sock"
mode = 0o660
origins = ["*"]
compat.aws_iot = false
[limits]
max_connections = 11
max_connections_per_address = 12
connect_rate = 13
max_handshakes = 14
connect_timeout = 0.5
max_packet_size = "2MiB"
max_topic_length = 15
max_topic_levels = 16
max_topic_aliases = 17
max_keep_alive = "17s 1ms"
max_subscriptions_per_client = 19
max_publish_rate = 20
receive_maximum = 21
max_inflight = 22
mailbox_messages = 23
mailbox_bytes = 70_000
mailbox_bytes_total = "24MiB"
session_queue_messages = 25
session_queue_bytes = 100_000
session_queue_full = "refuse"
max_sessions = 26
max_session_expiry = "27h"
max_retained_messages = 28
max_retained_bytes = "29KiB"
sys_interval = 30
[store]
durability = "interval"
sync_interval = "250ms"
memory = "16 MiB"
[[connector]]
name = "a-B_9"
contract = "plain"
upstream = "file"
parameters = { destination = "d", publish_interval = 0 }
upstream_parameters = { path = "out" }
in_flight = 2
fresh_share = 0.25
max_records_per_second = 1_000
max_bytes_per_second = "64KiB"
max_age = "7d"
max_destinations = 7
dead_letter_records = 0
dead_letter_bytes = "1KiB"
queue_bytes = "2GB"
retry = { initial = 1, max = "1m" }
[[rule]]
filter = "a/+"
connector = "a-B_9"
"#,
    );
    assert_eq!(config.worker_threads, Some(3));
    let [first, web, local] = &config.listeners[..] else {
        panic!("{:?}", config.listeners);
    };
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let expected = ListenerConfig {
        protocol: Protocol::Mqtt,
        ..tcp(address)
    };
    assert_eq!(first, &plain(expected));
    let address: SocketAddr = "[::]:1883".parse().unwrap();
    let origins = ["https://dashboard.example", "http://192.0.2.1:8080"];
    let expected = ListenerConfig {
        protocol: Protocol::WebSocket,
        compat: Compat::AwsIot,
        origins: Origins::Listed(origins.map(str::to_owned).into()),
        ..tcp(address)
    };
    let expected = ListenerSettings {
        is_insecure: true,
        ..plain(expected)
    };
    assert_eq!(web, &expected);
    let path = PathBuf::from("/var/lib/perennial/run/mqtt.sock");
    let expected = ListenerConfig {
        origins: Origins::Any,
        ..ListenerConfig::new(ListenAddress::Unix { path, mode: 0o660 })
    };
    assert_eq!(local, &plain(expected));
    assert_eq!(
        config.limits,
        Limits {
            max_connections: 11,
            max_connections_per_address: 12,
            connect_rate: 13,
            max_handshakes: 14,
            connect_timeout: Duration::from_millis(500),
            max_packet_size: 2 << 20,
            max_topic_length: 15,
            max_topic_levels: 16,
            max_topic_aliases: 17,
            max_keep_alive: 18,
            max_subscriptions: 19,
            max_publish_rate: 20,
            receive_maximum: 21,
            max_inflight: 22,
            mailbox_messages: 23,
            mailbox_bytes: 70_000,
            mailbox_bytes_total: 24 << 20,
            session_queue_messages: 25,
            session_queue_bytes: 100_000,
            session_queue_full: QueueFullPolicy::Refuse,
            max_sessions: 26,
            max_session_expiry: Duration::from_secs(27 * 3_600),
            max_retained_messages: 28,
            max_retained_bytes: 29 << 10,
            sys_interval: Duration::from_secs(30),
        }
    );
    assert_eq!(
        config.store,
        StoreConfig {
            path: PathBuf::from("/var/lib/perennial/store"),
            durability: Durability::Interval(Duration::from_millis(250)),
            memory: 16 << 20,
        }
    );
    let connector = &config.connectors[0];
    assert_eq!(
        connector.delivery,
        ConnectorSettings {
            in_flight: Some(2),
            fresh_share: Some(0.25),
            max_rate: MaxRate {
                records: Some(1_000),
                bytes: Some(64 << 10),
            },
            max_age: Some(Duration::from_secs(7 * 86_400)),
            max_destinations: 7,
            dead_letter_records: 0,
            dead_letter_bytes: 1_024,
            queue_bytes: 2_000_000_000,
            retry: Retry {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(60),
            },
        }
    );
    assert_eq!(connector.contract.default_destination(), Some("d"));
    assert_eq!(connector.contract.delivery().linger, Duration::ZERO);
    let path = connector.upstream_path.as_deref();
    assert_eq!(path, Some(Path::new("/var/lib/perennial/out")));
    assert_eq!(rules(&config), [("a/+", "a-B_9")]);
}

#[test]
fn one_address_may_have_all_connections_and_all_may_begin_at_once_unless_that_has_a_bound() {
    let limits = read("[limits]\nmax_connections = 77").limits;
    let bounds = (limits.max_connections_per_address, limits.max_handshakes);
    assert_eq!(bounds, (77, 77));
}

#[test]
fn a_chosen_data_directory_wins_and_relative_paths_begin_in_it() {
    let text = format!("data_dir = \"/written\"{CONNECTORS}{ARCHIVE_RULE}");
    let source = Source::text("p.toml", text).with_data_dir(PathBuf::from("/chosen"));
    let config = source.read().unwrap();
    assert_eq!(config.data_dir, Path::new("/chosen"));
    let path = config.connectors[1].upstream_path.as_deref();
    assert_eq!(path, Some(Path::new("/chosen/archive")));
}

#[test]
fn a_rule_for_a_connector_replaces_the_filters_of_its_contract() {
    let rule = "[[rule]]\nfilter = \"own/#\"\nconnector = \"firehose\"\n";
    let config = read(&format!("{CONNECTORS}{ARCHIVE_RULE}{rule}"));
    assert_eq!(rules(&config), [("a/#", "archive"), ("own/#", "firehose")]);
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("perennial.toml");
    let told = || Config::load(&path).unwrap_err().to_string();
    let name = path.display();
    assert_eq!(
        told(),
        format!("{name}: the file cannot be read: No such file or directory (os error 2)")
    );

    std::fs::write(&path, b"# fine\nx = \"\xff\"\n").unwrap();
    assert_eq!(
        told(),
        format!("{name}:2:6: this is not UTF-8, which a configuration is written in")
    );

    std::fs::write(&path, "#".repeat(5 << 20)).unwrap();
    assert_eq!(
        told(),
        format!("{name}: the file cannot be read: it is larger than 4 MiB")
    );
}
