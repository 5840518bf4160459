//! Exactly once (4.3.3).

use super::{
    build::{PUBCOMP, PUBREC, PUBREL, Publish, ack},
    client::Client,
    reason::NOT_FOUND,
};
use crate::support::gateway::Gateway;

/// A session of `client` that has subscribed to `t` and has been sent `text`, and the packet
/// identifier of that.
#[track_caller]
fn sent(gateway: &Gateway, text: &str) -> (Client, u16) {
    let (mut client, _) = Client::resume(gateway, "client");
    client.subscribe("t", 2);
    client.publishes("t", text, 2);
    let publish = client.publish();
    assert_eq!((publish.text(), publish.qos), (text, 2));
    (client, publish.packet_id)
}

#[test]
fn mqtt_4_3_3_2_the_first_publish_has_an_identifier_and_no_dup() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 2);
    client.publishes("t", "at QoS 2", 2);
    let publish = client.take();
    assert_eq!((publish.qos, publish.dup), (2, false));
    assert_ne!(publish.packet_id, 0);
}

#[test]
fn mqtt_4_3_3_3_a_publish_is_unacknowledged_until_its_pubrec() {
    let gateway = Gateway::start("");
    let (mut client, id) = sent(&gateway, "text");
    client.pings();
    client.vanish();
    for _ in 0..2 {
        let (mut client, _) = Client::resume(&gateway, "client");
        let again = client.publish();
        assert_eq!((again.packet_id, again.dup), (id, true));
        assert_eq!((again.text(), again.qos), ("text", 2));
        client.vanish();
    }
}

#[test]
fn mqtt_4_3_3_4_pubrec_is_answered_with_pubrel() {
    let gateway = Gateway::start("");
    let (mut client, id) = sent(&gateway, "text");
    for _ in 0..2 {
        client.send(&ack(PUBREC, id));
        client.acked(PUBREL, id);
    }
    client.send(&ack(PUBCOMP, id));
    client.pings();
}

#[test]
fn mqtt_4_3_3_5_and_4_3_3_6_a_pubrel_and_not_its_publish_is_sent_again_until_pubcomp() {
    let gateway = Gateway::start("");
    let (mut client, id) = sent(&gateway, "text");
    client.send(&ack(PUBREC, id));
    client.acked(PUBREL, id);
    client.vanish();
    for _ in 0..2 {
        let (mut client, _) = Client::resume(&gateway, "client");
        client.acked(PUBREL, id);
        client.gets_nothing();
        client.vanish();
    }
    let (mut client, _) = Client::resume(&gateway, "client");
    client.acked(PUBREL, id);
    client.send(&ack(PUBCOMP, id));
    client.pings();
    client.vanish();
    Client::resume(&gateway, "client").0.gets_nothing();
}

#[test]
fn mqtt_4_3_3_5_and_4_3_3_6_a_pubrel_is_sent_again_also_behind_a_crash() {
    let mut gateway = Gateway::start("");
    let (mut client, id) = sent(&gateway, "text");
    client.send(&ack(PUBREC, id));
    client.acked(PUBREL, id);
    gateway.kill9();
    gateway.restart();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    client.acked(PUBREL, id);
    client.send(&ack(PUBCOMP, id));
    client.gets_nothing();
}

#[test]
fn mqtt_4_3_3_8_and_4_3_3_10_a_message_with_its_pubrec_is_the_gateways_own_and_delivered_once() {
    let mut gateway = Gateway::start("");
    let (mut receiver, _) = Client::resume(&gateway, "receiver");
    receiver.subscribe("t", 2);
    receiver.leave();
    let publish = Publish::new("t", "once").qos(2, 0x1234);
    let (mut publisher, _) = Client::resume(&gateway, "publisher");
    publisher.send(&publish.encode());
    publisher.acked(PUBREC, 0x1234);
    for kill in [false, true] {
        publisher.send(&publish.clone().dup().encode());
        publisher.acked(PUBREC, 0x1234);
        publisher.vanish();
        if kill {
            gateway.kill9();
            gateway.restart();
        }
        let is_present;
        (publisher, is_present) = Client::resume(&gateway, "publisher");
        assert!(is_present);
    }
    publisher.send(&publish.dup().encode());
    publisher.acked(PUBREC, 0x1234);
    publisher.send(&ack(PUBREL, 0x1234));
    publisher.acked(PUBCOMP, 0x1234);
    publisher.publishes("t", "marker", 2);
    let (mut receiver, _) = Client::resume(&gateway, "receiver");
    assert_eq!(receiver.take().text(), "once");
    assert_eq!(receiver.take().text(), "marker");
    receiver.gets_nothing();
}

#[test]
fn mqtt_4_3_3_9_behind_a_pubrec_that_refuses_an_identifier_stands_for_a_new_message() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let mut client = Client::connect(&gateway, "client");
    // A topic above the limit on its length is refused, and the client stays.
    let refused = Publish::new("x".repeat(60_000), "").qos(2, 5);
    client.send(&refused.encode());
    assert!(client.ack(PUBREC, 5).reason >= 0x80);
    for _ in 0..2 {
        client.send(&Publish::new("t", "new").qos(2, 5).dup().encode());
        client.acked(PUBREC, 5);
        assert_eq!(subscriber.take().text(), "new");
        client.send(&ack(PUBREL, 5));
        assert_eq!(client.ack(PUBCOMP, 5).reason, 0);
    }
}

#[test]
fn mqtt_4_3_3_11_pubrel_is_answered_with_pubcomp() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    for id in [1, 0xFFFF] {
        client.send(&Publish::new("t", "").qos(2, id).encode());
        client.acked(PUBREC, id);
        client.send(&ack(PUBREL, id));
        assert_eq!(client.ack(PUBCOMP, id).reason, 0);
        // Its PUBCOMP may have been lost.
        client.send(&ack(PUBREL, id));
        assert_eq!(client.ack(PUBCOMP, id).reason, NOT_FOUND);
    }
    client.pings();
}

#[test]
fn mqtt_4_3_3_12_behind_its_pubcomp_an_identifier_stands_for_a_new_message() {
    let gateway = Gateway::start("");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 0);
    let mut publisher = Client::connect(&gateway, "publisher");
    for text in ["first", "second", "second"] {
        publisher.send(&Publish::new("t", text).qos(2, 5).encode());
        publisher.acked(PUBREC, 5);
        publisher.send(&ack(PUBREL, 5));
        publisher.acked(PUBCOMP, 5);
        assert_eq!(subscriber.take().text(), text);
    }
    subscriber.gets_nothing();
}
