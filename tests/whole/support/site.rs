//! A gateway that knows its devices, made and changed by the commands that an operator uses.
//!
//! Its listeners are those of AWS on ports of their own: one for MQTT that wants client
//! certificates (8883), one for HTTPS (8443) and one that is shared (443). A plain one is for
//! clients of this machine, who may do everything.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    admin::Metrics,
    gateway::{Bare, Finished, run_to_end, run_with_input},
    wait::{PATIENCE, wait_for_some},
};

/// A host name that SDKs take for one of AWS IoT; the server's certificate has it.
pub(crate) const NAME: &str = "a1b2c3d4e5.iot.us-east-1.amazonaws.com";

/// An argument of a command.
type Word<'a> = &'a dyn AsRef<OsStr>;

const CONFIG: [Word<'static>; 2] = [&"--config", &"perennial.toml"];

/// What is written behind the two listeners that `perennial init` writes.
const MORE_LISTENERS: &str = r#"
[[listener]]
address = "127.0.0.1:0"
protocol = "any"
[listener.tls]
client_certificate = "optional"

[[listener]]
address = "127.0.0.1:0"
protocol = "mqtt"
"#;

/// A gateway and its folder; the gateway is killed when the test is over.
pub(crate) struct Site {
    running: Option<(Bare, Addresses)>,
    // Goes after the gateway, which would write into it again.
    folder: TempDir,
}

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// MQTT over TLS, with a client certificate.
    pub(crate) mqtt: SocketAddr,
    /// HTTPS, and so WebSocket; a client certificate may be shown.
    pub(crate) https: SocketAddr,
    /// Both; a client certificate may be shown.
    pub(crate) shared: SocketAddr,
    /// MQTT without TLS, for clients of this machine.
    pub(crate) plain: SocketAddr,
}

