//! Who may do what changes while the gateway runs: for clients that are connected, for what
//! waits for those that are away, and never by half.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::support::{
    authority::Authority,
    gateway::Gateway,
    site::{Device, Site},
    tls::{Stream, TlsClient},
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

const NOT_AUTHORIZED: u8 = 0x87;

/// What `lamp` may do at first.
const WIDE: [(&str, &[&str]); 4] = [
    ("iot:Connect", &["client/lamp"]),
    ("iot:Publish", &["topic/*"]),
    ("iot:Receive", &["topic/*"]),
    ("iot:Subscribe", &["topicfilter/*"]),
];

/// The same without the topics that begin with `closed`.
const NARROW: [(&str, &[&str]); 4] = [
    ("iot:Connect", &["client/lamp"]),
    ("iot:Publish", &["topic/open/*"]),
    ("iot:Receive", &["topic/open/*"]),
    ("iot:Subscribe", &["topicfilter/*"]),
];

const RELOADS: &str = "perennial_access_reloads_total";
const FAILED: &str = "perennial_access_reload_failed";

/// A gateway that runs, with the thing `lamp`, whose policy is `WIDE` and called `lamp`.
fn site() -> (Site, Device) {
    site_with("")
}

/// The same with `more` at the end of its configuration.
fn site_with(more: &str) -> (Site, Device) {
    let mut site = Site::with(more);
    site.policy("lamp", &WIDE);
    let lamp = site.thing("lamp", &["lamp"]);
    site.start();
    (site, lamp)
}

fn connected(site: &Site, device: &Device) -> Wire<Stream> {
    let mut wire = TlsClient::of(device).open(site.addresses().mqtt);
    wire.greet(V5, &device.name);
    wire
}

/// Whether a device can connect.
fn is_welcome(site: &Site, device: &Device) -> bool {
    let mut wire = TlsClient::of(device).open(site.addresses().mqtt);
    wire.send(&wire::connect(V311, &device.name));
    wire.receive().is_some_and(|connack| connack.body[1] == 0)
}

/// The reason code of the acknowledgement of a message at QoS 1.
#[track_caller]
fn publish(wire: &mut Wire<Stream>, topic: &str) -> u8 {
    wire.send(&wire::publish(V5, 1, 1, topic.as_bytes(), b"on"));
    let puback = wire.expect("PUBACK");
    assert_eq!(puback.first, 0x40, "{puback:?}");
    puback.body.get(2).copied().unwrap_or(0)
}

