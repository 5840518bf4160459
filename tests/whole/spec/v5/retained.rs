//! RETAIN in a PUBLISH (3.3.1.3), and what a subscription makes of it (3.8.3.1).

use super::{
    build::{Publish, subscribe},
    client::Client,
    read::{self, Packet},
};
use crate::support::gateway::Gateway;

// Subscription options.
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_IF_NEW: u8 = 0x10;
const RETAIN_NEVER: u8 = 0x20;

/// A gateway, and a client that keeps messages in it.
fn start() -> (Gateway, Client) {
    let gateway = Gateway::start("");
    let mut keeper = Client::connect(&gateway, "keeper");
    keep(&mut keeper, "marker", "marker");
    (gateway, keeper)
}

/// Keeps `payload` on `topic`; an empty one deletes what is kept.
#[track_caller]
fn keep(keeper: &mut Client, topic: &str, payload: &str) {
    keeper.sends(Publish::new(topic, payload).retained(), 1);
}

/// What a new subscriber to `filter` finds, up to the marker behind it.
#[track_caller]
fn found(gateway: &Gateway, filter: &str) -> Vec<read::Publish> {
    let mut client = Client::connect(gateway, "subscriber");
    client.subscribe(filter, 2);
    up_to_marker(&mut client)
}

/// All that `client` is sent before the retained message on `marker`; none is acknowledged.
#[track_caller]
fn up_to_marker(client: &mut Client) -> Vec<read::Publish> {
    client.send(&subscribe(0x7FFF, &[], &[("marker", 0)]));
    let mut found = Vec::new();
    let (mut is_subscribed, mut is_marked) = (false, false);
    while !(is_subscribed && is_marked) {
        match client.expect() {
            Packet::SubAck(answer) if answer.packet_id == 0x7FFF => is_subscribed = true,
            Packet::Publish(publish) if publish.topic == "marker" => is_marked = true,
            Packet::Publish(publish) => found.push(publish),
            other => panic!("{other:?}"),
        }
    }
    found
}

fn texts(found: &[read::Publish]) -> Vec<&str> {
    found.iter().map(read::Publish::text).collect()
}

#[test]
fn mqtt_3_3_1_5_a_retained_message_takes_the_place_of_the_one_before() {
    let (gateway, mut keeper) = start();
    for (text, qos) in [("first", 1), ("second", 2), ("third", 0)] {
        keeper.sends(Publish::new("t", text).retained(), qos);
        // At QoS 0 nothing else tells that it was taken.
        keeper.pings();
        let found = found(&gateway, "t");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].text(), found[0].qos), (text, qos));
        assert!(found[0].retain);
    }
    keep(&mut keeper, "other", "another topic's");
    assert_eq!(found(&gateway, "t")[0].text(), "third");
}

#[test]
fn mqtt_3_3_1_6_a_retained_message_without_a_payload_is_delivered_and_deletes() {
    let (gateway, mut keeper) = start();
    let mut live = Client::connect(&gateway, "live");
    live.subscribe("t", RETAIN_AS_PUBLISHED);
    for qos in 0..=2 {
        keep(&mut keeper, "t", "kept");
        assert_eq!(live.take().text(), "kept");
        assert_eq!(texts(&found(&gateway, "t")), ["kept"]);
        keeper.sends(Publish::new("t", "").retained(), qos);
        let delivered = live.take();
        assert_eq!((delivered.text(), delivered.retain), ("", true));
        assert!(found(&gateway, "t").is_empty(), "QoS {qos}");
    }
}

#[test]
fn mqtt_3_3_1_7_a_retained_message_without_a_payload_is_not_kept() {
    let (gateway, mut keeper) = start();
    keep(&mut keeper, "t", "");
    assert!(found(&gateway, "t").is_empty());
}

#[test]
fn mqtt_3_3_1_8_a_message_without_retain_leaves_what_is_kept() {
    let (gateway, mut keeper) = start();
    for qos in 0..=2 {
        keeper.publishes("t", "not kept", qos);
        assert!(found(&gateway, "t").is_empty());
    }
    keep(&mut keeper, "t", "kept");
    for text in ["not kept", ""] {
        for qos in 0..=2 {
            keeper.publishes("t", text, qos);
            assert_eq!(texts(&found(&gateway, "t")), ["kept"]);
        }
    }
}

#[test]
fn mqtt_3_3_1_9_retain_handling_0_sends_all_that_match() {
    let (gateway, mut keeper) = start();
    for number in 0..500 {
        keep(&mut keeper, &format!("t/{number}"), &number.to_string());
    }
    keep(&mut keeper, "other/t", "does not match");
    let mut client = Client::connect(&gateway, "client");
    for round in 0..2 {
        client.subscribe("t/+", 0);
        let found = up_to_marker(&mut client);
        assert!(found.iter().all(|publish| publish.retain));
        let mut numbers: Vec<u32> = texts(&found)
            .iter()
            .map(|text| text.parse().expect("a number"))
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>(), "round {round}");
    }
}

#[test]
fn mqtt_3_3_1_10_retain_handling_1_sends_them_to_a_new_subscription_only() {
    let (gateway, mut keeper) = start();
    keep(&mut keeper, "t", "kept");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", RETAIN_IF_NEW);
    assert_eq!(texts(&up_to_marker(&mut client)), ["kept"]);
    client.subscribe("t", RETAIN_IF_NEW);
    assert!(up_to_marker(&mut client).is_empty());
    client.subscribe("t", 0);
    assert_eq!(texts(&up_to_marker(&mut client)), ["kept"]);
    client.unsubscribe("t");
    client.subscribe("t", RETAIN_IF_NEW);
    assert_eq!(texts(&up_to_marker(&mut client)), ["kept"]);
}

#[test]
fn mqtt_3_3_1_11_retain_handling_2_sends_none() {
    let (gateway, mut keeper) = start();
    keep(&mut keeper, "t", "kept");
    let mut client = Client::connect(&gateway, "client");
    for _ in 0..2 {
        client.subscribe("t", RETAIN_NEVER);
        assert!(up_to_marker(&mut client).is_empty());
    }
    keep(&mut keeper, "t", "live");
    assert_eq!(client.take().text(), "live");
}

#[test]
fn mqtt_3_3_1_12_without_retain_as_published_a_message_is_forwarded_without_retain() {
    let (gateway, mut keeper) = start();
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", 1);
    keep(&mut keeper, "t", "retained");
    keeper.publishes("t", "plain", 1);
    assert!(!client.take().retain);
    assert!(!client.take().retain);
}

#[test]
fn mqtt_3_3_1_13_with_retain_as_published_a_message_is_forwarded_as_it_came() {
    let (gateway, mut keeper) = start();
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("t", RETAIN_AS_PUBLISHED | 1);
    for retained in [true, false, true, false] {
        if retained {
            keep(&mut keeper, "t", "retained");
        } else {
            keeper.publishes("t", "plain", 1);
        }
        assert_eq!(client.take().retain, retained);
    }
    // What is sent because a subscription was made is retained either way.
    for options in [0, RETAIN_AS_PUBLISHED] {
        client.subscribe("t", options);
        assert!(client.take().retain);
    }
}
