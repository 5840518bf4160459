//! paho-mqtt and MQTT.js: each client is a process with a script that does what it is told.
//!
//! A script reads a line of JSON for each request, the first one for the connection, and says
//! goodbye when its input ends. It writes a line for each answer and each message.

use std::{
    io::Write,
    net::SocketAddr,
    process::{ChildStdin, Command, Stdio},
};

use serde::{Deserialize, Serialize};

use super::{
    Transport,
    client::{Client, Connect, Habits, Message, Peer, Publish},
};
use crate::support::{
    gateway::Killed,
    javascript::node,
    python::python,
    transcript::{Transcript, wait_for_exit},
    version::Version,
    wait::{PATIENCE, wait_for_some},
};

/// A language with a library in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Library {
    Paho,
    MqttJs,
}

pub(super) struct Script {
    pub(super) library: Library,
    pub(super) address: SocketAddr,
    pub(super) version: Version,
    pub(super) transport: Transport,
}

impl Client for Script {
    #[track_caller]
    fn connect(&self, how: &Connect<'_>) -> Box<dyn Peer> {
        let mut command = match self.library {
            Library::Paho => python("client.py"),
            Library::MqttJs => node("client.js"),
        };
        command.args([
            self.address.port().to_string(),
            self.version.to_string(),
            self.transport.to_string(),
        ]);
        let mut process = Process::spawn(command);
        let Line::Connected {
            session_present,
            granted,
        } = process.ask(how)
        else {
            panic!("the script does not say that it is connected");
        };
        assert_eq!(granted, how.subscribe.map(|(_, qos)| qos), "granted QoS");
        process.session_present = session_present;
        Box::new(process)
    }

    fn habits(&self) -> Habits {
        Habits {
            resolves_aliases: matches!(self.library, Library::MqttJs),
            ..Habits::default()
        }
    }
}

/// A line of a script's output.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Connected {
        session_present: bool,
        granted: Option<u8>,
    },
    Published,
    Message(Message),
}

struct Process {
    child: Killed,
    stdin: ChildStdin,
    stdout: Transcript,
    stderr: Transcript,
    answers: usize,
    session_present: bool,
}

impl Process {
    fn spawn(mut command: Command) -> Self {
        let mut child = Killed(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the interpreter is there; tests/run installs it"),
        );
        let stdout = Transcript::of(child.0.stdout.take().expect("a pipe"));
        let stderr = Transcript::of(child.0.stderr.take().expect("a pipe"));
        let stdin = child.0.stdin.take().expect("a pipe");
        Self {
            child,
            stdin,
            stdout,
            stderr,
            answers: 0,
            session_present: false,
        }
    }

    #[track_caller]
    fn ask(&mut self, request: &impl Serialize) -> Line {
        let request = serde_json::to_string(request).expect("a request is JSON");
        writeln!(self.stdin, "{request}").expect("the script listens");
        let answer = wait_for_some(PATIENCE, "the script answers", || {
            assert!(
                !self.stdout.has_ended(),
                "the script ended after {request}:\n{}",
                self.stderr.text()
            );
            let lines = self.lines().into_iter();
            lines
                .filter(|line| !matches!(line, Line::Message(_)))
                .nth(self.answers)
        });
        self.answers += 1;
        answer
    }

    fn lines(&self) -> Vec<Line> {
        let read = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        self.stdout.lines().iter().map(read).collect()
    }
}

impl Peer for Process {
    fn session_present(&self) -> Option<bool> {
        Some(self.session_present)
    }

    #[track_caller]
    fn publish(&mut self, publish: &Publish<'_>) {
        assert!(matches!(self.ask(publish), Line::Published));
    }

    fn messages(&self) -> Vec<Message> {
        let message = |line| match line {
            Line::Message(message) => Some(message),
            Line::Connected { .. } | Line::Published => None,
        };
        self.lines().into_iter().filter_map(message).collect()
    }

    #[track_caller]
    fn leave(self: Box<Self>) {
        let Self {
            mut child,
            stdin,
            stderr,
            ..
        } = *self;
        drop(stdin);
        let status = wait_for_exit(&mut child.0, PATIENCE, "the script");
        assert!(status.success(), "{status}:\n{}", stderr.text());
    }

    fn kill(self: Box<Self>) {
        drop(self);
    }
}
