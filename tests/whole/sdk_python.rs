//! The Python SDKs of AWS IoT as they are, with nothing changed but endpoint and authority.
//!
//! Each publishes to a topic of a Greengrass V1 connector and gets its status.

use serde_json::json;

use crate::support::{
    gateway::quiet_port,
    python::Script,
    site::{Device, Site},
};

/// A gateway that runs, and a device of it.
fn site() -> (Site, Device) {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    (site, device)
}

/// Runs `script` in each of `ways`, one after the other, over mutual TLS.
#[track_caller]
fn by_certificate(script: &str, ways: &[&str]) {
    let (site, device) = site();
    let told = site.told(&device).to_string();
    for way in ways {
        Script::start(script, &[&told, way]).finish();
    }
}

/// Runs `script` in each of `ways`, one after the other, with signed requests.
#[track_caller]
fn by_signature(script: &str, ways: &[&str]) {
    let (_site, told) = Site::for_signing();
    let told = told.to_string();
    for way in ways {
        Script::start(script, &[&told, way]).finish();
    }
}

#[test]
fn the_first_sdk_gets_a_status_over_mutual_tls_and_by_alpn() {
    by_certificate("sdk/first.py", &["mutual TLS", "mutual TLS with ALPN"]);
}

#[test]
fn the_first_sdk_gets_a_status_over_a_signed_web_socket() {
    by_signature(
        "sdk/first.py",
        &["WebSocket", "WebSocket on the shared port"],
    );
}

#[test]
fn the_last_will_of_the_first_sdk_is_published_when_its_connection_breaks() {
    let mut site = Site::new();
    site.policy(
        "wills",
        &[
            ("iot:Connect", &["client/${iot:Connection.Thing.ThingName}"]),
            ("iot:Publish", &["topic/sensor/will"]),
            ("iot:Receive", &["topic/sensor/will"]),
            ("iot:Subscribe", &["topicfilter/sensor/will"]),
        ],
    );
    let device = site.thing("sensor", &["wills"]);
    let watcher = site.thing("watcher", &["wills"]);
    site.start();
    let mut told = site.told(&device);
    told["watcher"] = json!({
        "client_id": watcher.name,
        "certificate": watcher.certificate,
        "key": watcher.key,
    });
    Script::start("sdk/first_will.py", &[&told.to_string(), "mutual TLS"]).finish();
}

#[test]
fn what_the_first_sdk_queues_while_the_gateway_is_away_arrives_after_the_restart() {
    let mut site = Site::on(&format!("127.0.0.1:{}", quiet_port()), "");
    let device = site.thing("sensor", &["default"]);
    site.start();
    let told = site.told(&device).to_string();
    let script = Script::start("sdk/first_offline.py", &[&told, "mutual TLS"]);
    script.wait_for("connected");
    site.kill9();
    script.wait_for("queued");
    site.start();
    script.finish();
}

#[test]
fn the_second_sdk_gets_a_status_and_keeps_its_session_over_mutual_tls_and_by_alpn() {
    by_certificate("sdk/second_v3.py", &["mutual TLS", "mutual TLS with ALPN"]);
}

#[test]
fn the_second_sdk_gets_a_status_and_keeps_its_session_in_mqtt_5() {
    by_certificate("sdk/second_v5.py", &["mutual TLS", "mutual TLS with ALPN"]);
}

#[test]
fn the_second_sdk_gets_a_status_over_a_signed_web_socket() {
    let ways = ["WebSocket", "WebSocket with ALPN"];
    by_signature("sdk/second_v3.py", &ways);
    by_signature("sdk/second_v5.py", &ways);
}
