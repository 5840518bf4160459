//! The examples that the specification itself gives.

use perennial_rules::{FilterTrie, InvalidTopicFilter, TopicFilter, TopicName};

use crate::naive;

/// Filter, topic, whether they match; by section of MQTT 5.
const EXAMPLES: &[(&str, &str, bool)] = &[
    // 4.7.1.2
    ("sport/tennis/player1/#", "sport/tennis/player1", true),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/ranking",
        true,
    ),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/score/wimbledon",
        true,
    ),
    ("sport/tennis/player1/#", "sport/tennis/player2", false),
    ("sport/tennis/player1/#", "sport/tennis", false),
    ("sport/#", "sport", true),
    ("sport/#", "sports", false),
    ("#", "sport", true),
    ("#", "/", true),
    // 4.7.1.3
    ("sport/tennis/+", "sport/tennis/player1", true),
    ("sport/tennis/+", "sport/tennis/player2", true),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
    ("sport/+", "sport", false),
    ("sport/+", "sport/", true),
    ("+", "sport", true),
    ("+/tennis/#", "sport/tennis", true),
    ("+/tennis/#", "sport/tennis/player1", true),
    ("sport/+/player1", "sport/tennis/player1", true),
    ("sport/+/player1", "sport/player1", false),
    ("/finance", "/finance", true),
    ("+/+", "/finance", true),
    ("/+", "/finance", true),
    ("+", "/finance", false),
    // 4.7.2
    ("#", "$SYS/monitor/Clients", false),
    ("#", "$SYS", false),
    ("+", "$SYS", false),
    ("+/monitor/Clients", "$SYS/monitor/Clients", false),
    ("$SYS/#", "$SYS", true),
    ("$SYS/#", "$SYS/monitor/Clients", true),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
    ("+/#", "$SYS/monitor", false),
    ("a/+", "a/$SYS", true),
    ("a/#", "a/$SYS", true),
    // 4.7.3
    ("ACCOUNTS", "Accounts", false),
    ("Accounts payable", "Accounts payable", true),
    ("/finance", "finance", false),
    ("finance", "/finance", false),
    ("+/finance", "finance", false),
    ("finance/", "finance", false),
    ("finance/", "finance/", true),
    ("finance//", "finance/", false),
    ("//", "//", true),
    ("+/+/+", "//", true),
    // 4.8.2
    ("$share/consumer1/sport/tennis/+", "sport/tennis/a", true),
    ("$share/consumer2/sport/tennis/+", "sport/tennis/a/b", false),
    ("$share/consumer1//finance", "/finance", true),
    ("$share/consumer1/#", "$SYS/monitor", false),
    ("$share/consumer1/a", "$share/consumer1/a", false),
    // Characters of more than one byte are characters like any other.
    ("öl/+", "öl/tryck", true),
    ("+/tryck", "öl/tryck", true),
    ("ö", "o\u{308}", false),
];

#[test]
fn the_examples_of_the_specification_match_as_it_says() {
    for &(filter, topic, expected) in EXAMPLES {
        let filter = TopicFilter::parse(filter).unwrap();
        let topic = TopicName::parse(topic).unwrap();
        assert_eq!(filter.matches(&topic), expected, "{filter}, {topic}");
        assert_eq!(
            naive::matches(filter.pattern(), &topic),
            expected,
            "naive: {filter}, {topic}"
        );
        let mut trie = FilterTrie::new();
        trie.insert(&filter, ());
        let mut visited = 0;
        trie.visit(&topic, |()| visited += 1);
        assert_eq!(visited, usize::from(expected), "trie: {filter}, {topic}");
    }
}

#[test]
fn the_filters_that_the_specification_calls_valid_are_accepted() {
    for filter in [
        "sport/tennis/player1/#",
        "sport/#",
        "#",
        "sport/tennis/#",
        "+",
        "+/tennis/#",
        "sport/+/player1",
        "/",
        "$share/consumer1/sport/tennis/+",
        "$share/consumer1//finance",
    ] {
        assert!(TopicFilter::parse(filter).is_ok(), "{filter}");
    }
}

#[test]
fn the_filters_that_the_specification_calls_invalid_are_refused() {
    type Kind = fn(&InvalidTopicFilter) -> bool;
    let beside: Kind = |error| matches!(error, InvalidTopicFilter::WildcardBesideText { .. });
    let before_end: Kind = |error| matches!(error, InvalidTopicFilter::HashBeforeEnd { .. });
    for (filter, is_kind) in [
        ("sport/tennis#", beside),
        ("sport+", beside),
        ("sport/tennis/#/ranking", before_end),
    ] {
        let error = TopicFilter::parse(filter).unwrap_err();
        assert!(is_kind(&error), "{error}");
    }
}
