//! Topic aliases (3.1.2.11.5, 3.3.2.3.4).

use super::{
    build::{Connect, Publish},
    client::Client,
    prop,
    reason::{PROTOCOL_ERROR, TOPIC_ALIAS_INVALID},
};
use crate::support::gateway::Gateway;

fn aliased(topic: &str, alias: u16) -> Publish {
    Publish::new(topic, "").with(&prop::two(prop::TOPIC_ALIAS, alias))
}

fn maximum(aliases: u16) -> Vec<u8> {
    prop::two(prop::TOPIC_ALIAS_MAXIMUM, aliases)
}

/// The aliases in what a client with this CONNECT is sent on 5 topics, twice each.
#[track_caller]
fn sent_aliases(connect: &Connect) -> Vec<Option<u32>> {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::accepted(&gateway, connect);
    client.subscribe("#", 1);
    let mut aliases = Vec::new();
    for round in 0..2 {
        for number in 0..5 {
            let topic = format!("a/rather/long/topic/{number}");
            client.publishes(&topic, "", round);
            let publish = client.take();
            // Which an alias may stand for.
            assert_eq!(publish.topic, topic);
            aliases.push(publish.properties.number(prop::TOPIC_ALIAS));
        }
    }
    aliases
}

#[test]
fn mqtt_3_1_2_26_and_3_3_2_11_no_alias_to_a_client_is_above_its_maximum() {
    for limit in [1, 2, 0xFFFF] {
        for alias in sent_aliases(&Connect::new("client").with(&maximum(limit))) {
            assert!(alias.is_none_or(|alias| alias <= limit.into()), "{alias:?}");
        }
    }
}

#[test]
fn mqtt_3_1_2_27_a_client_without_a_topic_alias_maximum_is_sent_no_alias() {
    for connect in [
        Connect::new("client"),
        Connect::new("client").with(&maximum(0)),
    ] {
        assert_eq!(sent_aliases(&connect), [None; 10]);
    }
}

#[test]
fn mqtt_3_2_2_17_and_3_3_2_9_an_alias_above_the_gateways_maximum_ends_the_connection() {
    let gateway = Gateway::start("");
    let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
    let limit = answer.properties.number(prop::TOPIC_ALIAS_MAXIMUM);
    let beyond = limit.unwrap_or(0) as u16 + 1;
    client.send(&aliased("t", beyond).encode());
    client.is_disconnected(&[TOPIC_ALIAS_INVALID]);
}

#[test]
fn mqtt_3_2_2_18_an_alias_ends_the_connection_where_none_are_offered() {
    let gateway = Gateway::start("[limits]\nmax_topic_aliases = 0\n");
    let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
    let limit = answer.properties.number(prop::TOPIC_ALIAS_MAXIMUM);
    assert_eq!(limit.unwrap_or(0), 0);
    client.send(&aliased("t", 1).encode());
    client.is_disconnected(&[TOPIC_ALIAS_INVALID]);
}

#[test]
fn mqtt_3_3_2_7_an_alias_means_nothing_on_another_connection() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.sends(aliased("t", 1), 1);
    client.sends(aliased("", 1), 1);
    client.leave();
    let (mut client, is_present) = Client::resume(&gateway, "client");
    assert!(is_present);
    let mut other = Client::connect(&gateway, "other");
    for client in [&mut client, &mut other] {
        client.send(&aliased("", 1).encode());
        client.is_disconnected(&[PROTOCOL_ERROR, TOPIC_ALIAS_INVALID]);
    }
    // The gateway sets its own anew as well: an alias that is not set fails the reading of it.
    for _ in 0..3 {
        let connect = Connect::resuming("receiver").with(&maximum(10));
        let (mut receiver, _) = Client::accepted(&gateway, &connect);
        receiver.subscribe("t", 1);
        for _ in 0..2 {
            receiver.publishes("t", "", 1);
            assert_eq!(receiver.publish().topic, "t");
        }
        receiver.vanish();
        receiver = Client::accepted(&gateway, &connect).0;
        for _ in 0..2 {
            let again = receiver.publish();
            assert_eq!((again.topic.as_str(), again.dup), ("t", true));
            receiver.acknowledge(&again);
        }
        receiver.leave();
    }
}

#[test]
fn mqtt_3_3_2_8_an_alias_of_zero_ends_the_connection() {
    let gateway = Gateway::start("");
    for topic in ["t", ""] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&aliased(topic, 0).encode());
        client.is_disconnected(&[TOPIC_ALIAS_INVALID, PROTOCOL_ERROR]);
    }
    // None that the gateway sends is zero, which is a part of reading them.
    sent_aliases(&Connect::new("client").with(&maximum(3)));
}

#[test]
fn mqtt_3_3_2_12_all_aliases_up_to_the_gateways_maximum_are_taken() {
    let gateway = Gateway::start("");
    let (mut client, answer) = Client::accepted(&gateway, &Connect::new("client"));
    client.subscribe("t/+", 0);
    let limit = answer.properties.number(prop::TOPIC_ALIAS_MAXIMUM);
    let limit = limit.expect("aliases are offered") as u16;
    // Set, used, and set to another topic.
    for generation in ["a", "b"] {
        for topic_is_sent in [true, false] {
            for alias in 1..=limit {
                let topic = format!("t/{alias}{generation}");
                let sent = if topic_is_sent { &topic } else { "" };
                client.send(&aliased(sent, alias).encode());
                let publish = client.take();
                assert_eq!(publish.topic, topic);
                assert!(!publish.properties.has(prop::TOPIC_ALIAS));
            }
        }
    }
}
