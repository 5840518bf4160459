//! Walking a topic level by level.
//!
//! A position in a topic is the byte at which a level begins. Each level is seen as
//! ending in a slash, the last one in a slash that is not there, so the position
//! behind a whole topic is its length plus one, and an empty last level still has a
//! position of its own.
//!
//! A path is a part of a topic filter without `#`: levels of text or `+`, joined by
//! slashes. Slashes and wildcards are ASCII, so bytes are compared, never characters.

/// How far below its path a topic filter reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// The filter is its path: it matches topics of as many levels.
    Exact,
    /// The filter is its path and then `#`: it matches the path and all below it.
    Subtree,
}

/// The position behind all levels of `topic`.
pub(crate) fn end(topic: &str) -> usize {
    topic.len() + 1
}

/// The first level of a path or topic.
pub(crate) fn first(path: &str) -> &str {
    &path[..level_end(path.as_bytes(), 0)]
}

/// The level of `topic` that begins at `at`, which is before the end.
pub(crate) fn level_at(topic: &str, at: usize) -> &str {
    &topic[at..level_end(topic.as_bytes(), at)]
}

/// Follows `path` through `topic` from the level at `at`; the position behind it, or
/// nothing when the topic goes another way or ends on the path.
pub(crate) fn follow(path: &str, topic: &str, at: usize) -> Option<usize> {
    let topic = topic.as_bytes();
    let mut at = at;
    if at > topic.len() {
        return None;
    }
    for &byte in path.as_bytes() {
        if byte == b'+' {
            at = level_end(topic, at);
        } else if topic.get(at) == Some(&byte) {
            at += 1;
        } else {
            return None;
        }
    }
    match topic.get(at) {
        None | Some(b'/') => Some(at + 1),
        Some(_) => None,
    }
}

/// Takes back `follow`: the position from which `path` led to `at`.
pub(crate) fn rewind(path: &str, topic: &str, at: usize) -> usize {
    let topic = topic.as_bytes();
    path.split('/').fold(at, |at, _| {
        let slash = topic[..at - 1].iter().rposition(|&byte| byte == b'/');
        slash.map_or(0, |slash| slash + 1)
    })
}

/// The length of the levels with which both paths begin; their first levels are equal.
pub(crate) fn shared(one: &str, other: &str) -> usize {
    let pairs = one.split('/').zip(other.split('/'));
    let equal = pairs.take_while(|(one, other)| one == other);
    equal
        .map(|(level, _)| level.len() + 1)
        .sum::<usize>()
        .saturating_sub(1)
}

fn level_end(topic: &[u8], at: usize) -> usize {
    let slash = topic[at..].iter().position(|&byte| byte == b'/');
    slash.map_or(topic.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn following_a_path_leads_behind_it_and_rewinding_leads_back() {
        for (path, topic, at, behind) in [
            ("a", "a", 0, 2),
            ("a", "a/b", 0, 2),
            ("b", "a/b", 2, 4),
            ("+/b", "å/b/c", 0, 5),
            ("+", "a/", 2, 3),
            ("", "a/", 2, 3),
            ("", "/", 0, 1),
            ("/", "/", 0, 2),
            ("+/+", "/", 0, 2),
        ] {
            assert_eq!(
                follow(path, topic, at),
                Some(behind),
                "{path:?} in {topic:?}"
            );
            assert_eq!(rewind(path, topic, behind), at, "{path:?} in {topic:?}");
        }
    }

    #[test]
    fn a_path_that_the_topic_does_not_take_is_not_followed() {
        for (path, topic, at) in [
            ("a", "b", 0),
            ("a", "ab", 0),
            ("ab", "a", 0),
            ("a/b", "a", 0),
            ("a/+", "a", 0),
            ("a/", "a", 0),
            ("", "a", 0),
            ("+", "a", 2),
            ("", "a", 2),
        ] {
            assert_eq!(follow(path, topic, at), None, "{path:?} in {topic:?}");
        }
    }

    #[test]
    fn paths_share_whole_levels_only() {
        for (one, other, length) in [
            ("a", "a", 1),
            ("a/b", "a/c", 1),
            ("a/bc", "a/bd", 1),
            ("a/b", "a/b/c", 3),
            ("a/", "a//", 2),
            ("/a", "/b", 0),
            ("+/a", "+/a/b", 3),
        ] {
            assert_eq!(shared(one, other), length, "{one:?}, {other:?}");
            assert_eq!(shared(other, one), length, "{other:?}, {one:?}");
        }
    }
}
