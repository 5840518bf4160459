//! Certificates: of devices that keep their own, of the listeners, and of other authorities.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::{comes_in, json};
use crate::support::{
    authority::Authority,
    gateway::run_to_end,
    site::{Device, Site},
    wait::{PATIENCE, wait_for},
};

#[test]
fn a_device_may_make_its_own_key() {
    let mut site = Site::new();
    let key = KeyPair::generate().unwrap();
    let mut request = CertificateParams::default();
    // What it calls itself is of no meaning.
    request
        .distinguished_name
        .push(rcgen::DnType::CommonName, "somebody-else");
    let request = request.serialize_request(&key).unwrap().pem().unwrap();
    let (csr, key_path) = (site.folder().join("a.csr"), site.folder().join("a.key"));
    fs::write(&csr, request).unwrap();
    fs::write(&key_path, key.serialize_pem()).unwrap();
    let printed = site.succeed(&["things", "add", "own-key", "--csr", "a.csr"]);
    assert!(printed.contains("the one that it has"), "{printed}");

    let out = site.folder().join("own-key-credentials");
    assert!(!out.join("own-key.key").exists());
    site.start();
    let device = Device {
        name: "own-key".to_owned(),
        ca: out.join("ca.pem"),
        certificate: out.join("own-key.pem"),
        key: key_path,
    };
    assert!(comes_in(&site, &device));
}

#[test]
fn a_device_may_keep_the_certificate_that_somebody_else_has_issued() {
    let mut site = Site::new();
    let issued = Authority::new("Somebody").issue("serial-4711", site.folder());
    let path = issued.certificate.display().to_string();
    let printed = site.succeed(&["things", "add", "kept", "--certificate", &path]);
    assert!(
        printed.contains("CN=serial-4711, valid until 2090-01-01"),
        "{printed}"
    );
    let inspected = &json(&site, &["certs", "inspect", &path, "--json"])[0];
    let shown = &json(&site, &["things", "show", "kept", "--json"])[0];
    assert_eq!(shown["certificates"][0]["id"], inspected["id"]);
    assert_eq!(inspected["subject"], "CN=serial-4711");

    site.start();
    let device = Device {
        name: "kept".to_owned(),
        ca: site.folder().join("access/ca.pem"),
        certificate: issued.certificate,
        key: issued.key,
    };
    assert!(comes_in(&site, &device));
    let id = inspected["id"].as_str().unwrap();
    site.succeed(&["certs", "revoke", id]);
    wait_for(PATIENCE, "it is kept out", || !comes_in(&site, &device));
    let shown = &json(&site, &["things", "show", "kept", "--json"])[0];
    assert_eq!(shown["certificates"][0]["status"], "revoked");
}

#[test]
fn a_device_of_another_authority_comes_in_once_that_is_trusted() {
    let mut site = Site::new();
    site.start();
    let authority = Authority::new("Factory");
    let pem = authority.write(site.folder()).display().to_string();
    let issued = authority.issue("made-there", site.folder());
    let device = Device {
        name: "made-there".to_owned(),
        ca: site.folder().join("access/ca.pem"),
        certificate: issued.certificate,
        key: issued.key,
    };
    site.succeed(&["things", "add", "made-there", "--no-certificate"]);
    let printed = site.succeed(&["certs", "trust", &pem]);
    assert!(printed.starts_with("Trusted: CN=Factory\n"), "{printed}");
    wait_for(PATIENCE, "it comes in", || comes_in(&site, &device));

    let again = site.command(&["certs", "trust", &pem]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("is not overwritten"), "{again:?}");
}

#[test]
fn what_was_issued_is_revoked_with_its_thing() {
    let site = Site::new();
    site.thing("sensor-1", &[]);
    let list = site.folder().join("access/crls/ca.pem");
    assert!(!list.exists());
    let printed = site.succeed(&["things", "remove", "sensor-1"]);
    assert!(printed.contains("Revoked 1 certificate."), "{printed}");
    let first = fs::read(&list).unwrap();

    // The certificate of a thing that stays is revoked by the thing's name.
    site.thing("sensor-2", &[]);
    let printed = site.succeed(&["certs", "revoke", "sensor-2"]);
    assert!(
        printed.starts_with("Revoked 1 certificate of sensor-2."),
        "{printed}"
    );
    assert_ne!(fs::read(&list).unwrap(), first);
}

#[test]
fn a_thing_that_does_not_go_keeps_its_certificate() {
    let site = Site::new();
    site.thing("sensor-1", &[]);
    site.user("operator", "secret", "default");
    site.change_thing("sensor-1", |text| text);
    let users = fs::read_to_string(site.folder().join("access/users.toml")).unwrap();
    site.write("users.toml", &format!("{users}thing = \"sensor-1\"\n"));
    let finished = site.command(&["things", "remove", "sensor-1"]);
    assert_ne!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("operator"), "{finished:?}");
    assert!(!site.folder().join("access/crls/ca.pem").exists());
}

#[test]
fn all_certificates_are_shown_with_the_days_that_are_left() {
    let site = Site::new();
    site.thing("sensor-1", &[]);
    let all = json(&site, &["certs", "inspect", "--json"]);
    let whats: Vec<_> = all.iter().map(|one| one["what"].clone()).collect();
    assert_eq!(whats, ["authority", "server", "thing"]);
    let days: Vec<_> = all
        .iter()
        .map(|one| one["days_left"].as_i64().unwrap())
        .collect();
    assert!((7_000..7_310).contains(&days[0]), "{days:?}");
    assert!((85..=90).contains(&days[1]), "{days:?}");
    assert!((7_000..7_310).contains(&days[2]), "{days:?}");
    assert_eq!(all[2]["thing"], "sensor-1");
    assert_eq!(all[2]["status"], "active");
    let names = all[1]["names"].as_array().unwrap();
    for name in ["DNS localhost", "IP 127.0.0.1"] {
        assert!(names.contains(&json!(name)), "{names:?}");
    }
    let file: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"certs", &"inspect", &"access/server.pem"];
    let alone = run_to_end(site.folder(), &file);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(
        alone.stdout.contains("key          ECDSA, P-256"),
        "{alone:?}"
    );
    let table = site.succeed(&["certs", "inspect"]);
    assert!(
        table.contains("authority: ") && table.contains("days left"),
        "{table}"
    );
}

#[test]
fn the_listeners_get_a_new_certificate_and_devices_trust_the_same_authority() {
    let site = Site::new();
    let id = || json(&site, &["certs", "inspect", "--json"])[1]["id"].clone();
    let before = id();
    let printed = site.succeed(&["certs", "renew"]);
    assert!(printed.contains("localhost"), "{printed}");
    assert_ne!(id(), before);
    let exported = site.succeed(&["certs", "export-ca"]);
    let authority = fs::read_to_string(site.folder().join("access/ca.pem")).unwrap();
    assert_eq!(exported, authority.trim_end());
    site.succeed(&["certs", "export-ca", "--out", "exported.pem"]);
    let written = fs::read_to_string(site.folder().join("exported.pem")).unwrap();
    assert_eq!(written, authority);
    let again = site.command(&["certs", "export-ca", "--out", "exported.pem"]);
    assert_eq!(again.code, Some(1), "{again:?}");
}
