//! Names that are meant to lead out of the access directory.

use std::{collections::BTreeSet, fs, path::Path};

use super::{NOT_AUTHORIZED, assert_served, connack_as};
use crate::support::{site::Site, tls::TlsClient};

const TRICKS: [&str; 9] = [
    "../sensor",
    "../../access/things/sensor",
    "/etc/passwd",
    "sensor/../sensor",
    "./sensor",
    "..",
    "sensor.toml",
    "%2e%2e%2fsensor",
    "sensor\\..\\sensor",
];

/// All files and folders below `folder`.
fn all_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.insert(path.display().to_string());
        if path.is_dir() {
            found.extend(all_below(&path));
        }
    }
    found
}

#[test]
fn a_thing_with_such_a_name_is_not_added_and_nothing_is_written() {
    let site = Site::new();
    site.thing("sensor", &["default"]);
    let before = all_below(site.folder());
    for name in TRICKS.into_iter().chain(["", "*", "a b", "+"]) {
        for command in [["things", "add"], ["things", "remove"], ["certs", "revoke"]] {
            let finished = site.command(&[&command[..], &[name]].concat());
            assert_ne!(finished.code, Some(0), "{command:?} {name:?}");
            assert!(!finished.stderr.contains("panicked"), "{finished:?}");
        }
    }
    assert_eq!(all_below(site.folder()), before);
}

#[test]
fn a_client_with_such_an_identifier_is_nobody() {
    let mut site = Site::new();
    site.policy("everything", &[("iot:*", &["*"])]);
    let device = site.thing("sensor", &["everything"]);
    site.start();
    let client = TlsClient::of(&device);
    for name in TRICKS {
        let found = connack_as(&client, site.addresses().mqtt, name);
        assert_eq!(found, NOT_AUTHORIZED, "{name:?}");
    }
    assert_served(&site, &device);
}
