//! Messages that are worth delivering for a time (3.3.2.3.3).

use std::time::{Duration, Instant};

use super::{
    build::{PUBCOMP, PUBREC, PUBREL, Publish, ack},
    client::Client,
    prop,
};
use crate::support::{gateway::Gateway, wait::pause};

/// Longer than a second, by more than a busy machine needs.
const BEYOND_A_SECOND: Duration = Duration::from_millis(2_200);

fn expiring(text: &str, seconds: u32) -> Publish {
    Publish::new("t", text).with(&prop::four(prop::MESSAGE_EXPIRY, seconds))
}

/// A session of `client` that waits for `t`.
#[track_caller]
fn leave_subscribed(gateway: &Gateway) {
    let (mut client, _) = Client::resume(gateway, "client");
    client.subscribe("t", 2);
    client.leave();
}

#[test]
fn mqtt_3_3_2_5_a_message_that_has_expired_is_not_delivered() {
    let gateway = Gateway::start("");
    leave_subscribed(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    for qos in 1..=2 {
        publisher.sends(expiring("too late", 1), qos);
    }
    publisher.sends(expiring("retained and too late", 1).retained(), 1);
    pause(BEYOND_A_SECOND);
    publisher.sends(expiring("in time", 1_000), 1);

    let (mut client, _) = Client::resume(&gateway, "client");
    assert_eq!(client.take().text(), "in time");
    let mut later = Client::connect(&gateway, "later");
    later.subscribe("t", 0);
    publisher.publishes("t", "marker", 1);
    assert_eq!(later.take().text(), "marker");
    assert_eq!(client.take().text(), "marker");
}

#[test]
fn mqtt_3_3_2_6_a_forwarded_message_has_the_rest_of_its_expiry_interval() {
    let gateway = Gateway::start("");
    leave_subscribed(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.sends(expiring("kept", 1_000).retained(), 1);
    let began = Instant::now();
    pause(BEYOND_A_SECOND);
    let (client, _) = Client::resume(&gateway, "client");
    let mut later = Client::connect(&gateway, "later");
    later.subscribe("t", 0);
    for mut client in [client, later] {
        let left = client.take().properties.number(prop::MESSAGE_EXPIRY);
        let left = left.expect("an expiry interval");
        let at_least = 1_000 - began.elapsed().as_secs() as u32 - 1;
        assert!((at_least..=998).contains(&left), "{left}");
    }
    let mut present = Client::connect(&gateway, "present");
    present.subscribe("other", 0);
    let expiry = prop::four(prop::MESSAGE_EXPIRY, u32::MAX);
    publisher.sends(Publish::new("other", "").with(&expiry), 1);
    let left = present.take().properties.number(prop::MESSAGE_EXPIRY);
    assert!(left >= Some(u32::MAX - 60), "{left:?}");
}

#[test]
fn mqtt_4_3_3_7_a_publish_that_was_sent_at_qos_2_is_sent_again_after_its_expiry() {
    let gateway = Gateway::start("");
    leave_subscribed(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.sends(expiring("sent in time", 1), 2);
    let (mut client, _) = Client::resume(&gateway, "client");
    let first = client.publish();
    assert_eq!((first.text(), first.qos), ("sent in time", 2));
    client.vanish();
    pause(BEYOND_A_SECOND);
    let (mut client, _) = Client::resume(&gateway, "client");
    let again = client.publish();
    assert_eq!(again.packet_id, first.packet_id);
    assert_eq!((again.text(), again.dup), ("sent in time", true));
    client.acknowledge(&again);
}

#[test]
fn mqtt_4_3_3_13_the_handshake_of_a_message_that_has_expired_is_completed() {
    let gateway = Gateway::start("");
    leave_subscribed(&gateway);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.send(&expiring("too late", 1).qos(2, 7).encode());
    publisher.acked(PUBREC, 7);
    pause(BEYOND_A_SECOND);
    publisher.send(&expiring("too late", 1).qos(2, 7).dup().encode());
    publisher.acked(PUBREC, 7);
    publisher.send(&ack(PUBREL, 7));
    assert_eq!(publisher.ack(PUBCOMP, 7).reason, 0);

    publisher.publishes("t", "marker", 1);
    let (mut client, _) = Client::resume(&gateway, "client");
    assert_eq!(client.take().text(), "marker");
}
