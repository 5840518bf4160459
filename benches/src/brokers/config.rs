//! What mosquitto and the gateway are told in their configuration files.

use std::{net::SocketAddr, path::Path};

use super::{Keeps, Threads, data_path};

/// What the gateway is told to allow; mosquitto allows any number, rumqttd 10,010.
const MAX_CONNECTIONS: u32 = 20_000;

pub(super) fn mosquitto(address: SocketAddr, directory: &Path, keeps: Keeps) -> String {
    let keeping = match keeps {
        Keeps::Default => "persistence false\n".to_owned(),
        // Started by root it would become a user who may not write to the directory.
        Keeps::Everything => format!(
            "user root\npersistence true\npersistence_location {}/\nmax_queued_messages 0\n",
            directory.display()
        ),
    };
    format!(
        "listener {} {}\nallow_anonymous true\n{keeping}log_dest none\n",
        address.port(),
        address.ip()
    )
}

pub(super) fn gateway(
    address: SocketAddr,
    directory: &Path,
    threads: Threads,
    keeps: Keeps,
) -> String {
    let data = data_path(directory);
    let threads = match threads {
        Threads::PerCore => "",
        Threads::One => "worker_threads = 1\n",
        Threads::Two => "worker_threads = 2\n",
    };
    let queues = match keeps {
        Keeps::Default => "",
        Keeps::Everything => {
            "session_queue_messages = 100_000_000\nsession_queue_bytes = \"64GiB\"\n"
        }
    };
    format!(
        r#"data_dir = {data:?}
{threads}
[[listener]]
address = "{address}"

[limits]
max_connections = {MAX_CONNECTIONS}
connect_rate = 0
{queues}
[store]
durability = "sync"

[[connector]]
name = "archive"
contract = "plain"
parameters = {{ destination = "bench", publish_interval = 0.1 }}
upstream = "file"
upstream_parameters = {{ path = "records" }}

[[rule]]
filter = "bench/ingest/#"
connector = "archive"
"#
    )
}
