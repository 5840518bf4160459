//! `mosquitto_sub` holds the connection; every publish is a `mosquitto_pub` of its own.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
};

use super::client::{Client, Connect, Habits, Message, Peer, Properties, Publish};
use crate::support::{
    gateway::{Killed, ask_to_end},
    mosquitto::client,
    transcript::{Transcript, wait_for_exit},
    version::Version::{self, V5},
    wait::{PATIENCE, wait_for_some},
};

/// How `mosquitto_sub` is to write a message; no field has a tab in it, and the last is not empty.
const FORMAT: &str = "message\\t%p\\t%t\\t%P\\t%R\\t%D\\t%C\\t%q\\t%r";

/// It has to subscribe to something; nothing is published there.
const NOTHING: &str = "nothing";

pub(super) struct Mosquitto {
    pub(super) address: SocketAddr,
    pub(super) version: Version,
}

impl Client for Mosquitto {
    #[track_caller]
    fn connect(&self, how: &Connect<'_>) -> Box<dyn Peer> {
        let (filter, qos) = how.subscribe.unwrap_or((NOTHING, 0));
        let mut command = client("mosquitto_sub", self.address, self.version);
        command
            .args(["-d", "-F", FORMAT, "-i", how.client_id])
            .args(["-t", filter, "-q", &qos.to_string()]);
        if let Some(seconds) = how.kept {
            command.arg("-c");
            if self.version == V5 {
                command.args(["-x", &seconds.to_string()]);
            }
        }
        if let Some(topic) = how.will {
            command
                .args(["--will-topic", topic, "--will-qos", "1"])
                .args(["--will-payload", how.client_id]);
        }
        let mut child = Killed(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("mosquitto_sub is there; tests/run installs it"),
        );
        let stdout = Transcript::of(child.0.stdout.take().expect("a pipe"));
        let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
        let granted = wait_for_some(PATIENCE, "mosquitto_sub is subscribed", || {
            assert!(
                !stdout.has_ended(),
                "mosquitto_sub ended: {}",
                stderr.text()
            );
            stdout.find(|line| {
                line.strip_prefix("Subscribed (mid: 1): ")
                    .map(str::to_owned)
            })
        });
        assert_eq!(granted, qos.to_string(), "granted QoS");
        Box::new(Subscriber {
            address: self.address,
            version: self.version,
            child,
            stdout,
            stderr,
        })
    }

    fn habits(&self) -> Habits {
        Habits {
            leaves_with_will: self.version == V5,
            ..Habits::default()
        }
    }
}

struct Subscriber {
    address: SocketAddr,
    version: Version,
    child: Killed,
    stdout: Transcript,
    stderr: Transcript,
}

impl Peer for Subscriber {
    fn session_present(&self) -> Option<bool> {
        None
    }

    #[track_caller]
    fn publish(&mut self, publish: &Publish<'_>) {
        let mut command = client("mosquitto_pub", self.address, self.version);
        command.args(["-t", publish.topic, "-q", &publish.qos.to_string()]);
        if publish.retain {
            command.arg("-r");
        }
        if self.version == V5 {
            add_properties(&mut command, &publish.properties, publish.alias);
        }
        // A line is a message, and the last line is none when it is empty.
        let is_empty = publish.payloads == [""];
        command.arg(if is_empty { "-n" } else { "-l" });
        let mut child = Killed(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("mosquitto_pub is there; tests/run installs it"),
        );
        let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
        let mut stdin = child.0.stdin.take().expect("a pipe");
        if !is_empty {
            let lines = publish.payloads.join("\n") + "\n";
            stdin
                .write_all(lines.as_bytes())
                .expect("mosquitto_pub reads its input");
        }
        drop(stdin);
        let status = wait_for_exit(&mut child.0, PATIENCE, "mosquitto_pub");
        assert!(status.success(), "{status}: {}", stderr.text());
    }

    fn messages(&self) -> Vec<Message> {
        let lines = self.stdout.lines();
        lines.iter().filter_map(|line| message(line)).collect()
    }

    #[track_caller]
    fn leave(mut self: Box<Self>) {
        ask_to_end(&self.child.0);
        let status = wait_for_exit(&mut self.child.0, PATIENCE, "mosquitto_sub");
        assert!(status.success(), "{status}: {}", self.stderr.text());
    }

    fn kill(self: Box<Self>) {
        drop(self);
    }
}

fn add_properties(command: &mut Command, properties: &Properties, alias: bool) {
    let mut add = |values: &[&str]| {
        command.args(["-D", "publish"]).args(values);
    };
    for (name, value) in &properties.user {
        add(&["user-property", name, value]);
    }
    let single = [
        ("response-topic", &properties.response_topic),
        ("correlation-data", &properties.correlation_data),
        ("content-type", &properties.content_type),
    ];
    for (name, value) in single {
        if let Some(value) = value {
            add(&[name, value]);
        }
    }
    if alias {
        add(&["topic-alias", "1"]);
    }
}

/// The message in a line of `mosquitto_sub`; the others are about packets.
fn message(line: &str) -> Option<Message> {
    let fields: Vec<&str> = line.strip_prefix("message\t")?.split('\t').collect();
    let some = |field: &str| (!field.is_empty()).then(|| field.to_owned());
    let [
        payload,
        topic,
        user,
        response_topic,
        correlation_data,
        content_type,
        qos,
        retain,
    ] = fields[..]
    else {
        panic!("not the format that was asked for: {line}");
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once(':').expect("a user property has a name");
        (name.to_owned(), value.to_owned())
    };
    Some(Message {
        topic: topic.to_owned(),
        payload: payload.to_owned(),
        qos: qos.parse().expect("a QoS"),
        retain: retain == "1",
        properties: Properties {
            user: user.split_whitespace().map(pair).collect(),
            response_topic: some(response_topic),
            correlation_data: some(correlation_data),
            content_type: some(content_type),
        },
        alias: None,
    })
}
