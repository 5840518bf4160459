//! AWS, as far as the moto server is AWS.

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_firehose::config::Credentials;
use aws_smithy_http_client::Builder;
use serde_json::{Value, json};

use crate::{proxy::Proxy, support::CredentialsFile};

/// How long it may take to start on a loaded machine.
const START: Duration = Duration::from_secs(60);

/// The region that tests keep their things in.
pub(crate) const REGION: &str = "us-east-1";

/// A moto server. It ends with its input, which closes with the process of the tests.
pub(crate) struct Moto {
    address: SocketAddr,
    names: AtomicU32,
    _process: Child,
}

impl Moto {
    /// The one of all tests, started by the first that asks.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A name for a stream, a queue or a bucket that no other test has.
    pub(crate) fn fresh_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// What a client of the SDK is made of that prepares things and looks at what came of them.
    pub(crate) async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "tests"))
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .load()
            .await
    }

    fn start() -> Self {
        let mut errors = tempfile::tempfile().unwrap();
        let mut process = python("moto_server.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .expect("the Python of PERENNIAL_TEST_PYTHON starts");
        let output = process.stdout.take().unwrap();
        let (send, receive) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).ok();
            send.send(line)
        });
        let line = receive.recv_timeout(START).unwrap_or_default();
        let address = line.trim().strip_prefix("http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            process.kill().ok();
            process.wait().ok();
            panic!(
                "moto says {line:?} and not its URL:\n{}",
                all_of(&mut errors)
            );
        };
        Self {
            address,
            names: AtomicU32::default(),
            _process: process,
        }
    }
}

/// A way to moto that one test has for itself, and credentials.
pub(crate) struct MotoAccess {
    pub(crate) proxy: Proxy,
    credentials: CredentialsFile,
}

impl MotoAccess {
    pub(crate) fn new() -> Self {
        Self {
            proxy: Proxy::start(Moto::shared().address()),
            credentials: CredentialsFile::new("AKIDTEST"),
        }
    }

    /// The settings that lead to moto, with `more` among them.
    pub(crate) fn settings(&self, more: Value) -> Value {
        let mut settings = self.credentials.settings(&self.proxy.url(), more);
        settings["region"] = json!(REGION);
        settings
    }
}

/// The interpreter with one of the scripts that all tests have.
fn python(script: &str) -> Command {
    let Some(interpreter) = env::var_os("PERENNIAL_TEST_PYTHON").map(PathBuf::from) else {
        panic!("PERENNIAL_TEST_PYTHON is not set: run the tests with tests/run, which prepares it");
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/whole/python");
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

fn all_of(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
