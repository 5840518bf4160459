//! The brokers side by side: each a process of its own with an empty data directory.
//!
//! - A broker is started for one round and killed after it, also when the round panics, and the
//!   kernel kills it when this process dies.
//! - What it prints goes to a file; when it fails the end of that file is part of the error.

use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::{self, Memory};

pub(crate) mod rumqttd;

/// The longest that a broker may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// The longest that a broker may be busy after the last message.
const SETTLE: Duration = Duration::from_secs(60);

/// A broker that can be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Broker {
    /// Debian's package with its defaults, without persistence.
    Mosquitto,
    /// This binary again, as a process with rumqttd in it.
    Rumqttd,
    /// The gateway at this path, with a rule for `bench/ingest/#` and every record synced.
    Gateway(PathBuf),
}

impl Broker {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
            Self::Gateway(_) => "perennial",
        }
    }

    /// Starts the broker with its data below `parent` and waits until it accepts connections.
    pub(crate) fn start(&self, parent: &Path) -> io::Result<Running> {
        let directory = TempDir::with_prefix_in("perennial-bench-", parent)?;
        let address = free_address()?;
        let log = File::create(log_path(directory.path()))?;
        let child = dies_with_us(&self.command(directory.path(), address)?)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut running = Running {
            name: self.name(),
            child,
            address,
            directory,
        };
        running.wait_until_it_accepts()?;
        Ok(running)
    }

    fn command(&self, directory: &Path, address: SocketAddr) -> io::Result<Command> {
        let config = directory.join("bench.conf");
        Ok(match self {
            Self::Mosquitto => {
                fs::write(&config, mosquitto_config(address))?;
                let mut command = Command::new("mosquitto");
                command.arg("-c").arg(config);
                command
            }
            Self::Rumqttd => {
                let mut command = Command::new(env::current_exe()?);
                command.arg("rumqttd").arg(address.port().to_string());
                command
            }
            Self::Gateway(binary) => {
                fs::write(&config, gateway_config(address, directory))?;
                let mut command = Command::new(binary);
                command.arg("run").arg("--config").arg(config);
                command
            }
        })
    }
}

fn mosquitto_config(address: SocketAddr) -> String {
    format!(
        "listener {} {}\nallow_anonymous true\npersistence false\nlog_dest none\n",
        address.port(),
        address.ip()
    )
}

fn gateway_config(address: SocketAddr, directory: &Path) -> String {
    let data = data_path(directory);
    format!(
        r#"data_dir = {data:?}

[[listener]]
address = "{address}"

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

fn data_path(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("broker.log")
}

/// A port that nobody listens on.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// `command` run by `setpriv`, which becomes it and keeps the process id.
fn dies_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    wrapped
}

/// A broker that runs; dropped, it is killed and its data removed.
#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// User and system time of all its threads since it was started.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        process::cpu(&self.child.id().to_string())
    }

    pub(crate) fn memory(&self) -> io::Result<Memory> {
        process::memory(&self.child.id().to_string())
    }

    /// Where the gateway keeps what it writes; nothing is there for other brokers.
    pub(crate) fn data(&self) -> PathBuf {
        data_path(self.directory.path())
    }

    /// Waits until it has done what was left to do: until it uses next to no CPU.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let before = self.cpu()?;
            process::wait_until(Instant::now() + Duration::from_millis(500));
            if self.cpu()? - before <= Duration::from_millis(20) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!(
                    "{} is still busy after {SETTLE:?}",
                    self.name
                )));
            }
        }
    }

    /// `error`, or what explains it: that the broker has ended, and the last that it said.
    pub(crate) fn explain(&mut self, error: io::Error) -> io::Error {
        let state = match self.child.try_wait() {
            Ok(Some(status)) => format!("; it ended with {status}"),
            _ => String::new(),
        };
        let log = fs::read_to_string(log_path(self.directory.path())).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        let said = if last.is_empty() {
            String::new()
        } else {
            format!("; it said:\n{last}")
        };
        io::Error::new(error.kind(), format!("{}: {error}{state}{said}", self.name))
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            match TcpStream::connect_timeout(&self.address, START) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(self.explain(error)),
                Err(error) if matches!(self.child.try_wait(), Ok(Some(_))) => {
                    return Err(self.explain(error));
                }
                Err(_) => process::wait_until(Instant::now() + Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for end in [self.child.kill(), self.child.wait().map(drop)] {
            match end {
                Err(error) if error.kind() != ErrorKind::InvalidInput => {
                    eprintln!("cannot end {}: {error}", self.name);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_ends_at_once_says_why() {
        let directory = TempDir::new().unwrap();
        let error = Broker::Gateway("false".into())
            .start(directory.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("perennial: ") && error.contains("it ended with exit status: 1"),
            "{error}"
        );
    }

    #[test]
    fn a_broker_is_gone_with_its_data_when_it_is_dropped() {
        let directory = TempDir::new().unwrap();
        // Not a broker, but a process that never accepts and never ends of itself.
        let child = dies_with_us(Command::new("sleep").arg("1000"))
            .spawn()
            .unwrap();
        let process = child.id().to_string();
        let data = TempDir::new_in(directory.path()).unwrap();
        let address = free_address().unwrap();
        let running = Running {
            name: "sleep",
            child,
            address,
            directory: data,
        };
        assert!(running.memory().is_ok());
        drop(running);
        assert!(process::cpu(&process).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
