//! Topics that a policy does not allow: nothing goes there, and nothing comes from there.

use super::{ACCEPTED, assert_served, connack_as, seen, topic, watcher};
use crate::support::{
    site::{Device, Site},
    tls::{Stream, TlsClient},
    version::Version::{self, V5, V311},
    wire::{self, Packet, Wire},
};

const NOT_AUTHORIZED: u8 = 0x87;

/// What a device may do that has the open topics and no others: it may say `#` there, too.
const NARROW: [(&str, &[&str]); 4] = [
    ("iot:Connect", &["client/${iot:Connection.Thing.ThingName}"]),
    ("iot:Publish", &["topic/open/*"]),
    ("iot:Receive", &["topic/open/*"]),
    ("iot:Subscribe", &["topicfilter/open/*", "topicfilter/#"]),
];

/// A gateway that runs, and a device with that policy.
fn site() -> (Site, Device) {
    let mut site = Site::new();
    site.policy("narrow", &NARROW);
    let device = site.thing("sensor", &["narrow"]);
    site.start();
    (site, device)
}

#[track_caller]
fn connected(site: &Site, device: &Device, version: Version) -> Wire<Stream> {
    let mut wire = TlsClient::of(device).open(site.addresses().mqtt);
    wire.greet(version, &device.name);
    wire
}

/// The reason code of the acknowledgement of `packet_id`; none is success.
#[track_caller]
fn reason(wire: &mut Wire<Stream>, packet_id: u16) -> u8 {
    let packet = wire.expect("an acknowledgement");
    assert_eq!(wire::acknowledged(&packet), packet_id, "{packet:?}");
    packet.body.get(2).copied().unwrap_or(0)
}

/// The last byte of a SUBACK with one filter: the QoS that is granted, or why none is.
#[track_caller]
fn suback(wire: &mut Wire<Stream>, version: Version, filter: &str) -> u8 {
    wire.send(&wire::subscribe(version, 1, filter.as_bytes(), 1));
    let packet = wire.expect("SUBACK");
    assert_eq!(packet.first, 0x90, "{packet:?}");
    *packet.body.last().expect("a reason code")
}

/// The topics of the next messages up to `open/end`; what needs it is acknowledged.
#[track_caller]
fn received(wire: &mut Wire<Stream>, version: Version) -> Vec<String> {
    let mut topics = Vec::new();
    loop {
        let packet: Packet = wire.expect("open/end");
        assert_eq!(packet.first & 0xF0, 0x30, "{packet:?}");
        if packet.first & 0x06 != 0 {
            let packet_id = {
                let start = 2 + topic(&packet.body).len();
                u16::from_be_bytes([packet.body[start], packet.body[start + 1]])
            };
            wire.send(&wire::puback(packet_id));
        }
        let topic = topic(&packet.body);
        if topic == "open/end" {
            return topics;
        }
        topics.push(format!("{topic} in MQTT {version}"));
    }
}

/// Publishes to a closed topic and to an open one, retained or not, and waits until both are
/// taken.
#[track_caller]
fn publish_both(site: &Site, retain: bool) {
    let mut publisher = Wire::connect(site.addresses().plain, V311, "publisher");
    for (packet_id, topic) in [(1, "closed/secret"), (2, "open/known")] {
        let mut publish = wire::publish(V311, 1, packet_id, topic.as_bytes(), b"payload");
        publish[0] |= u8::from(retain);
        publisher.send(&publish);
        assert_eq!(wire::acknowledged(&publisher.expect("PUBACK")), packet_id);
    }
}

/// Publishes what ends `received`.
#[track_caller]
fn publish_end(site: &Site) {
    let mut publisher = Wire::connect(site.addresses().plain, V311, "publisher");
    publisher.send(&wire::publish(V311, 1, 1, b"open/end", b""));
    publisher.expect("PUBACK");
}

#[test]
fn a_publish_outside_the_policy_is_refused_and_nobody_hears_of_it() {
    let (site, device) = site();
    let mut watcher = watcher(&site);
    for qos in [0, 1] {
        let mut wire = connected(&site, &device, V311);
        wire.send(&wire::publish(V311, qos, 7, b"closed/a", b"secret"));
        assert_eq!(wire.receive(), None, "QoS {qos}");
    }

    let mut wire = connected(&site, &device, V5);
    wire.send(&wire::publish(V5, 0, 0, b"closed/a", b"secret"));
    for topic in [
        "closed/a",
        "open",
        "Open/a",
        "/open/a",
        "kinesisfirehose/message",
    ] {
        wire.send(&wire::publish(V5, 1, 7, topic.as_bytes(), b"secret"));
        assert_eq!(reason(&mut wire, 7), NOT_AUTHORIZED, "{topic}");
    }
    // At QoS 2 there is nothing to complete.
    wire.send(&wire::publish(V5, 2, 8, b"closed/a", b"secret"));
    assert_eq!(reason(&mut wire, 8), NOT_AUTHORIZED);
    wire.send(&wire::publish(V5, 1, 9, b"open/a", b"for everybody"));
    assert_eq!(reason(&mut wire, 9), 0);
    assert_eq!(seen(&mut watcher), ["open/a"]);
    assert_served(&site, &device);
}

