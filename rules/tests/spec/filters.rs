//! Any filter and any topic, and the texts that are neither.

use perennial_rules::{TopicFilter, TopicName};
use proptest::prelude::*;

use crate::naive;

/// Levels of which few are different, so that topics and filters meet.
fn text_level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "a", "b", "ab", "ä", "åb", "🌡", "$", "$a", "$SYS", " "][..])
}

fn filter_level() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => text_level(), 2 => Just("+")]
}

/// Any topic name of up to six levels.
pub(crate) fn topic() -> impl Strategy<Value = TopicName> {
    prop::collection::vec(text_level(), 1..=6)
        .prop_map(|levels| levels.join("/"))
        .prop_filter_map("the empty text is no topic", |name| {
            TopicName::parse(name).ok()
        })
}

/// Any topic filter of up to six levels, a shared one at times.
pub(crate) fn filter() -> impl Strategy<Value = TopicFilter> {
    let levels = prop::collection::vec(filter_level(), 0..=6);
    let share = prop::sample::select(&["", "", "", "$share/g/", "$share/ä/"][..]);
    (share, levels, any::<bool>()).prop_filter_map(
        "the empty text is no filter",
        |(share, mut levels, subtree)| {
            levels.extend(subtree.then_some("#"));
            TopicFilter::parse(share.to_owned() + &levels.join("/")).ok()
        },
    )
}

/// A topic that a filter was made from, so that most of the pairs match.
fn topic_and_relative() -> impl Strategy<Value = (TopicName, TopicFilter)> {
    let change = prop::sample::select(&["keep", "keep", "+", "#", "other"][..]);
    (topic(), prop::collection::vec(change, 7)).prop_map(|(topic, changes)| {
        let mut levels = Vec::new();
        for (level, change) in topic.split('/').chain([""]).zip(changes) {
            match change {
                "#" => {
                    levels.push("#");
                    break;
                }
                "+" => levels.push("+"),
                "other" => levels.push("b"),
                _ => levels.push(level),
            }
        }
        if levels.last() == Some(&"") {
            levels.pop();
        }
        let filter = TopicFilter::parse(levels.join("/"));
        let filter = filter.unwrap_or_else(|_| "#".parse().expect("`#` is a filter"));
        (topic, filter)
    })
}

/// Texts around the edges of the grammar.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(
        &[
            "/", "/", "+", "#", "a", "ä", "$", "$share", "$share/", "g/", "\0",
        ][..],
    );
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_filter_matches_what_the_specification_says((topic, filter) in (topic(), filter())) {
        prop_assert_eq!(filter.matches(&topic), naive::matches(filter.pattern(), &topic));
    }

    #[test]
    fn a_filter_made_from_a_topic_matches_what_the_specification_says(
        (topic, filter) in topic_and_relative(),
    ) {
        prop_assert_eq!(filter.matches(&topic), naive::matches(filter.pattern(), &topic));
    }

    #[test]
    fn a_text_is_a_filter_exactly_when_the_specification_says_so(text in text()) {
        match TopicFilter::parse(text.as_str()) {
            Ok(filter) => {
                prop_assert!(naive::is_filter(&text));
                let whole = match filter.share_group() {
                    Some(group) => format!("$share/{group}/{}", filter.pattern()),
                    None => filter.pattern().to_owned(),
                };
                prop_assert_eq!(whole, text);
            }
            Err(error) => prop_assert!(!naive::is_filter(&text), "{}", error),
        }
    }

    #[test]
    fn a_text_is_a_topic_exactly_when_the_specification_says_so(text in text()) {
        let expected = !text.is_empty() && !text.contains(['+', '#', '\0']);
        prop_assert_eq!(TopicName::parse(text).is_ok(), expected);
    }
}
