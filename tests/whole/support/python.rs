//! Scripts beside the tests: paho-mqtt clients, and the moto server as AWS.

use std::{
    env,
    io::Write,
    net::SocketAddr,
    panic,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{
    gateway::{Gateway, Killed},
    transcript::{Transcript, wait_for_exit},
    version::Version,
    wait::{PATIENCE, wait_for, wait_for_some},
};

/// How long a script may take.
const SCRIPT: Duration = Duration::from_secs(60);

/// How the clients of a script connect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Tcp,
    WebSocket,
}

/// Runs a script of paho clients in every version at the same time, each with a gateway of
/// its own.
///
/// # Panics
/// The script fails; what it says is in the message.
#[track_caller]
pub(crate) fn paho_in_every_version(script: &str, transport: Transport) {
    let transport = match transport {
        Transport::Tcp => "tcp",
        Transport::WebSocket => "websockets",
    };
    thread::scope(|scope| {
        let runs = Version::ALL.map(|version| {
            scope.spawn(move || {
                let gateway = Gateway::start("");
                run(script, gateway.address(), version, transport);
            })
        });
        for run in runs {
            if let Err(failure) = run.join() {
                panic::resume_unwind(failure);
            }
        }
    });
}

#[track_caller]
fn run(script: &str, address: SocketAddr, version: Version, transport: &str) {
    let (port, version) = (address.port().to_string(), version.to_string());
    Script::start(script, &[&port, &version, transport]).finish();
}

/// A script that runs beside the test.
pub(crate) struct Script {
    /// What it is called with.
    line: String,
    child: Killed,
    stdout: Transcript,
    stderr: Transcript,
}

impl Script {
    /// Starts it with `arguments`.
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Self {
        Self::spawn(python(script), script, arguments)
    }

    /// Starts the script that `command` interprets.
    pub(crate) fn spawn(mut command: Command, script: &str, arguments: &[&str]) -> Self {
        let mut child = Killed(
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the interpreter is there; tests/run installs it"),
        );
        Self {
            line: format!("{script} {}", arguments.join(" ")),
            stdout: Transcript::of(child.0.stdout.take().expect("a pipe")),
            stderr: Transcript::of(child.0.stderr.take().expect("a pipe")),
            child,
        }
    }

    /// Waits until it has said `line`.
    #[track_caller]
    pub(crate) fn wait_for(&self, line: &str) {
        wait_for(SCRIPT, line, || {
            assert!(!self.stdout.has_ended(), "{}", self.said());
            self.stdout.lines().iter().any(|said| said == line)
        });
    }

    /// Waits until it has ended, and gives what it printed.
    ///
    /// # Panics
    /// It fails; what it says is in the message.
    #[track_caller]
    pub(crate) fn finish(mut self) -> String {
        let status = wait_for_exit(&mut self.child.0, SCRIPT, &self.line);
        wait_for(PATIENCE, "the script's output ends", || {
            self.stdout.has_ended() && self.stderr.has_ended()
        });
        assert!(status.success(), "{}", self.said());
        self.stdout.text()
    }

    fn said(&self) -> String {
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        format!("{}:\n{stdout}\n{stderr}", self.line)
    }
}

/// AWS, as far as the moto server is AWS.
pub(crate) struct Moto {
    _child: Killed,
    stdin: ChildStdin,
    stdout: Transcript,
    stderr: Transcript,
    answers: usize,
    url: String,
}

impl Moto {
    /// Starts it with delivery streams, each of which writes into the bucket of its name.
    #[track_caller]
    pub(crate) fn start(streams: &[&str]) -> Self {
        let mut child = Killed(
            python("moto_server.py")
                .args(streams)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the Python of PERENNIAL_TEST_PYTHON starts"),
        );
        let stdout = Transcript::of(child.0.stdout.take().expect("a pipe"));
        let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
        let stdin = child.0.stdin.take().expect("a pipe");
        let mut moto = Self {
            _child: child,
            stdin,
            stdout,
            stderr,
            answers: 0,
            url: String::new(),
        };
        moto.url = moto.answer();
        moto
    }

    /// Its `endpoint_url`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The contents of all objects in the bucket of `stream`, in no order.
    #[track_caller]
    pub(crate) fn objects(&mut self, stream: &str) -> Vec<Vec<u8>> {
        writeln!(self.stdin, "{stream}").expect("the moto server listens");
        let contents: Vec<Vec<u8>> =
            serde_json::from_str(&self.answer()).expect("the moto server answers in JSON");
        contents
    }

    /// The next line of its output.
    #[track_caller]
    fn answer(&mut self) -> String {
        let line = wait_for_some(SCRIPT, "the moto server answers", || {
            assert!(
                !self.stdout.has_ended(),
                "moto ended:\n{}",
                self.stderr.text()
            );
            self.stdout.lines().get(self.answers).cloned()
        });
        self.answers += 1;
        line
    }
}

/// The interpreter with one of the scripts.
pub(crate) fn python(script: &str) -> Command {
    let Some(interpreter) = env::var_os("PERENNIAL_TEST_PYTHON").map(PathBuf::from) else {
        panic!("PERENNIAL_TEST_PYTHON is not set: run the tests with tests/run, which prepares it");
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/python");
    let mut command = Command::new(interpreter);
    // Nothing of the one who runs the tests: no profile, no proxy.
    command
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .arg("-B")
        .arg(scripts.join(script));
    command
}
