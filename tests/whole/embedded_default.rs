//! The gateway without a configuration.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    gateway::{Bare, run_to_end},
    mosquitto::{self, Subscriber},
    records::records,
    version::Version,
    wait::{PATIENCE, wait_for},
};

const STATUS: &str = "kinesisfirehose/message/status";

/// Starts what runs without a configuration in `folder`, with a port that is free.
fn start_in(folder: &Path) -> Bare {
    let printed = run_to_end(folder, &[&"config"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let port = "\"127.0.0.1:1883\"";
    assert_eq!(
        printed.stdout.matches(port).count(),
        1,
        "{}",
        printed.stdout
    );
    let config = folder.join("any-port.toml");
    fs::write(&config, printed.stdout.replace(port, "\"127.0.0.1:0\"")).unwrap();
    Bare::start(folder, &[&"run", &"--config", &config])
}

#[test]
fn without_a_configuration_a_request_becomes_a_line_and_its_status_comes_back() {
    let folder = TempDir::new().unwrap();
    let gateway = start_in(folder.path());
    let subscriber = Subscriber::start(gateway.address(), Version::V311, STATUS);

    let request = br#"{"request": {"data": "hello"}, "id": "request123"}"#;
    mosquitto::publish(
        gateway.address(),
        Version::V311,
        "kinesisfirehose/message",
        request,
    );

    let statuses = subscriber.wait_for_statuses(1);
    assert_eq!(
        statuses,
        [json!({"firehose_record_id": "", "id": "request123", "status": "success"})]
    );
    let data = folder.path().join("perennial-data");
    let mode = fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "it is nobody else's");
    let mut records = records(&data.join("firehose"));
    assert_eq!(records.len(), 1);
    let mut taken = |key| records[0].as_object_mut().unwrap().remove(key).unwrap();
    let (time, client) = (taken("time"), taken("client_id"));
    assert_eq!(
        time.as_str().map(|time| (time.len(), &time[10..11])),
        Some((24, "T"))
    );
    assert_eq!(client.as_str().map(str::is_empty), Some(false));
    let wanted = json!({
        "topic": "kinesisfirehose/message",
        "destination": "arn:aws:firehose:us-east-1:000000000000:deliverystream/local",
        "id": "request123",
        "payload": "hello",
    });
    assert_eq!(records[0], wanted);
}

#[test]
fn without_a_configuration_what_is_published_below_sensors_is_kept() {
    let folder = TempDir::new().unwrap();
    let gateway = start_in(folder.path());
    mosquitto::publish(
        gateway.address(),
        Version::V5,
        "sensors/1/temperature",
        b"21.5",
    );
    mosquitto::publish(gateway.address(), Version::V5, "other/1", b"nobody's");
    mosquitto::publish(gateway.address(), Version::V5, "sensors/2", &[0xFF, 0x00]);

    let directory = folder.path().join("perennial-data/archive");
    wait_for(PATIENCE, "two records", || records(&directory).len() >= 2);
    let records = records(&directory);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["topic"], "sensors/1/temperature");
    assert_eq!(records[0]["payload"], "21.5");
    assert_eq!(
        (&records[1]["topic"], &records[1]["payload_base64"]),
        (&json!("sensors/2"), &json!("/wA="))
    );
}

#[test]
fn the_first_lines_say_where_data_goes_and_which_two_commands_to_try() {
    let folder = TempDir::new().unwrap();
    let gateway = start_in(folder.path());
    let port = gateway.address().port();
    let last = format!("mosquitto_pub -h 127.0.0.1 -p {port} ");
    wait_for(PATIENCE, "all lines", || gateway.stdout().contains(&last));
    let stdout = gateway.stdout();
    let data = folder.path().join("perennial-data").display().to_string();
    assert!(stdout.contains(&data), "{stdout}");
    assert!(
        stdout.contains(&format!("mosquitto_sub -h 127.0.0.1 -p {port} ")),
        "{stdout}"
    );
}

#[test]
fn without_a_configuration_the_address_is_port_1883_of_this_machine() {
    // Whoever has the port, this test or another program: the gateway asks for it and is refused.
    let _taken = TcpListener::bind("127.0.0.1:1883");
    let folder = TempDir::new().unwrap();
    let finished = run_to_end(folder.path(), &[]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("127.0.0.1:1883"), "{finished:?}");
}
