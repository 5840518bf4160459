//! Common MQTT clients over TLS: by certificate in either version of TLS, and by password.

use std::{net::SocketAddr, path::Path};

use serde_json::json;

use crate::support::{
    mosquitto::{Subscriber, publish_with},
    python::Script,
    site::{Device, Site},
    version::Version,
};

const USER: [&str; 2] = ["operator", "correct horse battery staple"];

/// Options of mosquitto's clients.
fn options(ca: &Path, more: &[(&str, &str)]) -> Vec<String> {
    let ca = ca.display().to_string();
    let all = [("--cafile", &*ca)].into_iter().chain(more.iter().copied());
    all.flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
        .collect()
}

/// Those of one that is `device`, with a version of TLS.
fn as_device(device: &Device, tls: &str) -> Vec<String> {
    let (certificate, key) = (device.certificate.display(), device.key.display());
    let more = [
        ("-i", &*device.name),
        ("--cert", &certificate.to_string()),
        ("--key", &key.to_string()),
        ("--tls-version", tls),
    ];
    options(&device.ca, &more)
}

/// Publishes a request of the V1 connector and gets its status.
#[track_caller]
fn mosquitto_gets_a_status(
    address: SocketAddr,
    version: Version,
    subscriber: &[String],
    publisher: &[String],
) {
    let statuses = Subscriber::start_with(
        subscriber,
        address,
        version,
        "kinesisfirehose/message/status",
    );
    let id = version.to_string();
    let request = json!({"request": {"data": "hello"}, "id": id}).to_string();
    let topic = "kinesisfirehose/message";
    publish_with(publisher, address, version, topic, request.as_bytes());
    assert_eq!(
        statuses.wait_for_statuses(1),
        [json!({"firehose_record_id": "", "id": id, "status": "success"})]
    );
}

#[test]
fn mosquitto_gets_a_status_by_certificate_in_every_version() {
    let mut site = Site::new();
    let [hears, says] = ["hears", "says"].map(|name| site.thing(name, &["default"]));
    site.start();
    for tls in ["tlsv1.2", "tlsv1.3"] {
        for version in Version::ALL {
            mosquitto_gets_a_status(
                site.addresses().mqtt,
                version,
                &as_device(&hears, tls),
                &as_device(&says, tls),
            );
        }
    }
}

#[test]
fn mosquitto_gets_a_status_by_password_without_a_certificate() {
    let mut site = Site::new();
    site.policy("operators", &[("iot:*", &["*"])]);
    let [name, password] = USER;
    site.user(name, password, "operators");
    site.start();
    let ca = site.folder().join("access/ca.pem");
    let options = options(&ca, &[("-u", name), ("-P", password)]);
    for version in [Version::V311, Version::V5] {
        mosquitto_gets_a_status(site.addresses().shared, version, &options, &options);
    }
}

#[test]
fn paho_gets_a_status_by_certificate_in_every_version() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let told = json!({
        "mqtt": site.addresses().mqtt.port(),
        "client_id": device.name,
        "ca": device.ca,
        "certificate": device.certificate,
        "key": device.key,
    });
    for tls in ["TLS 1.2", "TLS 1.3"] {
        Script::start("sdk/other.py", &[&told.to_string(), tls]).finish();
    }
}

#[test]
fn paho_gets_a_status_by_password_without_a_certificate() {
    let mut site = Site::new();
    site.policy("operators", &[("iot:*", &["*"])]);
    let [name, password] = USER;
    site.user(name, password, "operators");
    site.start();
    let told = json!({
        "shared": site.addresses().shared.port(),
        "client_id": "a console",
        "ca": site.folder().join("access/ca.pem"),
        "user": USER,
    });
    Script::start("sdk/other.py", &[&told.to_string(), "password"]).finish();
}
