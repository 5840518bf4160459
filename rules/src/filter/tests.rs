//! What a filter is made of, and what an operator reads about a broken one.

use super::*;

fn message(filter: &str) -> String {
    TopicFilter::parse(filter).unwrap_err().to_string()
}

#[test]
fn a_filter_tells_its_parts() {
    for (filter, pattern, group, wildcard) in [
        ("a/b", "a/b", None, false),
        ("#", "#", None, true),
        ("+/a", "+/a", None, true),
        ("/", "/", None, false),
        ("$share/g/a/+", "a/+", Some("g"), true),
        ("$share/g/a", "a", Some("g"), false),
        ("$share/g//", "/", Some("g"), false),
        ("$share/gr öße/#", "#", Some("gr öße"), true),
        ("$share/g/$share/h/a", "$share/h/a", Some("g"), false),
        ("$share", "$share", None, false),
        ("$shared/g/a", "$shared/g/a", None, false),
        ("a/$share/g/b", "a/$share/g/b", None, false),
    ] {
        let parsed: TopicFilter = filter.parse().unwrap();
        assert_eq!(parsed.as_str(), filter);
        assert_eq!(parsed.to_string(), filter);
        assert_eq!(parsed.pattern(), pattern, "{filter}");
        assert_eq!(parsed.share_group(), group, "{filter}");
        assert_eq!(parsed.has_wildcard(), wildcard, "{filter}");
    }
}

#[test]
fn a_misplaced_wildcard_is_named_with_what_would_be_right() {
    assert_eq!(
        message("a/b+/c"),
        "the topic filter \"a/b+/c\" has text beside `+` in the level \"b+\": a wildcard \
         fills a whole level, as in \"a/+\""
    );
    assert_eq!(
        message("sport/tennis#"),
        "the topic filter \"sport/tennis#\" has text beside `#` in the level \"tennis#\": a \
         wildcard fills a whole level, as in \"sport/tennis/#\""
    );
    assert_eq!(
        message("#ä"),
        "the topic filter \"#ä\" has text beside `#` in the level \"#ä\": a wildcard fills a \
         whole level, as in \"#\""
    );
    assert_eq!(
        message("++"),
        "the topic filter \"++\" has text beside `+` in the level \"++\": a wildcard fills a \
         whole level, as in \"+\""
    );
    assert_eq!(
        message("$share/g/a/#/b"),
        "the topic filter \"$share/g/a/#/b\" has levels after `#`: it can only be the last \
         level, as in \"$share/g/a/#\""
    );
    assert_eq!(
        message("#/"),
        "the topic filter \"#/\" has levels after `#`: it can only be the last level, as in \
         \"#\""
    );
}

#[test]
fn a_broken_share_is_named_with_what_would_be_right() {
    for filter in ["$share//a", "$share/"] {
        assert_eq!(
            message(filter),
            format!(
                "the topic filter {filter:?} has an empty share group: write \
                 `$share/GROUP/FILTER`"
            )
        );
    }
    for (filter, group) in [
        ("$share/+/a", "+"),
        ("$share/g#/a", "g#"),
        ("$share/#", "#"),
    ] {
        assert_eq!(
            message(filter),
            format!(
                "the topic filter {filter:?} has a wildcard in its share group {group:?}: \
                 wildcards belong in the part after it, `$share/GROUP/FILTER`"
            )
        );
    }
    for filter in ["$share/g", "$share/g/"] {
        assert_eq!(
            message(filter),
            format!(
                "the topic filter {filter:?} has nothing after its share group: write the \
                 filter there, as in \"$share/g/#\""
            )
        );
    }
}

#[test]
fn an_empty_a_long_and_a_nul_filter_are_refused() {
    assert_eq!(
        message(""),
        "the topic filter is empty: it needs at least one character; `#` asks for every topic"
    );
    assert_eq!(
        message("a\0"),
        "the topic filter \"a\\0\" contains U+0000: any other character is allowed there"
    );
    assert!(TopicFilter::parse("/".repeat(65_535)).is_ok());
    assert_eq!(
        TopicFilter::parse("/".repeat(65_536)),
        Err(InvalidTopicFilter::TooLong { bytes: 65_536 })
    );
}

#[test]
fn an_error_about_a_huge_filter_stays_short() {
    let huge = format!("{}x#", "+/".repeat(30_000));
    assert!(message(&huge).len() < 1_000);
}
