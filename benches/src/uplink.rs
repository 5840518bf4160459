//! What stands between devices and Firehose: the gateway, or mosquitto and a script.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    brokers::{Acks, Broker, Running, data_path, dies_with_us},
    firehose::{ACCESS_KEY, Firehose, REGION, SECRET_KEY, STREAM},
    process::{self, Memory},
};

/// Raw bytes for the delivery stream, below this.
pub(crate) const TOPIC: &str = "kinesisfirehose/message/binary";

const SCRIPT: &str = include_str!("../script/uplink.py");

/// What is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Victim {
    /// The process that sends to Firehose: the gateway, or the script.
    Sender,
    /// Every process, as in a power cut that spares the disk's own memory.
    All,
}

/// An uplink that runs.
pub(crate) struct Uplink {
    broker: Running,
    script: Option<Script>,
}

/// The script, as a process that ends when this is dropped.
struct Script {
    command: Command,
    child: Child,
}

impl Uplink {
    /// Starts `broker`, and its script if it needs one, with its data below `parent`. A record
    /// waits for others for `linger`.
    pub(crate) fn start(
        broker: &Broker,
        parent: &Path,
        firehose: &Firehose,
        linger: Duration,
    ) -> io::Result<Self> {
        let running = broker.launch(parent, |address, directory| {
            Ok(match broker {
                Broker::Gateway(..) => gateway_config(address, directory, firehose, linger),
                _ => mosquitto_config(address, directory),
            })
        })?;
        let mut uplink = Self {
            broker: running,
            script: None,
        };
        if let Broker::Script(python, acks) = broker {
            let started = Script::start(python, *acks, &uplink.broker, firehose, linger);
            uplink.script = Some(started.map_err(|error| uplink.explain(error))?);
        }
        Ok(uplink)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.address()
    }

    /// User and system time of all its processes; of those that were killed it is lost.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let script = self
            .script
            .as_ref()
            .map(|script| process::cpu(&script.id()));
        Ok(self.broker.cpu()? + script.transpose()?.unwrap_or_default())
    }

    /// Memory of all its processes.
    pub(crate) fn memory(&self) -> io::Result<Memory> {
        let broker = self.broker.memory()?;
        let Some(script) = &self.script else {
            return Ok(broker);
        };
        let script = process::memory(&script.id())?;
        Ok(Memory {
            resident: broker.resident + script.resident,
            peak: broker.peak + script.peak,
        })
    }

    /// Kills without a word, and starts again at once.
    pub(crate) fn kill(&mut self, victim: Victim) -> io::Result<()> {
        if let Some(script) = &mut self.script {
            script.child.kill()?;
            script.child.wait()?;
        }
        if victim == Victim::All || self.script.is_none() {
            self.broker.crash()?;
            self.broker.wait_until_it_accepts()?;
        }
        match &mut self.script {
            Some(script) => script.run(),
            None => Ok(()),
        }
    }

    /// `error`, with the last that its processes have said.
    pub(crate) fn explain(&mut self, error: io::Error) -> io::Error {
        let said = fs::read_to_string(script_log(&self.broker)).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        let error = self.broker.explain(error);
        match last.is_empty() {
            true => error,
            false => io::Error::new(error.kind(), format!("{error}; the script said:\n{last}")),
        }
    }
}

impl Script {
    /// Starts it and waits until it has subscribed.
    fn start(
        python: &Path,
        acks: Acks,
        broker: &Running,
        firehose: &Firehose,
        linger: Duration,
    ) -> io::Result<Self> {
        let file = broker.directory().join("uplink.py");
        fs::write(&file, SCRIPT)?;
        let (host, port) = (broker.address().ip(), broker.address().port());
        let mut command = Command::new(python);
        command
            .arg(file)
            .args(["--host", &host.to_string(), "--port", &port.to_string()])
            .args(["--filter", &format!("{TOPIC}/#")])
            .args(["--stream", STREAM, "--region", REGION])
            .args(["--endpoint-url", &firehose.url()])
            .args(["--linger", &linger.as_secs_f64().to_string()]);
        if acks == Acks::Late {
            command.arg("--late-acks");
        }
        let log = File::create(script_log(broker))?;
        let mut command = dies_with_us(&command);
        command
            .current_dir(broker.directory())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let child = command.spawn()?;
        let mut script = Self { command, child };
        script.wait_until_it_has_subscribed()?;
        Ok(script)
    }

    /// Starts it again.
    fn run(&mut self) -> io::Result<()> {
        self.child = self.command.spawn()?;
        self.wait_until_it_has_subscribed()
    }

    /// It says so in its first line.
    fn wait_until_it_has_subscribed(&mut self) -> io::Result<()> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.as_str() {
            "subscribed\n" => Ok(()),
            _ => Err(io::Error::other("the script has not subscribed")),
        }
    }

    fn id(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end the script: {error}");
        }
    }
}

fn script_log(broker: &Running) -> PathBuf {
    broker.directory().join("script.log")
}

/// Persistence as Debian's package has it; what a user needs beyond the defaults is that nothing is
/// dropped while the script is behind, and that a batch can be under way.
fn mosquitto_config(address: SocketAddr, directory: &Path) -> String {
    format!(
        "user root\nlistener {} {}\nallow_anonymous true\n\
         persistence true\npersistence_location {}/\n\
         max_queued_messages 0\nmax_inflight_messages 1000\nlog_dest none\n",
        address.port(),
        address.ip(),
        directory.display()
    )
}

fn gateway_config(
    address: SocketAddr,
    directory: &Path,
    firehose: &Firehose,
    linger: Duration,
) -> String {
    format!(
        r#"data_dir = {data:?}

[[listener]]
address = "{address}"

[[connector]]
name = "firehose"
contract = "firehose"
upstream = "firehose"

[connector.parameters]
default_delivery_stream_arn = "arn:aws:firehose:{REGION}:123456789012:deliverystream/{STREAM}"
publish_interval = {linger}
delivery_stream_queue_size = 10_000_000

[connector.upstream_parameters]
endpoint_url = "{url}"
credentials_file = {credentials:?}
"#,
        data = data_path(directory),
        linger = linger.as_secs_f64(),
        url = firehose.url(),
        credentials = firehose.credentials_file(),
    )
}
