//! The brokers side by side: each a process of its own with an empty data directory.
//!
//! - A broker is started for one round and killed after it, also when the round panics, and the
//!   kernel kills it when this process dies.
//! - Within a round it can be ended and started again with the data that it has kept.
//! - What it prints goes to a file; when it fails the end of that file is part of the error.

use std::{
    env,
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub(crate) use running::Running;

mod config;
pub(crate) mod rumqttd;
mod running;
mod secure;

/// A broker that can be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Broker {
    /// Debian's package with its defaults.
    Mosquitto,
    /// This binary again, as a process with rumqttd in it.
    Rumqttd,
    /// The gateway's binary, with a rule for `bench/ingest/#` and every record synced.
    Gateway(PathBuf, Setup),
    /// mosquitto before a script that forwards what it gets, run by this Python.
    Script(PathBuf, Acks),
}

/// When the script acknowledges a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acks {
    /// When it has received it, as its MQTT library does of itself.
    Early,
    /// When Firehose has it.
    Late,
}

/// How the gateway is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Setup {
    /// As it is of itself, with a worker thread for each core.
    Default,
    OneThread,
    TwoThreads,
    /// With a policy for its clients.
    Policies,
}

/// What a broker is to keep for clients that are away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keeps {
    /// What it keeps by default; mosquitto writes nothing to the disk.
    Default,
    /// All that is queued for them, however much it is. mosquitto writes it to the disk when it
    /// ends, and every half an hour.
    Everything,
}

impl Broker {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
            Self::Gateway(_, Setup::Default) => "perennial",
            Self::Gateway(_, Setup::OneThread) => "perennial 1 thread",
            Self::Gateway(_, Setup::TwoThreads) => "perennial 2 threads",
            Self::Gateway(_, Setup::Policies) => "perennial, policies",
            Self::Script(_, Acks::Early) => "script",
            Self::Script(_, Acks::Late) => "script, late acks",
        }
    }

    /// The gateway with each of these `setups`; any other broker, and the gateway where there are
    /// none, as it is.
    pub(crate) fn variants(&self, setups: &[Setup]) -> Vec<Broker> {
        match self {
            Self::Gateway(binary, _) if !setups.is_empty() => setups
                .iter()
                .map(|&setup| Self::Gateway(binary.clone(), setup))
                .collect(),
            other => vec![other.clone()],
        }
    }

    /// Starts the broker with its data below `parent` and waits until it accepts connections.
    pub(crate) fn start(&self, parent: &Path, keeps: Keeps) -> io::Result<Running> {
        self.launch(parent, |address, directory| {
            Ok(match self {
                Self::Mosquitto | Self::Script(..) => config::mosquitto(address, directory, keeps),
                Self::Rumqttd => String::new(),
                Self::Gateway(_, setup) => {
                    if *setup == Setup::Policies {
                        config::write_policy(directory)?;
                    }
                    config::gateway(address, directory, *setup, keeps)
                }
            })
        })
    }

    /// As [`start`](Self::start), with a configuration file for the address and the directory.
    pub(crate) fn launch(
        &self,
        parent: &Path,
        configure: impl FnOnce(SocketAddr, &Path) -> io::Result<String>,
    ) -> io::Result<Running> {
        let directory = TempDir::with_prefix_in("perennial-bench-", parent)?;
        let address = free_address()?;
        let log = File::create(log_path(directory.path()))?;
        fs::write(
            config_path(directory.path()),
            configure(address, directory.path())?,
        )?;
        let mut command = dies_with_us(&self.command(directory.path(), address)?);
        command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut running = Running {
            name: self.name(),
            survives_a_kill: !matches!(self, Self::Mosquitto | Self::Script(..)),
            child: command.spawn()?,
            command,
            address,
            directory,
        };
        running.wait_until_it_accepts()?;
        Ok(running)
    }

    fn command(&self, directory: &Path, address: SocketAddr) -> io::Result<Command> {
        Ok(match self {
            Self::Mosquitto | Self::Script(..) => {
                let mut command = Command::new("mosquitto");
                command.arg("-c").arg(config_path(directory));
                command
            }
            Self::Rumqttd => {
                let mut command = Command::new(env::current_exe()?);
                command.arg("rumqttd").arg(address.port().to_string());
                command
            }
            Self::Gateway(binary, _) => {
                let mut command = Command::new(binary);
                command
                    .arg("run")
                    .arg("--config")
                    .arg(config_path(directory));
                command
            }
        })
    }
}

fn config_path(directory: &Path) -> PathBuf {
    directory.join("bench.conf")
}

pub(crate) fn data_path(directory: &Path) -> PathBuf {
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
pub(crate) fn dies_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_ends_at_once_says_why() {
        let directory = TempDir::new().unwrap();
        let error = Broker::Gateway("false".into(), Setup::Default)
            .start(directory.path(), Keeps::Default)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("perennial: ") && error.contains("it ended with exit status: 1"),
            "{error}"
        );
    }

    #[test]
    fn only_the_gateway_has_variants() {
        let gateway = Broker::Gateway("perennial".into(), Setup::Default);
        let names = |broker: &Broker, setups: &[Setup]| -> Vec<&str> {
            broker.variants(setups).iter().map(Broker::name).collect()
        };
        let both = [Setup::OneThread, Setup::TwoThreads];
        assert_eq!(
            names(&gateway, &both),
            ["perennial 1 thread", "perennial 2 threads"]
        );
        assert_eq!(names(&gateway, &[]), ["perennial"]);
        assert_eq!(names(&Broker::Mosquitto, &both), ["mosquitto"]);
    }
}
