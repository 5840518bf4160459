//! `mosquitto_pub` and `mosquitto_sub`: clients that are not ours.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
};

use crate::support::{
    gateway::Killed,
    transcript::{Transcript, wait_for_exit},
    version::Version,
    wait::{PATIENCE, wait_for, wait_for_some},
};

/// What stands in front of a message in the output of `mosquitto_sub`.
const MESSAGE: &str = "message ";

/// Publishes each of `lines` at QoS 1 and waits for all acknowledgements.
#[track_caller]
pub(crate) fn publish_lines(address: SocketAddr, version: Version, topic: &str, lines: &[&str]) {
    assert!(
        lines.iter().all(|line| !line.contains('\n')),
        "a message is a line"
    );
    let input = lines.join("\n") + "\n";
    publish_input(
        client("mosquitto_pub", address, version).args(["-t", topic, "-l"]),
        input.as_bytes(),
    );
}

/// Publishes `payload`, whatever it is, at QoS 1 and waits for its acknowledgement.
#[track_caller]
pub(crate) fn publish(address: SocketAddr, version: Version, topic: &str, payload: &[u8]) {
    publish_with(&[], address, version, topic, payload);
}

/// The same with further options.
#[track_caller]
pub(crate) fn publish_with(
    options: &[String],
    address: SocketAddr,
    version: Version,
    topic: &str,
    payload: &[u8],
) {
    publish_input(
        client("mosquitto_pub", address, version)
            .args(options)
            .args(["-t", topic, "-s"]),
        payload,
    );
}

#[track_caller]
fn publish_input(command: &mut Command, input: &[u8]) {
    let mut child = Killed(
        command
            .args(["-q", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto_pub is there; tests/run installs it"),
    );
    let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
    let mut stdin = child.0.stdin.take().expect("a pipe");
    stdin
        .write_all(input)
        .expect("mosquitto_pub reads its input");
    drop(stdin);
    let status = wait_for_exit(&mut child.0, PATIENCE, "mosquitto_pub");
    assert!(
        status.success(),
        "mosquitto_pub ended with {status}: {}",
        stderr.text()
    );
}

/// A subscriber at QoS 1.
pub(crate) struct Subscriber {
    _child: Killed,
    stdout: Transcript,
}

impl Subscriber {
    /// Subscribes to `filter`, and is subscribed when it returns.
    #[track_caller]
    pub(crate) fn start(address: SocketAddr, version: Version, filter: &str) -> Self {
        Self::start_with(&[], address, version, filter)
    }

    /// The same with further options.
    #[track_caller]
    pub(crate) fn start_with(
        options: &[String],
        address: SocketAddr,
        version: Version,
        filter: &str,
    ) -> Self {
        let mut child = Killed(
            client("mosquitto_sub", address, version)
                .args(options)
                .args([
                    "-q",
                    "1",
                    "-d",
                    "-t",
                    filter,
                    "-F",
                    &format!("{MESSAGE}%t %x"),
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("mosquitto_sub is there; tests/run installs it"),
        );
        let stdout = Transcript::of(child.0.stdout.take().expect("a pipe"));
        wait_for(PATIENCE, "mosquitto_sub is subscribed", || {
            assert!(
                !stdout.has_ended(),
                "mosquitto_sub ended: {}",
                stdout.text()
            );
            stdout
                .find(|line| line.contains("received SUBACK").then_some(()))
                .is_some()
        });
        Self {
            _child: child,
            stdout,
        }
    }

    /// The payloads of all messages so far.
    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        let lines = self.stdout.lines();
        let messages = lines.iter().filter_map(|line| line.strip_prefix(MESSAGE));
        messages
            .map(|message| unhex(message.split_once(' ').unwrap_or((message, "")).1))
            .collect()
    }

    /// Waits for at least `count` entries in the status documents so far.
    #[track_caller]
    pub(crate) fn wait_for_statuses(&self, count: usize) -> Vec<serde_json::Value> {
        wait_for_some(PATIENCE, &format!("{count} statuses"), || {
            let statuses = self.statuses();
            (statuses.len() >= count).then_some(statuses)
        })
    }

    /// The entries of all status documents so far.
    pub(crate) fn statuses(&self) -> Vec<serde_json::Value> {
        let entries = |payload: Vec<u8>| {
            let document: serde_json::Value =
                serde_json::from_slice(&payload).expect("a status is JSON");
            let entries = document["response"]
                .as_array()
                .expect("a status has a list");
            assert_eq!(
                document.as_object().map(serde_json::Map::len),
                Some(1),
                "{document}"
            );
            entries.clone()
        };
        self.payloads().into_iter().flat_map(entries).collect()
    }
}

/// `mosquitto_pub` or `mosquitto_sub`, told where the gateway is.
pub(crate) fn client(program: &str, address: SocketAddr, version: Version) -> Command {
    // Into a pipe they would write in blocks, and a line would come when it likes.
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", program])
        .args([
            "-h",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ])
        .args(["-V", version.for_mosquitto()]);
    command
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
