//! Greengrass discovery: by the SDKs, which then connect as they were told, and by the byte.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};

use crate::support::{
    javascript::node,
    python::Script,
    site::{Device, NAME, Site},
    tls::TlsClient,
};

/// A gateway that runs and is named `core-1`, a device of it, and one that is kept out.
fn site() -> (Site, Device, Device) {
    let mut site = Site::new();
    site.change_config(|config| {
        config.replace("[discovery]\n", "[discovery]\ncore = \"core-1\"\n")
    });
    let device = site.thing("sensor", &["default"]);
    let disabled = site.thing("disabled", &["default"]);
    site.thing("other", &["default"]);
    site.succeed(&["things", "disable", "disabled"]);
    site.start();
    (site, device, disabled)
}

/// Runs a script on both ports that AWS has for discovery.
#[track_caller]
fn by_sdk(start: impl Fn(&[&str]) -> Script) {
    let (site, device, disabled) = site();
    let addresses = site.addresses();
    let told = json!({
        "mqtt": addresses.mqtt.port(),
        "https": addresses.https.port(),
        "shared": addresses.shared.port(),
        "name": NAME,
        "ca": device.ca,
        "certificate": device.certificate,
        "key": device.key,
        "client_id": device.name,
        "disabled": {
            "name": disabled.name,
            "certificate": disabled.certificate,
            "key": disabled.key,
        },
    });
    for way in ["HTTPS", "HTTPS with ALPN"] {
        start(&[&told.to_string(), way]).finish();
    }
    let counts = site.metrics();
    let refused = |reason| {
        counts.value(&format!(
            "perennial_refusals_total{{action=\"Discover\",reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(refused("other_thing"), 2.0);
    assert_eq!(refused("disabled_thing"), 2.0);
}

#[test]
fn the_first_sdk_finds_its_core_and_gets_a_status_there() {
    by_sdk(|arguments| Script::start("sdk/first_discovery.py", arguments));
}

#[test]
fn the_second_sdk_finds_its_core_and_gets_a_status_there() {
    by_sdk(|arguments| Script::start("sdk/second_discovery.py", arguments));
}

#[test]
fn the_second_sdk_for_javascript_finds_its_core_and_gets_a_status_there() {
    let script = "sdk/second_discovery.js";
    by_sdk(|arguments| Script::spawn(node(script), script, arguments));
}

/// The status and the body of an answer to `GET path` without any header.
#[track_caller]
fn get(client: &TlsClient, address: SocketAddr, path: &str) -> (String, Value) {
    let answer = client
        .web(address)
        .ask(&format!("GET {path} HTTP/1.1\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer in HTTP");
    let length = format!("\r\ncontent-length: {}", body.len());
    assert!(head.contains(&length) && !body.is_empty(), "{answer}");
    let status = head.lines().next().expect("a first line").to_owned();
    (status, serde_json::from_str(body).expect("JSON"))
}

#[test]
fn a_request_of_one_line_is_answered_on_every_port_for_https_and_foreign_ones_are_refused() {
    let (site, device, _) = site();
    let addresses = site.addresses();
    let path = "/greengrass/discover/thing";
    let client = TlsClient::of(&device);
    let anonymous = TlsClient::anonymous(&device.ca);
    for (client, address) in [
        (client.clone(), addresses.https),
        (client.clone().speaking("x-amzn-http-ca"), addresses.https),
        (client.clone().speaking("x-amzn-http-ca"), addresses.shared),
        (client.clone().speaking("http/1.1"), addresses.shared),
        (client.clone(), addresses.shared),
    ] {
        let (status, body) = get(&client, address, &format!("{path}/sensor"));
        assert_eq!(status, "HTTP/1.1 200 OK");
        let group = &body["GGGroups"][0];
        let entry = &group["Cores"][0]["Connectivity"][0];
        assert_eq!(entry["HostAddress"], "127.0.0.1");
        assert_eq!(entry["PortNumber"], addresses.mqtt.port());
        let ca = fs::read_to_string(&device.ca).unwrap();
        assert_eq!(group["CAs"], json!([ca]));
    }
    for (client, name, status, message) in [
        (&anonymous, "sensor", "401 Unauthorized", "Unauthorized"),
        (&client, "other", "403 Forbidden", "Forbidden"),
        (&client, "nobody", "403 Forbidden", "Forbidden"),
        (
            &client,
            "..%2f..%2fsensor",
            "400 Bad Request",
            "Bad Request",
        ),
        (&client, "other/../sensor", "400 Bad Request", "Bad Request"),
        (&client, "sensor%00", "400 Bad Request", "Bad Request"),
    ] {
        let (found, body) = get(client, addresses.https, &format!("{path}/{name}"));
        assert_eq!(found, format!("HTTP/1.1 {status}"), "{name}");
        assert_eq!(body, json!({ "message": message }), "{name}");
    }
    let (status, _) = get(&client, addresses.https, "/elsewhere");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
}
