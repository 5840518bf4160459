//! A broker that runs.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{data_path, log_path};
use crate::process::{self, Memory};

/// A CONNECT of MQTT 3.1.1 with clean session 1 and the client identifier `ready`, and its answer.
const CONNECT: &[u8] = b"\x10\x11\0\x04MQTT\x04\x02\0\x3c\0\x05ready";
const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// The longest that a broker may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// The longest that it may take to answer a client.
const ANSWER: Duration = Duration::from_secs(2);

/// The longest that a broker may be busy after the last message.
const SETTLE: Duration = Duration::from_secs(60);

/// A broker that runs; dropped, it is killed and its data removed.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) name: &'static str,
    /// False if what it keeps is on the disk only after it was asked to end.
    pub(super) survives_a_kill: bool,
    /// What starts it.
    pub(super) command: Command,
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    pub(super) directory: TempDir,
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

    /// The directory of this broker alone.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the gateway keeps what it writes; nothing is there for other brokers.
    pub(crate) fn data(&self) -> PathBuf {
        data_path(self.directory.path())
    }

    /// Ends it, without a word where it survives that, and starts it again with what it has
    /// kept; the moment of the start. Does not wait until it accepts connections.
    pub(crate) fn restart(&mut self) -> io::Result<Instant> {
        if !self.survives_a_kill {
            self.terminate()?;
            self.child.wait()?;
        }
        self.crash()
    }

    /// Ends it without a word, whatever that costs, and starts it again; the moment of the start.
    /// Does not wait until it accepts connections.
    pub(crate) fn crash(&mut self) -> io::Result<Instant> {
        self.child.kill()?;
        self.child.wait()?;
        let start = Instant::now();
        self.child = self.command.spawn()?;
        Ok(start)
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

    /// Sends SIGTERM.
    fn terminate(&self) -> io::Result<()> {
        // The shell's own kill, since not every system has the program.
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()?;
        if asked.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill ended with {asked}")))
        }
    }

    pub(crate) fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            match self.is_let_in() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(self.explain(error)),
                Err(error) if matches!(self.child.try_wait(), Ok(Some(_))) => {
                    return Err(self.explain(error));
                }
                Err(_) => process::wait_until(Instant::now() + Duration::from_millis(2)),
            }
        }
    }

    /// Connects as a client: whoever else may have got the port does not answer that.
    fn is_let_in(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, START)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(CONNECT)?;
        let mut answer = [0; CONNACK.len()];
        stream.read_exact(&mut answer)?;
        if answer == CONNACK {
            Ok(())
        } else {
            Err(io::Error::other("what answers is not the broker"))
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
    use super::{
        super::{dies_with_us, free_address},
        *,
    };

    /// Not a broker, but a process that never accepts and never ends of itself.
    fn sleeper(parent: &Path, survives_a_kill: bool) -> Running {
        let mut command = dies_with_us(Command::new("sleep").arg("1000"));
        Running {
            name: "sleep",
            survives_a_kill,
            child: command.spawn().unwrap(),
            command,
            address: free_address().unwrap(),
            directory: TempDir::new_in(parent).unwrap(),
        }
    }

    #[test]
    fn a_broker_is_gone_with_its_data_when_it_is_dropped() {
        let directory = TempDir::new().unwrap();
        let running = sleeper(directory.path(), true);
        let process = running.child.id().to_string();
        assert!(running.memory().is_ok());
        drop(running);
        assert!(process::cpu(&process).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_broker_is_another_process_with_the_same_data_after_a_restart() {
        for survives_a_kill in [true, false] {
            let directory = TempDir::new().unwrap();
            let mut running = sleeper(directory.path(), survives_a_kill);
            let process = running.child.id().to_string();
            let kept = running.directory.path().join("kept");
            fs::write(&kept, "").unwrap();
            running.restart().unwrap();
            assert!(process::cpu(&process).is_err());
            assert!(running.memory().is_ok() && kept.exists());
        }
    }
}
