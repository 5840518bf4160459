//! The JavaScript SDKs of AWS IoT as they are, with nothing changed but endpoint and authority.
//!
//! Each publishes to a topic of a Greengrass V1 connector and gets its status.

use crate::support::{javascript::node, python::Script, site::Site};

const BY_CERTIFICATE: [&str; 2] = ["mutual TLS", "mutual TLS on the shared port"];
const BY_SIGNATURE: [&str; 2] = ["WebSocket", "WebSocket on the shared port"];

/// Runs `script` in each of `ways`, one after the other, over mutual TLS.
#[track_caller]
fn by_certificate(script: &str, ways: &[&str]) {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let told = site.told(&device).to_string();
    for way in ways {
        Script::spawn(node(script), script, &[&told, way]).finish();
    }
}

/// Runs `script` in each of `ways`, one after the other, with signed requests.
#[track_caller]
fn by_signature(script: &str, ways: &[&str]) {
    let (_site, told) = Site::for_signing();
    let told = told.to_string();
    for way in ways {
        Script::spawn(node(script), script, &[&told, way]).finish();
    }
}

#[test]
fn the_first_sdk_gets_a_status_over_mutual_tls_and_by_alpn() {
    by_certificate("sdk/first.js", &["mutual TLS", "mutual TLS with ALPN"]);
}

#[test]
fn the_first_sdk_gets_a_status_over_a_signed_web_socket() {
    by_signature("sdk/first.js", &BY_SIGNATURE);
}

#[test]
fn the_second_sdk_gets_a_status_over_mutual_tls() {
    by_certificate("sdk/second_v3.js", &BY_CERTIFICATE);
    by_certificate("sdk/second_v5.js", &BY_CERTIFICATE);
}

#[test]
fn the_second_sdk_gets_a_status_over_a_signed_web_socket() {
    by_signature("sdk/second_v3.js", &BY_SIGNATURE);
    by_signature("sdk/second_v5.js", &BY_SIGNATURE);
}
