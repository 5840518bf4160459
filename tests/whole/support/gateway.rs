//! The gateway as a process: the real binary in a folder of its own.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{
    memory::resident_bytes,
    random::Random,
    transcript::{Transcript, wait_for_exit},
    wait::{PATIENCE, wait_for_some},
};

/// The first word of the line about an address that the gateway serves, which ends with it.
const LISTENING: &str = "listening";

/// Beyond the time that a graceful stop takes at most.
const STOP: Duration = Duration::from_secs(30);

/// A gateway that is killed when the test is over.
pub(crate) struct Gateway {
    port: u16,
    config: String,
    process: Option<Process>,
    // Goes after the process, which would write into it again.
    folder: TempDir,
    /// Whether the folder outlives a test that fails.
    keep: bool,
    /// What the shell bounds its open files with.
    open_files: Option<[&'static str; 2]>,
}

struct Process {
    child: Child,
    address: SocketAddr,
    stdout: Transcript,
    stderr: Transcript,
}

impl Gateway {
    /// Starts a gateway with `config`, to which a data folder and a listener are added.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_on(0, config)
    }

    /// The same on a port that stays the same over restarts.
    pub(crate) fn start_on(port: u16, config: &str) -> Self {
        let mut gateway = Self::prepare(port, config);
        gateway.restart();
        gateway
    }

    /// A gateway that is not started yet; its data folder is there.
    pub(crate) fn prepare(port: u16, config: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let gateway = Self {
            port,
            config: config.to_owned(),
            process: None,
            folder,
            keep: false,
            open_files: None,
        };
        fs::create_dir(gateway.data_dir()).expect("a data folder");
        gateway
    }

    /// Starts it, again or for the first time, with what its data folder holds.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "the gateway runs");
        let config = self.folder.path().join("perennial.toml");
        let text = format!(
            "data_dir = {:?}\n[[listener]]\naddress = \"127.0.0.1:{}\"\n{}",
            self.data_dir(),
            self.port,
            self.config
        );
        fs::write(&config, text).expect("the config is written");
        let mut command = match self.open_files {
            None => perennial(self.folder.path()),
            Some(bound) => bounded(self.folder.path(), bound),
        };
        command.arg("run").arg("--config").arg(config);
        self.process = Some(Process::spawn(command));
    }

    /// From the next start on it may have so many files open: `-n` for good, `-Sn` until it asks
    /// for more.
    pub(crate) fn bound_open_files(&mut self, option: &'static str, files: &'static str) {
        self.open_files = Some([option, files]);
    }

    /// Gives it another configuration from the next start on.
    pub(crate) fn change_config(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    /// Leaves its folder for somebody to look at, should the test fail.
    pub(crate) fn keep_folder_if_the_test_fails(&mut self) {
        self.keep = true;
    }

    /// Where it serves MQTT.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process().address
    }

    /// The same of its listener number `index`, counted from the one that is added as the first.
    #[track_caller]
    pub(crate) fn address_of(&self, index: usize) -> SocketAddr {
        let stdout = &self.process().stdout;
        wait_for_some(PATIENCE, "it tells its addresses", || {
            let lines = stdout.lines();
            let mut addresses = lines.iter().filter_map(|line| {
                let rest = line.trim_start().strip_prefix(LISTENING)?;
                rest.split_whitespace().last()?.parse().ok()
            });
            addresses.nth(index)
        })
    }

    /// Everything that it writes is in here.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where its commands are run, and its configuration is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What it has printed since it was started.
    pub(crate) fn stdout(&self) -> String {
        self.process().stdout.text()
    }

    /// What it has logged since it was started.
    pub(crate) fn stderr(&self) -> String {
        self.process().stderr.text()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(self.process().child.id())
    }

    /// The time that it has spent on the processors, to a hundredth of a second.
    pub(crate) fn cpu_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.process().child.id());
        let stat = fs::read_to_string(path).expect("a running process has a status");
        // The name before it may have any characters; then the 12th and 13th are `utime` and
        // `stime` in the hundredths that Linux shows to programs.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.process().child.id());
        fs::read_dir(path)
            .expect("a running process has open files")
            .count()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.process().stdout.has_ended()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the gateway runs");
        wait_for_exit(&mut process.child, STOP, "the gateway")
    }

    /// Ends it as a power cut would, and does not wait for that; [`Gateway::kill9`] does.
    pub(crate) fn send_kill(&self) {
        let id = self.process().child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -KILL \"$0\"", &id])
            .status();
        assert!(sent.expect("a shell").success(), "SIGKILL was not sent");
    }

    /// Ends it as a power cut would, without a word.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("the gateway runs");
        process.child.kill().expect("a child can be killed");
        process.child.wait().expect("a killed child ends");
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal();
        self.wait_for_end()
    }

    /// Asks it to stop, and does not wait.
    #[track_caller]
    pub(crate) fn signal(&self) {
        ask_to_end(&self.process().child);
    }

    /// Asks it to read again what it can.
    #[track_caller]
    pub(crate) fn hang_up(&self) {
        send(&self.process().child, "HUP");
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the gateway runs")
    }
}

