//! Shared subscriptions (4.8.2).

use std::time::Duration;

use super::{
    build::{Connect, PUBACK, PUBREC, ack_because},
    client::Client,
    prop,
};
use crate::support::{gateway::Gateway, wait::pause};

const SHARE: &str = "$share/group/t";

/// A second member of the share, that a message goes to when it goes to another member.
#[track_caller]
fn other_member(gateway: &Gateway) -> Client {
    let mut other = Client::connect(gateway, "other");
    other.subscribe(SHARE, 2);
    other.subscribe("marker", 0);
    other
}

/// That `other` has got none of what was published so far.
#[track_caller]
fn has_nothing(other: &mut Client, publisher: &mut Client) {
    publisher.publishes("marker", "", 0);
    assert_eq!(other.take().topic, "marker");
}

#[test]
fn mqtt_4_8_2_1_and_4_8_2_2_a_share_has_a_proper_name_and_a_filter() {
    let gateway = Gateway::start("");
    for filter in [
        "$share/",
        "$share//t",
        "$share/group",
        "$share/group/",
        "$share/gr+up/t",
        "$share/group#/t",
        "$share/+/t",
        "$share/#",
        "$share/group/t#",
    ] {
        Client::cannot_subscribe(&gateway, filter);
    }
    let mut client = Client::connect(&gateway, "client");
    for (filter, topic) in [
        ("$share/g/t", "t"),
        ("$share/group/a/+/#", "a/b/c"),
        ("$share/$/ä", "ä"),
        ("$share/group//", "/"),
    ] {
        client.subscribe(filter, 0);
        client.publishes(topic, "", 0);
        assert_eq!(client.take().topic, topic);
    }
    client.gets_nothing();
}

#[test]
fn mqtt_4_8_2_3_each_member_gets_messages_at_its_own_qos() {
    let gateway = Gateway::start("");
    let mut members: Vec<Client> = (0..3)
        .map(|qos| {
            let mut member = Client::connect(&gateway, &format!("member {qos}"));
            member.subscribe(SHARE, qos);
            member.subscribe("marker", 0);
            member
        })
        .collect();
    let mut publisher = Client::connect(&gateway, "publisher");
    for _ in 0..30 {
        publisher.publishes("t", "", 2);
    }
    publisher.publishes("marker", "", 0);
    let mut in_all = 0;
    for (qos, member) in (0..).zip(&mut members) {
        loop {
            let publish = member.publish();
            if publish.topic == "marker" {
                break;
            }
            assert_eq!(publish.qos, qos);
            in_all += 1;
        }
    }
    assert_eq!(in_all, 30, "each message goes to one member");
}

#[test]
fn mqtt_4_8_2_4_a_qos_2_delivery_that_broke_off_is_completed_when_the_client_is_back() {
    let gateway = Gateway::start("");
    let (mut member, _) = Client::resume(&gateway, "member");
    member.subscribe(SHARE, 2);
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.publishes("t", "begun", 2);
    let begun = member.publish();
    let mut other = other_member(&gateway);
    member.vanish();
    has_nothing(&mut other, &mut publisher);

    let (mut member, _) = Client::resume(&gateway, "member");
    let again = member.publish();
    assert_eq!((again.packet_id, again.dup), (begun.packet_id, true));
    member.acknowledge(&again);
    has_nothing(&mut other, &mut publisher);
}

/// That a QoS 2 delivery to a member whose session `end` ends goes nowhere else.
#[track_caller]
fn is_not_passed_on(gateway: &Gateway, expiry: u32, end: fn(&Gateway, Client)) {
    let mut publisher = Client::connect(gateway, "publisher");
    let connect = Connect::new("member").with(&prop::session_expiry(expiry));
    let (mut member, _) = Client::accepted(gateway, &connect);
    member.subscribe(SHARE, 2);
    publisher.publishes("t", "begun", 2);
    assert_eq!(member.publish().text(), "begun");
    let mut other = other_member(gateway);
    end(gateway, member);
    has_nothing(&mut other, &mut publisher);
    publisher.publishes("t", "new", 1);
    assert_eq!(other.take().text(), "new");
}

#[test]
fn mqtt_4_8_2_5_a_qos_2_delivery_to_a_connection_that_ends_with_its_session_goes_to_no_other() {
    is_not_passed_on(&Gateway::start(""), 0, |gateway, member| {
        member.vanish();
        // Accepted when the session before it has ended.
        Client::connect(gateway, "member").leave();
    });
}

#[test]
fn mqtt_4_8_2_5_a_qos_2_delivery_to_a_session_that_is_discarded_goes_to_no_other_member() {
    is_not_passed_on(&Gateway::start(""), 1_000, |gateway, member| {
        member.vanish();
        Client::connect(gateway, "member").leave();
    });
}

#[test]
fn mqtt_4_8_2_5_a_qos_2_delivery_to_a_session_that_expires_goes_to_no_other_member() {
    is_not_passed_on(&Gateway::start(""), 1, |_, member| {
        member.vanish();
        pause(Duration::from_millis(2_500));
    });
}

#[test]
fn mqtt_4_8_2_6_a_message_that_a_member_refuses_goes_to_no_other_member() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        let (mut member, _) = Client::resume(&gateway, "member");
        member.subscribe(SHARE, 2);
        publisher.publishes("t", "refused", qos);
        let publish = member.publish();
        let mut other = other_member(&gateway);
        member.send(&ack_because(first, publish.packet_id, 0x83));
        member.pings();
        has_nothing(&mut other, &mut publisher);
        member.vanish();
        let (mut member, _) = Client::resume(&gateway, "member");
        member.gets_nothing();
        member.unsubscribe(SHARE);
        has_nothing(&mut other, &mut publisher);
        other.leave();
        member.leave();
    }
}