#[test]
fn a_subscription_outside_the_policy_is_refused_and_brings_nothing() {
    let (site, device) = site();
    for (version, refused) in [(V311, 0x80), (V5, NOT_AUTHORIZED)] {
        let mut wire = connected(&site, &device, version);
        for filter in [
            "closed/secret",
            "closed/#",
            "+/secret",
            "open",
            "+/#",
            "$share/group/open/#",
            "$share/group/closed/#",
        ] {
            let found = suback(&mut wire, version, filter);
            assert_eq!(found, refused, "{filter} in MQTT {version}");
        }
        assert_eq!(suback(&mut wire, version, "open/end"), 1);
        publish_both(&site, false);
        publish_end(&site);
        assert!(received(&mut wire, version).is_empty());
    }
}

#[test]
fn a_wildcard_shows_only_what_the_client_may_receive_as_it_comes() {
    let (site, device) = site();
    for version in [V311, V5] {
        let mut wire = connected(&site, &device, version);
        assert_eq!(suback(&mut wire, version, "#"), 1);
        publish_both(&site, false);
        publish_end(&site);
        let wanted = [format!("open/known in MQTT {version}")];
        assert_eq!(received(&mut wire, version), wanted);
    }
}

#[test]
fn a_wildcard_shows_only_what_the_client_may_receive_of_what_is_retained() {
    let (site, device) = site();
    publish_both(&site, true);
    for version in [V311, V5] {
        let mut wire = connected(&site, &device, version);
        assert_eq!(suback(&mut wire, version, "#"), 1);
        publish_end(&site);
        let wanted = [format!("open/known in MQTT {version}")];
        assert_eq!(received(&mut wire, version), wanted);
    }
}

#[test]
fn a_wildcard_shows_only_what_the_client_may_receive_of_what_waited_for_it() {
    let (mut site, device) = site();
    // A session that is kept.
    let connect = wire::connect_as(V311, &device.name, 0, &[]);
    let client = TlsClient::of(&device);
    let mut wire = client.open(site.addresses().mqtt);
    wire.send(&connect);
    assert_eq!(wire.expect("CONNACK").body, [0, 0]);
    assert_eq!(suback(&mut wire, V311, "#"), 1);
    wire.send(&wire::packet(0xE0, &[]));
    assert_eq!(wire.receive(), None);

    publish_both(&site, false);
    // What is kept for a client that has been away since the start is looked at when it is back.
    site.kill9();
    site.start();
    publish_both(&site, false);
    publish_end(&site);
    let mut wire = client.open(site.addresses().mqtt);
    wire.send(&connect);
    assert_eq!(wire.expect("CONNACK").body, [1, 0]);
    let wanted = ["open/known in MQTT 3.1.1"; 2];
    assert_eq!(received(&mut wire, V311), wanted);
}

#[test]
fn to_retain_a_message_takes_a_permission_of_its_own() {
    let mut site = Site::new();
    site.policy("narrow", &NARROW);
    site.policy("retain", &[("iot:RetainPublish", &["topic/open/kept"])]);
    let device = site.thing("sensor", &["narrow"]);
    let keeper = site.thing("keeper", &["narrow", "retain"]);
    site.start();
    let mut watcher = watcher(&site);
    let retained = |version, topic: &[u8]| {
        let mut publish = wire::publish(version, 1, 7, topic, b"payload");
        publish[0] |= 1;
        publish
    };
    let mut wire = connected(&site, &device, V311);
    wire.send(&retained(V311, b"open/kept"));
    assert_eq!(wire.receive(), None);
    let mut wire = connected(&site, &device, V5);
    wire.send(&retained(V5, b"open/kept"));
    assert_eq!(reason(&mut wire, 7), NOT_AUTHORIZED);
    let mut wire = connected(&site, &keeper, V5);
    wire.send(&retained(V5, b"open/other"));
    assert_eq!(reason(&mut wire, 7), NOT_AUTHORIZED);
    assert!(seen(&mut watcher).is_empty());

    wire.send(&retained(V5, b"open/kept"));
    assert_eq!(reason(&mut wire, 7), 0);
    assert_eq!(seen(&mut watcher), ["open/kept"]);
    // All that is retained.
    assert_eq!(seen(&mut super::watcher(&site)), ["open/kept"]);
}

