//! What mosquitto and the gateway are told in their configuration files.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Keeps, Setup, data_path};

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

pub(super) fn gateway(address: SocketAddr, directory: &Path, setup: Setup, keeps: Keeps) -> String {
    let data = data_path(directory);
    let threads = match setup {
        Setup::Default | Setup::Policies => "",
        Setup::OneThread => "worker_threads = 1\n",
        Setup::TwoThreads => "worker_threads = 2\n",
    };
    let (policies, access) = match setup {
        Setup::Policies => (
            "policies = [\"bench\"]\n",
            format!("[access]\ndirectory = {:?}\n", access_path(directory)),
        ),
        _ => ("", String::new()),
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
{policies}
{access}
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

/// Writes the policy of [`Setup::Policies`], which is like one that a device has.
pub(super) fn write_policy(directory: &Path) -> io::Result<()> {
    let policies = access_path(directory).join("policies");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("bench.json"), POLICY)
}

fn access_path(directory: &Path) -> PathBuf {
    directory.join("access")
}

const POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "iot:Connect",
      "Resource": "arn:aws:iot:*:*:client/*"
    },
    {
      "Effect": "Allow",
      "Action": "iot:Publish",
      "Resource": [
        "arn:aws:iot:*:*:topic/${iot:ClientId}/*",
        "arn:aws:iot:*:*:topic/$aws/things/${iot:ClientId}/*",
        "arn:aws:iot:*:*:topic/kinesisfirehose/message",
        "arn:aws:iot:*:*:topic/bench/*"
      ]
    },
    {
      "Effect": "Allow",
      "Action": ["iot:Receive", "iot:Subscribe"],
      "Resource": "*"
    },
    {
      "Effect": "Deny",
      "Action": "iot:Publish",
      "Resource": "arn:aws:iot:*:*:topic/*/secret"
    }
  ]
}
"#;
