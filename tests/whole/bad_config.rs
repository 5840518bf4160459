//! A wrong configuration: every error at once, and nothing starts.

use std::{ffi::OsStr, fs, net::TcpListener};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::gateway::{Finished, Gateway, run_to_end};

/// Eleven errors; the address is taken, so that a gateway that binds is found out.
fn wrong(address: &str) -> String {
    format!(
        r##"data_dir = "data"
data_dri = "data"

[[listener]]
adress = "127.0.0.1:0"
address = "{address}"

[limits]
max_connections = "many"
connect_timeout = "soon"

[[connector]]
name = "one"
contract = "firehos"
upstream = "file"
upstream_parameters = {{ path = "one" }}

[[connector]]
name = "two"
contract = "firehose"
upstream = "fiel"
parameters = {{ default_delivery_stream_arn = "arn:aws:kinesis:us-east-1:123456789012:stream/a" }}

[[connector]]
name = "two"
contract = "plain"
upstream = "file"
parameters = {{ destination = "a", publish_interval = 901 }}
upstream_parameters = {{ path = "two" }}

[[rule]]
filter = "a/#/b"
connector = "two"

[[rule]]
filter = "b"
connector = "three"
"##
    )
}

/// Line and column of each error, and what its message names.
const ERRORS: &[(usize, usize, &[&str])] = &[
    (2, 1, &["data_dri", "data_dir"]),
    (5, 1, &["adress", "address"]),
    (9, 19, &["max_connections", "many", "number"]),
    (10, 19, &["connect_timeout", "soon"]),
    (14, 12, &["firehos", "firehose", "plain"]),
    (21, 12, &["fiel", "file"]),
    (22, 46, &["kinesis", "arn:aws:firehose:"]),
    (25, 8, &["two"]),
    (28, 54, &["publish_interval", "901", "15m"]),
    (32, 10, &["a/#/b"]),
    (37, 13, &["three", "one", "two"]),
];

#[track_caller]
fn assert_reports_every_error(finished: &Finished) {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "");
    for (line, column, message) in ERRORS {
        let place = format!("wrong.toml:{line}:{column}: ");
        let found = finished
            .stderr
            .lines()
            .find_map(|error| error.split_once(&place));
        let Some((_, text)) = found else {
            panic!("no error at {place}\n{}", finished.stderr);
        };
        for part in *message {
            assert!(
                text.contains(part),
                "{place} says nothing of {part:?}: {text}"
            );
        }
    }
    assert_eq!(
        finished.stderr.lines().count(),
        ERRORS.len(),
        "{}",
        finished.stderr
    );
}

#[test]
fn check_and_run_report_every_error_with_line_and_column_and_nothing_starts() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = folder.path().join("wrong.toml");
    fs::write(&path, wrong(&taken.local_addr().unwrap().to_string())).unwrap();

    let checked = run_to_end(folder.path(), &[&"check", &"--config", &path]);
    assert_reports_every_error(&checked);
    let run = run_to_end(folder.path(), &[&"run", &"--config", &path]);
    assert_reports_every_error(&run);
    assert!(!folder.path().join("data").exists(), "nothing is written");
}

#[test]
fn an_error_of_syntax_is_reported_with_its_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("perennial.toml");
    fs::write(&path, "data_dir = \"data\"\n[[listener]\n").unwrap();
    let finished = run_to_end(folder.path(), &[&"check", &"--config", &path]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("perennial.toml:2:"),
        "{finished:?}"
    );
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
}

#[test]
fn a_file_that_is_not_there_and_a_command_that_does_not_exist_have_the_same_exit_code() {
    let folder = TempDir::new().unwrap();
    let missing = run_to_end(folder.path(), &[&"run", &"--config", &"missing.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("missing.toml"), "{missing:?}");
    let unknown = run_to_end(folder.path(), &[&"rnu"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("rnu"), "{unknown:?}");
}

#[test]
fn an_address_that_others_reach_is_refused_as_long_as_nobody_is_authenticated() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("open.toml");
    fs::write(&path, "[[listener]]\naddress = \"0.0.0.0:0\"\n").unwrap();
    let refused = run_to_end(folder.path(), &[&"check", &"--config", &path]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("open.toml:2:11: "), "{refused:?}");
    assert!(refused.stderr.contains("insecure"), "{refused:?}");

    fs::write(
        &path,
        "[[listener]]\naddress = \"0.0.0.0:0\"\ninsecure = true\n",
    )
    .unwrap();
    let allowed = run_to_end(folder.path(), &[&"check", &"--config", &path]);
    assert_eq!((allowed.code, allowed.stderr.as_str()), (Some(0), ""));
}

/// A folder with a configuration whose address is taken, and what takes it.
fn with_a_port_in_use() -> (TempDir, TcpListener, String) {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = format!("[[listener]]\naddress = \"{address}\"\n");
    fs::write(folder.path().join("perennial.toml"), config).unwrap();
    (folder, taken, address)
}

#[test]
fn a_port_in_use_is_one_line_that_names_it() {
    let (folder, _taken, address) = with_a_port_in_use();
    let finished = run_to_end(folder.path(), &[&"run", &"--config", &"perennial.toml"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stdout, "");
    let naming: Vec<_> = finished
        .stderr
        .lines()
        .filter(|line| line.contains(&address))
        .collect();
    assert_eq!(naming.len(), 1, "{finished:?}");
    assert!(naming[0].to_lowercase().contains("in use"), "{finished:?}");
}

#[test]
fn with_json_logs_every_line_is_json_and_nothing_else_is_printed() {
    let (folder, _taken, address) = with_a_port_in_use();
    let arguments: [&dyn AsRef<OsStr>; 4] = [&"run", &"--log-json", &"--config", &"perennial.toml"];
    let finished = run_to_end(folder.path(), &arguments);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    let lines: Vec<Value> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert!(
        lines.iter().any(|line| line.to_string().contains(&address)),
        "{finished:?}"
    );
}

#[test]
fn a_second_gateway_in_the_same_data_directory_is_refused_by_name() {
    let gateway = Gateway::start("");
    let data_dir = gateway.data_dir();
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("perennial.toml"),
        "[[listener]]\naddress = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let arguments: [&dyn AsRef<OsStr>; 5] = [
        &"run",
        &"--config",
        &"perennial.toml",
        &"--data-dir",
        &data_dir,
    ];
    let finished = run_to_end(folder.path(), &arguments);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("is in use: another gateway runs"),
        "{finished:?}"
    );
}