#[test]
fn a_will_outside_the_policy_is_not_published() {
    let (site, device) = site();
    let mut watcher = watcher(&site);
    let client = TlsClient::of(&device);
    for topic in ["closed/will", "open/will"] {
        // A clean session and a will at QoS 1; the next one with the name takes over.
        let connect = wire::connect_as(V311, "sensor", 0x0E, &[topic.as_bytes(), b"gone"]);
        let mut lost = client.open(site.addresses().mqtt);
        lost.send(&connect);
        assert_eq!(lost.expect("CONNACK").body, [0, 0]);
        let mut next = connected(&site, &device, V311);
        assert_eq!(lost.receive(), None);
        next.send(&wire::publish(V311, 1, 1, b"open/next", b""));
        assert_eq!(reason(&mut next, 1), 0);
    }
    let found = seen(&mut watcher);
    let wills: Vec<_> = found
        .iter()
        .filter(|topic| topic.ends_with("will"))
        .collect();
    assert_eq!(wills, ["open/will"]);
    assert_eq!(found.len(), 3);
}

#[test]
fn a_will_outside_the_policy_is_not_published_after_a_restart_in_the_name_of_a_thing() {
    let mut site = Site::new();
    let [_, witness] = ["victim", "witness"].map(|name| {
        let topics = format!("topic/{name}/*");
        let client = format!("client/{name}");
        site.policy(
            name,
            &[("iot:Connect", &[&client]), ("iot:Publish", &[&topics])],
        );
        site.thing(name, &[name])
    });
    site.policy(
        "guest",
        &[
            ("iot:Connect", &["client/*"]),
            ("iot:Publish", &["topic/guest/*"]),
        ],
    );
    site.user("guest", "the password", "guest");
    site.start();
    // A session that is kept: wills come before it is back.
    let keeping = wire::connect_as(V311, "watcher", 0, &[]);
    let mut watcher = Wire::open(site.addresses().plain);
    watcher.send(&keeping);
    assert_eq!(watcher.expect("CONNACK").body, [0, 0]);
    watcher.subscribe(V311, "#", 1);

    // Clean sessions with a will at QoS 1.
    let login: [&[u8]; 4] = [b"victim/will", b"gone", b"guest", b"the password"];
    let connect = wire::connect_as(V311, "victim", 0xCE, &login);
    let mut guest = TlsClient::anonymous(&witness.ca).open(site.addresses().shared);
    guest.send(&connect);
    assert_eq!(guest.expect("CONNACK").body, [0, 0]);
    let connect = wire::connect_as(V311, "witness", 0x0E, &[b"witness/will", b"gone"]);
    let mut device = TlsClient::of(&witness).open(site.addresses().mqtt);
    device.send(&connect);
    assert_eq!(device.expect("CONNACK").body, [0, 0]);

    site.kill9();
    site.start();
    let mut watcher = Wire::open(site.addresses().plain);
    watcher.send(&keeping);
    assert_eq!(watcher.expect("CONNACK").body, [1, 0]);
    // Wills are published in the order of their clients' names.
    let first = topic(&watcher.expect("the will of the witness").body);
    assert_eq!(first, "witness/will");
}

#[test]
fn a_client_identifier_with_wildcards_opens_no_topics_of_others() {
    let mut site = Site::new();
    site.change_config(|text| text.replacen("[access]", "[access]\nclient_id = \"any\"", 1));
    site.policy(
        "private",
        &[
            ("iot:Connect", &["client/*"]),
            ("iot:Publish", &["topic/private/${iot:ClientId}/*"]),
            ("iot:Receive", &["topic/private/${iot:ClientId}/*"]),
            ("iot:Subscribe", &["topicfilter/private/${iot:ClientId}/*"]),
        ],
    );
    let device = site.thing("sensor", &["private"]);
    site.start();
    let client = TlsClient::of(&device);
    for client_id in ["+", "*", "?", "#", "victi?", "vic*", "${iot:ClientId}", "$"] {
        let mut wire = client.open(site.addresses().mqtt);
        wire.greet(V5, client_id);
        for filter in [
            "private/+/secret",
            "private/victim/secret",
            "private/*/secret",
            "private/#",
        ] {
            let found = suback(&mut wire, V5, filter);
            assert_eq!(found, NOT_AUTHORIZED, "{client_id:?} {filter}");
        }
        wire.send(&wire::publish(V5, 1, 7, b"private/victim/secret", b""));
        assert_eq!(reason(&mut wire, 7), NOT_AUTHORIZED, "{client_id:?}");
    }
    let mut wire = client.open(site.addresses().mqtt);
    wire.greet(V5, "victim");
    assert_eq!(suback(&mut wire, V5, "private/victim/secret"), 1);
    let found = connack_as(&client, site.addresses().mqtt, "anything");
    assert_eq!(found, ACCEPTED);
}