#[track_caller]
fn assert_expelled(mut wire: Wire<Stream>) {
    let farewell = wire.expect("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, NOT_AUTHORIZED));
    assert_eq!(wire.receive(), None);
}

/// Waits until what was changed is in force.
#[track_caller]
fn wait_for_reload(site: &Site, before: f64) {
    wait_for(PATIENCE, "the change is read", || {
        site.metrics().value(RELOADS) > before
    });
}

#[test]
fn a_thing_that_is_disabled_or_whose_certificate_is_revoked_is_cut_and_others_are_not() {
    let (site, lamp) = site();
    let meter = site.thing("meter", &["default"]);
    wait_for(PATIENCE, "the meter comes in", || is_welcome(&site, &meter));
    let mut other = connected(&site, &meter);
    let wire = connected(&site, &lamp);
    site.succeed(&["things", "disable", "lamp"]);
    assert_expelled(wire);
    assert!(!is_welcome(&site, &lamp));

    site.succeed(&["things", "enable", "lamp"]);
    wait_for(PATIENCE, "the lamp comes in", || is_welcome(&site, &lamp));
    let wire = connected(&site, &lamp);
    site.succeed(&["certs", "revoke", "lamp"]);
    assert_expelled(wire);
    assert!(!is_welcome(&site, &lamp));
    assert_eq!(publish(&mut other, "meter/state"), 0);
    let metrics = site.metrics();
    assert_eq!(
        metrics.value("perennial_broker_connections_expelled_total"),
        2.0
    );
}

#[test]
fn a_connection_ends_when_the_certificate_does_that_it_was_made_with() {
    let mut site = Site::new();
    let lamp = site.thing("lamp", &["default"]);
    let authority = Authority::new("a stranger");
    let short = authority.issue_for(Duration::from_secs(12), "meter", site.folder());
    let certificate = short.certificate.display().to_string();
    site.succeed(&["things", "add", "meter", "--certificate", &certificate]);
    site.start();
    let mut other = connected(&site, &lamp);
    let meter = Device {
        name: "meter".to_owned(),
        certificate: short.certificate,
        key: short.key,
        ..lamp.clone()
    };
    assert_expelled(connected(&site, &meter));
    assert_eq!(publish(&mut other, "lamp/state"), 0);
    let expelled = "perennial_broker_connections_expelled_total";
    assert_eq!(site.metrics().value(expelled), 1.0);
}

#[test]
fn a_policy_that_changes_holds_on_connections_that_are_open() {
    let (site, lamp) = site();
    let mut wire = connected(&site, &lamp);
    assert_eq!(publish(&mut wire, "closed/a"), 0);
    wire.subscribe(V5, "#", 0);
    let mut local = Wire::connect(site.addresses().plain, V311, "local");
    local.send(&wire::publish(V311, 0, 0, b"closed/b", b"seen"));
    wire.expect("a message on a topic that is open yet");

    site.policy("lamp", &NARROW);
    wait_for(PATIENCE, "the policy is in force", || {
        // It sees what it publishes itself for as long as it may.
        wire.send(&wire::publish(V5, 1, 1, b"closed/a", b"on"));
        loop {
            let packet = wire.expect("PUBACK");
            if packet.first == 0x40 {
                break packet.body.get(2) == Some(&NOT_AUTHORIZED);
            }
        }
    });
    for topic in [&b"closed/b"[..], b"open/b"] {
        local.send(&wire::publish(V311, 0, 0, topic, b"seen"));
    }
    let seen = wire.expect("a message");
    assert!(seen.body.ends_with(b"open/b\0seen"), "{seen:?}");
}

#[test]
fn messages_that_wait_are_withheld_when_a_policy_has_become_narrower() {
    let (site, lamp) = site();
    let persistent = wire::connect_as(V311, "lamp", 0, &[]);
    let mut wire = TlsClient::of(&lamp).open(site.addresses().mqtt);
    wire.send(&persistent);
    assert_eq!(wire.expect("CONNACK").body, [0, 0]);
    wire.subscribe(V311, "#", 1);
    drop(wire);
    let away = "perennial_broker_connections";
    wait_for(PATIENCE, "the lamp is away", || {
        site.metrics().value(away) == 0.0
    });

    let mut local = Wire::connect(site.addresses().plain, V311, "local");
    for topic in [&b"closed/a"[..], b"open/a"] {
        local.send(&wire::publish(V311, 1, 1, topic, b"kept"));
        assert_eq!(local.expect("PUBACK").first, 0x40);
    }
    let before = site.metrics().value(RELOADS);
    site.policy("lamp", &NARROW);
    wait_for_reload(&site, before);
    let mut wire = TlsClient::of(&lamp).open(site.addresses().mqtt);
    wire.send(&persistent);
    assert_eq!(wire.expect("CONNACK").body, [1, 0]);
    let packet = wire.expect("what it may see");
    assert_eq!(packet.body[2..8], *b"open/a", "{packet:?}");
    let withheld = "perennial_broker_messages_withheld_total";
    assert_eq!(site.metrics().value(withheld), 1.0);
}

#[test]
fn a_change_that_is_wrong_changes_nothing_until_it_is_mended() {
    let (site, lamp) = site();
    let meter = site.thing("meter", &["default"]);
    let mut wire = connected(&site, &lamp);
    site.policy("lamp", &NARROW);
    wait_for(PATIENCE, "the policy is in force", || {
        publish(&mut wire, "closed/a") == NOT_AUTHORIZED
    });
    // Wider for the lamp, and wrong in another file.
    site.write(
        "policies/wrong.json",
        "{\n \"Version\": \"2012-10-17\", \"Allow\": 1}",
    );
    site.policy("lamp", &WIDE);
    wait_for(PATIENCE, "the mistake is found", || {
        site.metrics().value(FAILED) == 1.0
    });
    let before = site.metrics().value(RELOADS);
    site.hang_up();
    let said = || site.log().matches("wrong.json:2:").count();
    wait_for(PATIENCE, "it is told again to who asks", || said() >= 2);
    assert_eq!(publish(&mut wire, "closed/a"), NOT_AUTHORIZED);
    assert!(is_welcome(&site, &meter));
    assert_eq!(site.metrics().value(RELOADS), before);

    fs::remove_file(site.folder().join("access/policies/wrong.json")).unwrap();
    wait_for_reload(&site, before);
    assert_eq!(site.metrics().value(FAILED), 0.0);
    assert_eq!(publish(&mut wire, "closed/a"), 0);
}

#[test]
fn who_may_come_in_and_what_listeners_show_do_not_wait_for_each_other() {
    let (site, lamp) = site();
    let meter = site.thing("meter", &["default"]);
    wait_for(PATIENCE, "the meter comes in", || is_welcome(&site, &meter));
    let shown = || TlsClient::of(&meter).shown_by(site.addresses().mqtt);
    let first = shown();
    site.write("policies/wrong.json", "{");
    let failed = || site.metrics().value(FAILED) == 1.0;
    wait_for(PATIENCE, "the mistake is found", failed);
    site.succeed(&["certs", "renew"]);
    wait_for(PATIENCE, "another certificate is shown", || {
        shown() != first
    });
    assert!(failed());
    let before = site.metrics().value(RELOADS);
    fs::remove_file(site.folder().join("access/policies/wrong.json")).unwrap();
    wait_for_reload(&site, before);
    assert!(!failed());

    let wire = connected(&site, &lamp);
    let second = shown();
    site.write("server.pem", "no certificate");
    wait_for(PATIENCE, "the mistake is found", failed);
    site.succeed(&["things", "disable", "lamp"]);
    assert_expelled(wire);
    assert!(failed() && is_welcome(&site, &meter) && shown() == second);
}

#[test]
fn the_listeners_show_another_certificate_and_no_connection_is_dropped() {
    let (site, lamp) = site();
    let mut wire = connected(&site, &lamp);
    let shown = || TlsClient::of(&lamp).shown_by(site.addresses().mqtt);
    let first = shown();
    let ends = "perennial_certificate_not_after_seconds{certificate=\"server\"}";
    assert!(site.metrics().value(ends) > 1.7e9);
    site.succeed(&["certs", "renew"]);
    wait_for(PATIENCE, "another certificate is shown", || {
        shown() != first
    });
    assert_eq!(publish(&mut wire, "open/a"), 0);
    assert!(is_welcome(&site, &lamp));
}

#[test]
fn a_server_certificate_that_is_missing_is_issued_at_the_start() {
    let (mut site, lamp) = site();
    site.kill9();
    for file in ["server.pem", "server.key"] {
        fs::remove_file(site.folder().join("access").join(file)).unwrap();
    }
    site.start();
    assert!(is_welcome(&site, &lamp));
}

#[test]
fn refusals_are_counted_and_the_audit_log_is_bounded() {
    let (site, lamp) = site_with("\n[audit]\nmax_size = \"4KiB\"\nfiles = 2\n");
    let client = TlsClient::of(&lamp);
    for number in 0..60 {
        let mut wire = client.open(site.addresses().mqtt);
        wire.send(&wire::connect(V311, &format!("other-{number}")));
        assert_eq!(wire.expect("CONNACK").body, [0, 5]);
    }
    let refusals = "perennial_refusals_total{action=\"Connect\",reason=\"client_id\"}";
    assert_eq!(site.metrics().value(refusals), 60.0);
    let file = |number: &str| site.data_dir().join(format!("audit.jsonl{number}"));
    let last_line = || {
        let text = fs::read_to_string(file("")).unwrap_or_default();
        text.lines().last().map(str::to_owned)
    };
    wait_for(PATIENCE, "the last refusal is written down", || {
        last_line().is_some_and(|line| line.contains("\"other-59\""))
    });
    let line: Value = serde_json::from_str(&last_line().unwrap()).unwrap();
    assert_eq!(line["reason"], "client_id");
    let principal = line["principal"].as_str().unwrap();
    assert!(principal.starts_with("certificate:"), "{line}");
    for number in ["", ".1", ".2"] {
        let size = fs::metadata(file(number)).unwrap().len();
        assert!((1..=4 << 10).contains(&size), "{size}");
    }
    assert!(!file(".3").exists());
}

/// A subscription table of a Greengrass V1 group: `lamp` speaks to `meter` and to the connector,
/// and hears what became of its records.
const TABLE: &str = include_str!("subscriptions.json");

#[test]
fn by_the_subscription_table_of_a_v1_group_nothing_flows_without_an_entry() {
    let mut site = Site::new();
    site.change_config(|config| {
        config.replace("[access]\n", "[access]\nmodel = \"subscriptions\"\n")
    });
    site.write("subscriptions.json", TABLE);
    let devices = ["lamp", "meter"].map(|name| site.thing(name, &[]));
    site.start();
    let [mut lamp, mut meter] = devices.map(|device| {
        let mut wire = TlsClient::of(&device).open(site.addresses().mqtt);
        wire.greet(V311, &device.name);
        wire.subscribe(V311, "#", 0);
        wire
    });
    let record = br#"{"request": {"data": "on"}, "id": "1"}"#;
    let send = |wire: &mut Wire<Stream>, topic: &str| {
        wire.send(&wire::publish(V311, 1, 1, topic.as_bytes(), record));
        let acknowledged = wire.expect("PUBACK");
        assert_eq!(acknowledged.first, 0x40, "{acknowledged:?}");
    };
    // As on a V1 core nobody is told that there is no entry.
    for topic in ["kinesisfirehose/message", "light/0", "light/1/2"] {
        send(&mut meter, topic);
    }
    for topic in ["light/1/2", "dark/1", "light/1", "kinesisfirehose/message"] {
        send(&mut lamp, topic);
    }
    let starts_with =
        |packet: &wire::Packet, topic: &str| packet.body[2..].starts_with(topic.as_bytes());
    let status = lamp.expect("the status of its record");
    assert!(
        starts_with(&status, "kinesisfirehose/message/status"),
        "{status:?}"
    );
    let light = meter.expect("what the lamp says to it");
    assert!(starts_with(&light, "light/1{"), "{light:?}");
    let accepted = site.metrics();
    let accepted = accepted.0.lines().filter_map(|line| {
        let sample = line.strip_prefix("perennial_records_accepted_total{")?;
        sample.rsplit_once(' ')?.1.parse::<u32>().ok()
    });
    assert_eq!(accepted.sum::<u32>(), 1, "the lamp's record");
    // Nothing else is on its way to either.
    for wire in [&mut lamp, &mut meter] {
        wire.send(&wire::packet(0xC0, &[]));
        assert_eq!(wire.expect("PINGRESP").first, 0xD0);
    }
    let refusals = "perennial_refusals_total{action=\"Publish\",reason=\"subscriptions\"}";
    assert_eq!(site.metrics().value(refusals), 5.0);
}

#[test]
fn a_hangup_reads_everything_again_and_ends_nothing() {
    let (site, lamp) = site();
    let mut wire = connected(&site, &lamp);
    for _ in 0..2 {
        let before = site.metrics().value(RELOADS);
        site.hang_up();
        wait_for_reload(&site, before);
    }
    assert_eq!(publish(&mut wire, "open/a"), 0);
}

#[test]
fn a_hangup_ends_nothing_where_there_are_no_identities() {
    let gateway = Gateway::start("");
    let mut wire = Wire::connect(gateway.address(), V311, "client");
    gateway.hang_up();
    wait_for(PATIENCE, "it is heard", || {
        gateway.stderr().contains("there is no access directory")
    });
    wire.send(&wire::packet(0xC0, &[]));
    assert_eq!(wire.expect("PINGRESP").first, 0xD0);
}

#[test]
fn a_listener_for_everybody_is_told_of_at_every_start() {
    let more = "\n[[listener]]\naddress = \"127.0.0.1:0\"\ninsecure = true\n";
    let mut gateway = Gateway::start(more);
    for _ in 0..2 {
        wait_for(PATIENCE, "the log tells of it", || {
            gateway.stderr().contains("insecure = true")
        });
        gateway.terminate();
        gateway.restart();
    }
}
