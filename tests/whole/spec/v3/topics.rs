//! 4.7: topic names and filters.

use super::{
    client::{Client, message},
    packets::{publish, suback, subscribe, unsubscribe},
};
use crate::support::gateway::Gateway;

/// The gateway never grants `filter`: it refuses it, or ends the connection.
#[track_caller]
fn assert_is_not_granted(gateway: &Gateway, filter: &str) {
    let mut client = Client::connect(gateway, "client");
    client.send(&subscribe(1, &[(filter.as_bytes(), 1)]));
    if let Some(answer) = client.receive() {
        let found = super::packets::packet(answer.first, &answer.body);
        assert_eq!(found, suback(1, &[0x80]), "{filter:?}");
    }
}

/// Which of `topics` come to a subscriber of `filter`.
#[track_caller]
fn matched<'a>(gateway: &Gateway, filter: &str, topics: &[&'a str]) -> Vec<&'a str> {
    let mut publisher = Client::connect(gateway, "publisher");
    let mut subscriber = Client::connect(gateway, "subscriber");
    subscriber.subscribe("the/end/of/it", 1);
    subscriber.subscribe(filter, 1);
    for topic in topics {
        publisher.publish(1, topic, topic);
    }
    let found = subscriber.messages_before_marker(&mut publisher, "the/end/of/it");
    for message in &found {
        assert_eq!(message.topic, message.payload);
    }
    let came = |topic: &&&str| found.iter().any(|message| message.topic == **topic);
    topics.iter().filter(came).copied().collect()
}

#[test]
fn mqtt_4_7_1_2_the_multi_level_wildcard_comes_last_and_fills_its_level() {
    let gateway = Gateway::start("");
    for filter in [
        "a#", "#a", "a/#/b", "#/", "##", "a/##", "a/b#", "#/#", "+#", "#+",
    ] {
        assert_is_not_granted(&gateway, filter);
    }
    let topics = ["a", "a/", "a/b", "a/b/c", "/a", "ab", "b", "/"];
    assert_eq!(matched(&gateway, "#", &topics), topics);
    assert_eq!(
        matched(&gateway, "a/#", &topics),
        ["a", "a/", "a/b", "a/b/c"]
    );
    assert_eq!(matched(&gateway, "a/b/#", &topics), ["a/b", "a/b/c"]);
    assert_eq!(matched(&gateway, "/#", &topics), ["/a", "/"]);
    assert_eq!(matched(&gateway, "+/#", &topics), topics);
}

#[test]
fn mqtt_4_7_1_3_the_single_level_wildcard_fills_a_level_which_may_be_any() {
    let gateway = Gateway::start("");
    for filter in ["a+", "+a", "a/+b", "a/b+", "++", "a/++", "+a/#", "a/+b/c"] {
        assert_is_not_granted(&gateway, filter);
    }
    let topics = ["a", "b", "a/", "/a", "a/b", "b/b", "a/b/c", "a//c", "//"];
    assert_eq!(matched(&gateway, "+", &topics), ["a", "b"]);
    assert_eq!(matched(&gateway, "a/+", &topics), ["a/", "a/b"]);
    assert_eq!(matched(&gateway, "+/b", &topics), ["a/b", "b/b"]);
    assert_eq!(
        matched(&gateway, "+/+", &topics),
        ["a/", "/a", "a/b", "b/b"]
    );
    assert_eq!(matched(&gateway, "a/+/c", &topics), ["a/b/c", "a//c"]);
    assert_eq!(matched(&gateway, "+/+/+", &topics), ["a/b/c", "a//c", "//"]);
    assert_eq!(matched(&gateway, "/+", &topics), ["/a"]);
    assert_eq!(matched(&gateway, "+/b/#", &topics), ["a/b", "b/b", "a/b/c"]);
}

#[test]
fn mqtt_4_7_2_1_a_filter_that_begins_with_a_wildcard_does_not_match_a_dollar_topic() {
    let gateway = Gateway::start("");
    let topics = ["$test", "$test/a", "a/$test", "test/a"];
    assert_eq!(matched(&gateway, "#", &topics), ["a/$test", "test/a"]);
    assert_eq!(matched(&gateway, "+/a", &topics), ["test/a"]);
    assert_eq!(matched(&gateway, "+/#", &topics), ["a/$test", "test/a"]);
    assert_eq!(matched(&gateway, "+", &topics), [""; 0]);
    assert_eq!(matched(&gateway, "$test/#", &topics), ["$test", "$test/a"]);
    assert_eq!(matched(&gateway, "$test/+", &topics), ["$test/a"]);
    assert_eq!(matched(&gateway, "a/+", &topics), ["a/$test"]);

    // The same for what is retained.
    let mut publisher = Client::connect(&gateway, "publisher");
    publisher.retain(1, "$test/kept", "kept");
    for filter in ["#", "+/kept", "+/+"] {
        let mut subscriber = Client::connect(&gateway, "subscriber");
        subscriber.subscribe("the/end/of/it", 1);
        subscriber.subscribe(filter, 1);
        let found = subscriber.messages_before_marker(&mut publisher, "the/end/of/it");
        assert_eq!(found, [], "{filter}");
    }
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("$test/+", 1);
    let kept = message(1, "$test/kept", "kept").retained();
    assert_eq!(subscriber.message(), kept);
}

#[test]
fn mqtt_4_7_3_1_topic_names_and_filters_have_at_least_one_character() {
    let gateway = Gateway::start("");
    assert_is_not_granted(&gateway, "");
    for qos in 0..=2 {
        let mut client = Client::connect(&gateway, "client");
        client.send(&publish(qos, 1, "", "x"));
        client.expect_end();
    }
    // One is enough.
    assert_eq!(matched(&gateway, "/", &["/", "a"]), ["/"]);
    assert_eq!(matched(&gateway, "a", &["/", "a"]), ["a"]);
}

#[test]
fn mqtt_4_7_3_2_topic_names_and_filters_have_no_null_character() {
    let gateway = Gateway::start("");
    for text in ["\0", "a\0", "a/\0/b", "\0/#"] {
        for packet in [
            publish(0, 0, text, "x"),
            publish(1, 1, text, "x"),
            subscribe(1, &[(text.as_bytes(), 1)]),
            unsubscribe(1, &[text.as_bytes()]),
        ] {
            let mut client = Client::connect(&gateway, "client");
            client.send(&packet);
            client.expect_end();
        }
    }
}

#[test]
fn mqtt_4_7_3_3_topic_names_and_filters_may_have_65_535_bytes() {
    let gateway = Gateway::start("[limits]\nmax_topic_length = 65_535\n");
    let longest = "x".repeat(65_535);
    let other = "x".repeat(65_534);
    let topics = [longest.as_str(), &other];
    assert!(matched(&gateway, &longest, &topics) == [&longest]);
    assert!(matched(&gateway, "+", &topics) == topics);
}

#[test]
fn mqtt_4_7_3_4_topic_names_and_filters_are_compared_as_they_are() {
    let gateway = Gateway::start("");
    let topics = [
        "a/b",
        "A/b",
        "a/b/",
        "/a/b",
        "a//b",
        "a/./b",
        "a/x/../b",
        "a /b",
        " a/b",
        "a/b ",
        "a%2Fb",
        "a\\b",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{212b}",
        "\u{c5}",
        "stra\u{df}e",
        "strasse",
        "\u{ff41}/b",
    ];
    for topic in topics {
        assert_eq!(matched(&gateway, topic, &topics), [topic]);
    }
}
