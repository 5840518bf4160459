//! What a process may have open is not what a gateway dies of: connections are not given what the
//! store needs.

use crate::support::{
    device::{Device, Publish},
    gateway::Gateway,
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// More clients than a process with this many open files can have.
const OPEN_FILES: &str = "256";
const FILES: usize = 256;
const CROWD: usize = 400;

/// Whatever comes under `kept/` is stored.
const KEPT: &str = r#"
[[connector]]
name = "kept"
contract = "plain"
upstream = "file"
parameters.destination = "kept"
upstream_parameters.path = "kept"
[[rule]]
filter = "kept/#"
connector = "kept"
"#;

#[test]
fn a_crowd_that_shows_nothing_takes_no_file_from_the_store() {
    let mut gateway = Gateway::prepare(0, KEPT);
    gateway.bound_open_files("-n", OPEN_FILES);
    gateway.restart();
    let mut publisher = Device::connect(gateway.address(), V311, "publisher");
    let crowd: Vec<Wire> = (0..CROWD).map(|_| Wire::open(gateway.address())).collect();
    wait_for(PATIENCE, "the crowd is in as far as it gets", || {
        gateway.open_files() > FILES / 2
    });
    // More than the store keeps in memory, so that it has to open files.
    for _ in 0..500 {
        publisher.publish(&Publish::new("kept/x", "x".repeat(40_000)).qos(1));
    }
    let stderr = gateway.stderr();
    assert!(stderr.contains("`ulimit -n`"), "{stderr}");
    assert!(stderr.contains("as many connections are open"), "{stderr}");
    drop(crowd);
    assert_eq!(gateway.terminate().code(), Some(0));
}

#[test]
fn as_many_files_are_opened_as_the_system_allows_if_it_is_asked() {
    let mut gateway = Gateway::prepare(0, KEPT);
    gateway.bound_open_files("-Sn", OPEN_FILES);
    gateway.restart();
    let mut crowd: Vec<Wire> = (0..CROWD)
        .map(|number| {
            let mut wire = Wire::open(gateway.address());
            wire.send(&wire::connect(V311, &format!("client-{number}")));
            wire
        })
        .collect();
    for wire in &mut crowd {
        assert_eq!(wire.expect("CONNACK").body, [0, 0]);
    }
}