/// What is on a device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// What it trusts.
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Site {
    /// A gateway that is not started yet.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::on("127.0.0.1:0", "")
    }

    /// The same with `more` at the end of its configuration.
    #[track_caller]
    pub(crate) fn with(more: &str) -> Self {
        Self::on("127.0.0.1:0", more)
    }

    /// The same with the address of the listener for MQTT.
    #[track_caller]
    pub(crate) fn on(mqtt: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let site = Self {
            running: None,
            folder,
        };
        let names = ["localhost", "127.0.0.1", NAME].map(|name| ["--name", name]);
        let mut command = vec!["init", "."];
        command.extend(names.as_flattened());
        let finished = run_to_end(site.folder(), &words(&command));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        site.change_config(|config| {
            let config = replace(&config, "\"0.0.0.0:8883\"", &format!("{mqtt:?}"));
            let config = replace(&config, "\"0.0.0.0:8443\"", "\"127.0.0.1:0\"");
            // A status comes soon.
            let name = "default_delivery_stream_arn";
            let config = replace(
                &config,
                name,
                &format!("publish_interval = \"10ms\"\n{name}"),
            );
            config + MORE_LISTENERS + more
        });
        site
    }

    /// Where the configuration is, and the access directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the text of the configuration, for the next start.
    #[track_caller]
    pub(crate) fn change_config(&self, change: impl FnOnce(String) -> String) {
        let path = self.folder().join("perennial.toml");
        let text = fs::read_to_string(&path).expect("the configuration is there");
        fs::write(path, change(text)).expect("the configuration is written");
    }

    /// Runs a command on the access directory.
    pub(crate) fn command(&self, command: &[&str]) -> Finished {
        run_to_end(self.folder(), &[&words(command)[..], &CONFIG].concat())
    }

    /// Runs a command that succeeds.
    #[track_caller]
    pub(crate) fn succeed(&self, command: &[&str]) -> String {
        let finished = self.command(command);
        assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
        finished.stdout
    }

    /// Adds a thing with a certificate and these policies.
    #[track_caller]
    pub(crate) fn thing(&self, name: &str, policies: &[&str]) -> Device {
        let out = self.folder().join(format!("{name}-files"));
        let out_text = out.display().to_string();
        let mut command = vec!["things", "add", name, "--out", &out_text];
        for policy in policies {
            command.extend(["--policy", policy]);
        }
        self.succeed(&command);
        Device {
            name: name.to_owned(),
            ca: out.join("ca.pem"),
            certificate: out.join(format!("{name}.pem")),
            key: out.join(format!("{name}.key")),
        }
    }

    /// Adds a policy that allows what is listed: actions, and resources without the beginning
    /// of an ARN.
    pub(crate) fn policy(&self, name: &str, allowed: &[(&str, &[&str])]) {
        let statements: Vec<Value> = allowed
            .iter()
            .map(|(action, resources)| {
                let arn = |resource| format!("arn:aws:iot:us-east-1:123456789012:{resource}");
                let resources: Vec<_> = resources.iter().map(arn).collect();
                json!({"Effect": "Allow", "Action": action, "Resource": resources})
            })
            .collect();
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        self.write(&format!("policies/{name}.json"), &document.to_string());
    }

    /// Writes a file of the access directory.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder().join("access").join(path);
        let folder = path.parent().expect("a folder of files");
        fs::create_dir_all(folder).expect("a folder of the access directory is there");
        fs::write(path, text).expect("a file of the access directory is written");
    }

    /// Changes the file of a thing.
    #[track_caller]
    pub(crate) fn change_thing(&self, name: &str, change: impl FnOnce(String) -> String) {
        let path = format!("things/{name}.toml");
        let text = fs::read_to_string(self.folder().join("access").join(&path));
        self.write(&path, &change(text.expect("the thing is there")));
    }

    /// An access key for requests that are signed: its identifier and the secret.
    #[track_caller]
    pub(crate) fn access_key(&self, policy: &str) -> [String; 2] {
        let printed = self.succeed(&["access-keys", "add", "--policy", policy]);
        let word = |is_it: fn(&&str) -> bool| {
            let word = printed.split_whitespace().find(is_it);
            word.unwrap_or_else(|| panic!("{printed}")).to_owned()
        };
        [
            word(|word| word.len() == 20 && word.starts_with("AKIA")),
            word(|word| word.len() == 40),
        ]
    }

    /// A user who has no thing.
    #[track_caller]
    pub(crate) fn user(&self, name: &str, password: &str, policy: &str) {
        let command = ["users", "add", name, "--policy", policy];
        let finished = run_with_input(
            self.folder(),
            &[&words(&command)[..], &CONFIG].concat(),
            format!("{password}\n").as_bytes(),
        );
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }

    /// Starts it, again or for the first time.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "the gateway runs");
        let gateway = Bare::start(
            self.folder(),
            &[&[&"run" as Word<'_>][..], &CONFIG].concat(),
        );
        let addresses = wait_for_some(PATIENCE, "it tells its addresses", || {
            Addresses::told(&gateway.stdout())
        });
        self.running = Some((gateway, addresses));
    }

    /// Ends it as a power cut would, without a word.
    pub(crate) fn kill9(&mut self) {
        drop(self.running.take().expect("the gateway runs"));
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Addresses {
        self.running().1
    }

    /// A gateway that runs, and what scripts are told that sign their requests.
    #[track_caller]
    pub(crate) fn for_signing() -> (Self, Value) {
        let mut site = Self::new();
        let device = site.thing("sensor", &["default"]);
        site.policy("signed", &[("iot:*", &["*"])]);
        let access_key = site.access_key("signed");
        site.start();
        let mut told = site.told(&device);
        told["access_key"] = json!(access_key);
        (site, told)
    }

    /// Where it is and what `device` has, for scripts.
    pub(crate) fn told(&self, device: &Device) -> Value {
        let addresses = self.addresses();
        json!({
            "mqtt": addresses.mqtt.port(),
            "https": addresses.https.port(),
            "shared": addresses.shared.port(),
            "name": NAME,
            "ca": device.ca,
            "certificate": device.certificate,
            "key": device.key,
            "client_id": device.name,
        })
    }

    /// What it counts.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::through(&self.data_dir().join("admin.sock"))
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.running().0.stderr()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.running().0.resident_bytes()
    }

    /// Asks it to read again what it can.
    #[track_caller]
    pub(crate) fn hang_up(&self) {
        self.running().0.hang_up();
    }

    /// Everything that it writes is in here.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn running(&self) -> &(Bare, Addresses) {
        self.running.as_ref().expect("the gateway runs")
    }
}

impl Addresses {
    /// What the first lines of the gateway's output say, when they are all there.
    fn told(stdout: &str) -> Option<Self> {
        let on_lines = |kind: &'static str| {
            let lines = stdout.lines().map(str::trim_start);
            lines.filter_map(move |line| line.strip_prefix(kind).and_then(address))
        };
        let speaking: Vec<_> = on_lines("listening").collect();
        let &[mqtt, shared, plain] = speaking.as_slice() else {
            return None;
        };
        let https = on_lines("websocket").find(|address| !speaking.contains(address))?;
        Some(Self {
            mqtt,
            https,
            shared,
            plain,
        })
    }
}

/// The address in a line, whatever stands around it.
fn address(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let is_outside = |character: char| !(character.is_ascii_digit() || ".:".contains(character));
    let text = line[start..].split(is_outside).next()?;
    text.parse().ok()
}

fn words<'a>(command: &'a [&'a str]) -> Vec<Word<'a>> {
    command.iter().map(|word| word as Word<'a>).collect()
}

#[track_caller]
fn replace(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
    text.replace(old, new)
}
