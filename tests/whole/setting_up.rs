//! From nothing to a device that publishes: the commands about identities, with and without a
//! gateway that runs.

mod certificates;
mod logins;
mod policies;
mod wrong;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    gateway::run_to_end,
    site::{Device, Site},
    tls::TlsClient,
    version::Version::V5,
    wait::{PATIENCE, wait_for},
    wire,
};

/// What a command prints, a JSON value a line.
#[track_caller]
fn json(site: &Site, command: &[&str]) -> Vec<Value> {
    let lines = site.succeed(command);
    let read = |line| serde_json::from_str(line).expect("a line of JSON");
    lines.lines().map(read).collect()
}

/// Whether the gateway lets a device in.
fn comes_in(site: &Site, device: &Device) -> bool {
    let mut wire = TlsClient::of(device).open(site.addresses().mqtt);
    wire.send(&wire::connect(V5, &device.name));
    let answer = wire.receive();
    answer.is_some_and(|packet| packet.first == 0x20 && packet.body[1] == 0)
}

/// Everything in `folder`, folders too.
fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
        }
        found.push(path);
    }
    found
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_device_publishes_after_three_commands() {
    let mut site = Site::new();
    let checked = site.succeed(&["check"]);
    assert!(checked.contains("no errors"), "{checked}");
    assert!(
        checked.contains("  listening  TLS 127.0.0.1:0"),
        "{checked}"
    );
    let device = site.thing("sensor-1", &[]);
    site.start();

    let mut wire = TlsClient::of(&device).open(site.addresses().mqtt);
    wire.greet(V5, "sensor-1");
    wire.subscribe(V5, "sensor-1/#", 1);
    wire.send(&wire::publish(V5, 1, 7, b"sensor-1/hello", b"hello"));
    let answers = [wire.expect("an answer"), wire.expect("an answer")];
    let mut firsts = answers.map(|packet| packet.first & 0xf0);
    firsts.sort_unstable();
    assert_eq!(firsts, [0x30, 0x40], "its message and the acknowledgement");
}

#[test]
fn a_gateway_that_runs_lets_a_new_thing_in_and_a_disabled_one_out() {
    let mut site = Site::new();
    site.start();
    let device = site.thing("late", &[]);
    wait_for(PATIENCE, "the thing comes in", || comes_in(&site, &device));
    site.succeed(&["things", "disable", "late"]);
    wait_for(PATIENCE, "the thing is kept out", || {
        !comes_in(&site, &device)
    });
    site.succeed(&["things", "enable", "late"]);
    wait_for(PATIENCE, "the thing is back", || comes_in(&site, &device));
}

#[test]
fn what_init_makes_is_for_its_user_alone() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("a \"gateway\"");
    let init: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"init", &dir, &"--name", &"gateway.local"];
    let finished = run_to_end(folder.path(), &init);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(mode(&dir), 0o700);
    let found = everything_in(&dir);
    for path in &found {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(!name.starts_with('.'), "{name} is left over");
        let is_public = [".pem", ".json"].iter().any(|end| name.ends_with(end));
        let expected = match (path.is_dir(), is_public) {
            (true, _) => 0o700,
            (false, true) => 0o644,
            (false, false) => 0o600,
        };
        assert_eq!(mode(path), expected, "{}", path.display());
    }
    for name in [
        "ca.key",
        "ca.pem",
        "server.key",
        "server.pem",
        "policies/default.json",
    ] {
        assert!(found.contains(&dir.join("access").join(name)), "{name}");
    }
    // The path is written so that it is read as it is.
    let config = dir.join("perennial.toml");
    let finished = run_to_end(folder.path(), &[&"check", &"--config", &config]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_second_init_changes_nothing() {
    for name in ["perennial.toml", "access", "data"] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        let finished = run_to_end(folder.path(), &[&"init", &"."]);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(
            finished.stderr.contains("it stays as it is"),
            "{finished:?}"
        );
        assert_eq!(everything_in(folder.path()).len(), 2);
    }

    let folder = TempDir::new().unwrap();
    assert_eq!(run_to_end(folder.path(), &[&"init", &"."]).code, Some(0));
    let content = || {
        let files = everything_in(folder.path());
        let files = files.into_iter().filter(|path| path.is_file());
        let mut files: Vec<_> = files.map(|path| (fs::read(&path).unwrap(), path)).collect();
        files.sort();
        files
    };
    let before = content();
    let finished = run_to_end(folder.path(), &[&"init", &".", &"--key", &"rsa"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(content(), before);
}

#[test]
fn what_is_written_for_a_device_is_never_written_over() {
    let site = Site::new();
    let device = site.thing("sensor-1", &[]);
    let key = fs::read(&device.key).unwrap();
    assert_eq!(mode(&device.key), 0o600);
    assert_eq!(mode(device.key.parent().unwrap()), 0o700);
    site.succeed(&["things", "remove", "sensor-1"]);

    let out = device.key.parent().unwrap().display().to_string();
    let finished = site.command(&["things", "add", "sensor-1", "--out", &out]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("is not overwritten"),
        "{finished:?}"
    );
    assert_eq!(fs::read(&device.key).unwrap(), key);
    assert!(json(&site, &["things", "list", "--json"]).is_empty());
}

#[test]
fn a_thing_is_listed_shown_disabled_and_removed() {
    let site = Site::new();
    site.policy("more", &[("iot:Publish", &["topic/more"])]);
    let add = [
        "things", "add", "a:b_c-1", "--group", "line-3", "--policy", "more",
    ];
    let told = site.succeed(&[&add[..], &["--no-certificate"]].concat());
    assert!(told.contains("line-3 has no policies: "), "{told}");
    assert!(told.contains("groups/line-3.toml is not there"), "{told}");
    site.thing("second", &[]);

    let things = json(&site, &["things", "list", "--json"]);
    let names: Vec<_> = things.iter().map(|thing| &thing["name"]).collect();
    assert_eq!(names, ["a:b_c-1", "second"]);
    assert_eq!(things[0]["policies"], serde_json::json!(["more"]));
    assert_eq!(things[0]["groups"], serde_json::json!(["line-3"]));
    assert_eq!(things[0]["certificates"], serde_json::json!([]));
    assert_eq!(things[1]["policies"], serde_json::json!(["default"]));
    assert_eq!(things[1]["certificates"][0]["status"], "active");

    site.succeed(&["things", "disable", "second"]);
    let shown = site.succeed(&["things", "show", "second"]);
    assert!(shown.starts_with("second: disabled\n"), "{shown}");
    site.succeed(&["things", "enable", "second"]);
    let shown = site.succeed(&["things", "show", "second"]);
    assert!(shown.starts_with("second: enabled\n"), "{shown}");
    site.succeed(&["things", "remove", "a:b_c-1"]);
    let table = site.succeed(&["things", "list"]);
    assert!(
        !table.contains("a:b_c-1") && table.contains("second"),
        "{table}"
    );
}
