//! What operators ask: the commands of the binary, and the admin server itself.

use std::{
    ffi::OsStr,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{
    gateway::{Finished, Gateway, run_to_end},
    wait::{PATIENCE, wait_for_some},
};

/// The beginning of a `[admin]` that serves metrics on TCP.
pub(crate) const METRICS: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

/// Runs a command about `gateway`, which may run or not.
#[track_caller]
pub(crate) fn command(gateway: &Gateway, arguments: &[&str]) -> Finished {
    let data_dir = gateway.data_dir();
    let mut all: Vec<&dyn AsRef<OsStr>> = Vec::new();
    all.extend(
        arguments
            .iter()
            .map(|argument| argument as &dyn AsRef<OsStr>),
    );
    all.extend([&"--data-dir" as &dyn AsRef<OsStr>, &data_dir]);
    run_to_end(&gateway.folder(), &all)
}

/// The same for a command that does all that it was asked for.
#[track_caller]
pub(crate) fn done(gateway: &Gateway, arguments: &[&str]) -> String {
    let finished = command(gateway, arguments);
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished.stdout
}

/// The same for one that prints lines of JSON.
#[track_caller]
pub(crate) fn json(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let arguments = [arguments, &["--json"]].concat();
    let stdout = done(gateway, &arguments);
    let lines = stdout.lines();
    let values = lines.map(|line| serde_json::from_str(line).expect("a line of JSON"));
    values.collect()
}

/// The admin socket.
pub(crate) fn socket(gateway: &Gateway) -> PathBuf {
    gateway.data_dir().join("admin.sock")
}

/// Sends `request` through the socket; all that comes back until the end of the connection.
#[track_caller]
pub(crate) fn ask_socket(gateway: &Gateway, request: &[u8]) -> String {
    let stream = UnixStream::connect(socket(gateway)).expect("the admin socket is there");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, request)
}

/// A connection to where metrics are served.
#[track_caller]
pub(crate) fn open_tcp(gateway: &Gateway) -> TcpStream {
    let address = wait_for_some(PATIENCE, "it tells where metrics are", || {
        gateway.stdout().lines().find_map(|line| {
            let url = line.trim_start().strip_prefix("metrics")?.trim_start();
            let address = url.strip_prefix("http://")?.strip_suffix("/metrics")?;
            Some(address.to_owned())
        })
    });
    let stream = TcpStream::connect(address).expect("the admin server takes connections");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The same over TCP.
#[track_caller]
pub(crate) fn ask_tcp(gateway: &Gateway, request: &[u8]) -> String {
    exchange(open_tcp(gateway), request)
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n").into_bytes()
}

/// A request with one.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A connection that is closed while something is written is an answer, too.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).ok();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("no answer came in time")
        }
        _ => String::from_utf8(answer).expect("an answer is UTF-8"),
    }
}

/// The metrics of a gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// Reads them through the socket.
    #[track_caller]
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self::through(&socket(gateway))
    }

    /// The same through the socket that is there.
    #[track_caller]
    pub(crate) fn through(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the admin socket is there");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = exchange(stream, &get("/metrics"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        Self(body.to_owned())
    }

    /// The value of a sample, written as in the text: `name{label="value"}`.
    #[track_caller]
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("there is no {sample} in\n{}", self.0));
        value.parse().expect("a sample's value is a number")
    }

    /// A count of records.
    #[track_caller]
    pub(crate) fn records(&self, what: &str, connector: &str, destination: &str) -> f64 {
        self.value(&format!(
            "perennial_records_{what}{{connector=\"{connector}\",destination=\"{destination}\"}}"
        ))
    }

    /// Whether every accepted record is in exactly one place.
    #[track_caller]
    pub(crate) fn add_up(&self, connector: &str, destination: &str) -> bool {
        let ends = [
            "delivered_total",
            "dead_total",
            "dropped_total",
            "expired_total",
            "queued",
        ];
        let count = |what: &str| self.records(what, connector, destination);
        count("accepted_total") == ends.into_iter().map(count).sum::<f64>()
    }
}