impl Process {
    /// Starts `command` and waits until it listens.
    #[track_caller]
    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway's binary is there");
        let stdout = Transcript::of(child.stdout.take().expect("a pipe"));
        let stderr = Transcript::of(child.stderr.take().expect("a pipe"));
        let mut process = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            stdout,
            stderr,
        };
        process.address = wait_for_some(PATIENCE, "the gateway listens", || {
            if let Some(status) = process.child.try_wait().expect("a child") {
                panic!("the gateway ended with {status}");
            }
            process.stdout.find(|line| {
                let rest = line.trim_start().strip_prefix(LISTENING)?;
                rest.split_whitespace().last()?.parse().ok()
            })
        });
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            println!("The gateway printed:\n{}", self.stdout.text());
            println!("The gateway logged:\n{}", self.stderr.text());
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.keep && thread::panicking() {
            self.folder.disable_cleanup(true);
            println!(
                "The gateway's folder is left at {}",
                self.folder.path().display()
            );
        }
    }
}

/// A free port that the system gives to nobody who asks for any port, so that it is still
/// free after a restart.
pub(crate) fn quiet_port() -> u16 {
    let (mut random, _) = Random::seeded();
    wait_for_some(PATIENCE, "a free port", || {
        let port = random.within(15_000..30_000) as u16;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .is_ok()
            .then_some(port)
    })
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary in `folder` to its end.
#[track_caller]
pub(crate) fn run_to_end(folder: &Path, arguments: &[&dyn AsRef<OsStr>]) -> Finished {
    run_with_input(folder, arguments, &[])
}

/// The same; it reads `input`.
#[track_caller]
pub(crate) fn run_with_input(
    folder: &Path,
    arguments: &[&dyn AsRef<OsStr>],
    input: &[u8],
) -> Finished {
    let mut command = perennial(folder);
    command.args(arguments.iter().map(|argument| argument.as_ref()));
    let mut child = Killed(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway's binary is there"),
    );
    let stdout = Transcript::of(child.0.stdout.take().expect("a pipe"));
    let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
    let mut stdin = child.0.stdin.take().expect("a pipe");
    // A command that wants no input may have ended.
    stdin.write_all(input).ok();
    drop(stdin);
    let status = wait_for_exit(&mut child.0, PATIENCE, "the command");
    wait_for_some(PATIENCE, "the command's output ends", || {
        (stdout.has_ended() && stderr.has_ended()).then_some(())
    });
    Finished {
        code: status.code(),
        stdout: stdout.text(),
        stderr: stderr.text(),
    }
}

/// A process that does not outlive its test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Sends SIGTERM to `child`.
#[track_caller]
pub(crate) fn ask_to_end(child: &Child) {
    send(child, "TERM");
}

/// Sends the signal of this name to `child`.
#[track_caller]
fn send(child: &Child, signal: &str) {
    // The shell's own kill, since not every system has the program.
    let sent = Command::new("sh")
        .args(["-c", "kill \"-$0\" \"$1\"", signal, &child.id().to_string()])
        .status()
        .expect("a shell");
    assert!(sent.success(), "SIG{signal} was not sent");
}

/// A gateway whose folder and arguments are the test's own.
pub(crate) struct Bare(Process);

impl Bare {
    /// Runs the binary in `folder` with `arguments`, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(folder: &Path, arguments: &[&dyn AsRef<OsStr>]) -> Self {
        let mut command = as_released(folder);
        command.args(arguments.iter().map(|argument| argument.as_ref()));
        Self(Process::spawn(command))
    }

    /// Where it serves MQTT.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// What it has printed.
    pub(crate) fn stdout(&self) -> String {
        self.0.stdout.text()
    }

    /// What it has logged.
    pub(crate) fn stderr(&self) -> String {
        self.0.stderr.text()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(self.0.child.id())
    }

    /// Asks it to read again what it can.
    #[track_caller]
    pub(crate) fn hang_up(&self) {
        send(&self.0.child, "HUP");
    }
}

/// The binary in an environment that holds nothing of the one who runs the tests.
fn perennial(folder: &Path) -> Command {
    alone(Command::new(env!("CARGO_BIN_EXE_perennial")), folder)
}

/// The same, which may have so many files open as the shell's `ulimit` says.
fn bounded(folder: &Path, [option, files]: [&str; 2]) -> Command {
    let mut command = alone(Command::new("sh"), folder);
    let script = "ulimit \"$0\" \"$1\" && shift && exec \"$@\"";
    let binary = env!("CARGO_BIN_EXE_perennial");
    command.args(["-c", script, option, files, binary]);
    command
}

/// The same as users have it, where `tests/run` says which that is.
fn as_released(folder: &Path) -> Command {
    match env::var_os("PERENNIAL_TEST_RELEASE") {
        Some(binary) => alone(Command::new(binary), folder),
        None => perennial(folder),
    }
}

fn alone(mut command: Command, folder: &Path) -> Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}
