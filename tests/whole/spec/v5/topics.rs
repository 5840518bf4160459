//! Topic names and topic filters (4.7).

use super::{
    build::{PUBACK, Publish, subscribe, unsubscribe},
    client::Client,
    reason::{MALFORMED, PROTOCOL_ERROR, TOPIC_FILTER_INVALID, TOPIC_NAME_INVALID},
};
use crate::support::gateway::Gateway;

/// Which of `topics` a subscriber to `filter` is sent.
#[track_caller]
fn matching<'a>(gateway: &Gateway, filter: &str, topics: &[&'a str]) -> Vec<&'a str> {
    let mut client = Client::connect(gateway, "client");
    client.subscribe(filter, 0);
    client.subscribe("$marker", 0);
    for topic in topics {
        client.publishes(topic, "", 0);
    }
    client.publishes("$marker", "", 0);
    let mut found = Vec::new();
    loop {
        let publish = client.take();
        if publish.topic == "$marker" {
            return found;
        }
        let sent = topics.iter().find(|topic| **topic == publish.topic);
        found.push(*sent.expect("a topic that was published"));
    }
}

#[test]
fn mqtt_4_7_1_1_a_multi_level_wildcard_comes_last_and_fills_all_that_follow() {
    let gateway = Gateway::start("");
    for filter in ["a#", "#a", "#/", "#/a", "a/#/b", "a/b#", "##", "+#", "a/##"] {
        Client::cannot_subscribe(&gateway, filter);
    }
    let topics = ["a", "a/", "a/b", "a/b/c", "/a", "b", "/", "ab"];
    assert_eq!(matching(&gateway, "#", &topics), topics);
    assert_eq!(
        matching(&gateway, "a/#", &topics),
        ["a", "a/", "a/b", "a/b/c"]
    );
    assert_eq!(matching(&gateway, "/#", &topics), ["/a", "/"]);
    assert_eq!(matching(&gateway, "+/b/#", &topics), ["a/b", "a/b/c"]);
}

#[test]
fn mqtt_4_7_1_2_a_single_level_wildcard_fills_one_level() {
    let gateway = Gateway::start("");
    for filter in ["a+", "+a", "a/b+", "a/+b/c", "++", "+/a+"] {
        Client::cannot_subscribe(&gateway, filter);
    }
    let topics = ["a", "a/", "a/b", "a/b/c", "/a", "b", "/", "//"];
    assert_eq!(matching(&gateway, "+", &topics), ["a", "b"]);
    assert_eq!(matching(&gateway, "a/+", &topics), ["a/", "a/b"]);
    assert_eq!(matching(&gateway, "/+", &topics), ["/a", "/"]);
    assert_eq!(matching(&gateway, "+/+", &topics), ["a/", "a/b", "/a", "/"]);
    assert_eq!(matching(&gateway, "+/b/+", &topics), ["a/b/c"]);
}

#[test]
fn mqtt_4_7_2_1_a_wildcard_at_the_beginning_matches_no_topic_that_begins_with_a_dollar() {
    let gateway = Gateway::start("");
    let topics = ["$private/t", "$private", "a/$b", "$private/$t"];
    for (filter, expected) in [
        ("#", &["a/$b"][..]),
        ("+/t", &[]),
        ("+/#", &["a/$b"]),
        ("+", &[]),
        ("+/$b", &["a/$b"]),
        ("$private/#", &["$private/t", "$private", "$private/$t"]),
        ("$private/+", &["$private/t", "$private/$t"]),
    ] {
        assert_eq!(matching(&gateway, filter, &topics), expected, "{filter}");
    }
    // The same for what is retained.
    let mut client = Client::connect(&gateway, "keeper");
    client.sends(Publish::new("$private/kept", "x").retained(), 1);
    client.sends(Publish::new("kept", "x").retained(), 1);
    client.subscribe("#", 0);
    assert_eq!(client.take().topic, "kept");
    client.subscribe("$private/+", 0);
    assert_eq!(client.take().topic, "$private/kept");
}

#[test]
fn mqtt_4_7_3_1_topic_names_and_filters_have_at_least_one_character() {
    let gateway = Gateway::start("");
    Client::cannot_subscribe(&gateway, "");
    let mut client = Client::connect(&gateway, "client");
    client.send(&Publish::new("", "").encode());
    client.is_disconnected(&[PROTOCOL_ERROR, MALFORMED, TOPIC_NAME_INVALID]);
    assert_eq!(matching(&gateway, "/", &["/", " "]), ["/"]);
    assert_eq!(matching(&gateway, " ", &["/", " "]), [" "]);
}

#[test]
fn mqtt_4_7_3_2_topic_names_and_filters_have_no_u_0000() {
    let gateway = Gateway::start("");
    for packet in [
        Publish::new("a\0", "").encode(),
        Publish::new("\0", "").qos(1, 1).encode(),
        subscribe(1, &[], &[("a/\0", 0)]),
        unsubscribe(1, &["a/\0"]),
    ] {
        let mut client = Client::connect(&gateway, "client");
        client.send(&packet);
        client.is_disconnected(&[MALFORMED]);
    }
}

#[test]
fn mqtt_4_7_3_3_topic_names_and_filters_of_all_lengths_are_taken_or_refused() {
    let gateway = Gateway::start("");
    let short = "x".repeat(250);
    assert_eq!(matching(&gateway, &short, &[&short]), [&short]);
    // The longest that can be encoded: a bound on it has an answer of its own.
    let long = "x".repeat(0xFFFF);
    let mut client = Client::connect(&gateway, "client");
    let code = client.subscribed(&long, 0);
    assert!([0x00, TOPIC_FILTER_INVALID].contains(&code), "{code:#04x}");
    client.send(&Publish::new(&long, "").qos(1, 9).encode());
    let reason = client.ack(PUBACK, 9).reason;
    assert!(
        reason == TOPIC_NAME_INVALID || reason < 0x80,
        "{reason:#04x}"
    );
    client.pings();
}

#[test]
fn mqtt_4_7_3_4_matching_changes_nothing_about_names_and_filters() {
    let gateway = Gateway::start("");
    // Composed and decomposed, in upper and lower case, with one and two slashes.
    let topics = [
        "\u{C4}", "A\u{308}", "\u{E4}", "a", "A", "a/", "/a", "a//", "//a", " a", "a\u{301}",
    ];
    for topic in topics {
        assert_eq!(matching(&gateway, topic, &topics), [topic]);
    }
}
