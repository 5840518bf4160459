//! Topic filters: what a subscription or a rule asks for.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;

use crate::excerpt::excerpt;
use crate::levels::{self, Reach};
use crate::{MAX_TOPIC_BYTES, TopicName};

/// What a filter begins with when a group shares the subscription (MQTT 5, 4.8.2).
const SHARE: &str = "$share/";

/// A topic filter that follows MQTT 4.7: `+` fills a level, `#` comes last.
///
/// `$share/GROUP/FILTER` (MQTT 5, 4.8.2) asks for the topics of `FILTER` as one of
/// the subscribers of `GROUP`. A clone shares the bytes, and with them the whole
/// buffer they were cut from.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicFilter {
    text: ByteString,
    /// Where the pattern begins in `text`: behind `$share/GROUP/`, or at the start.
    pattern_at: usize,
}

impl TopicFilter {
    /// Takes `filter` as a topic filter.
    ///
    /// # Errors
    /// `filter` breaks a rule of MQTT 4.7 or 4.8.2; the error says which, and what
    /// would be right.
    pub fn parse(filter: impl Into<ByteString>) -> Result<Self, InvalidTopicFilter> {
        let text = filter.into();
        if text.is_empty() {
            return Err(InvalidTopicFilter::Empty);
        }
        if text.len() > MAX_TOPIC_BYTES {
            return Err(InvalidTopicFilter::TooLong { bytes: text.len() });
        }
        if text.contains('\0') {
            let filter = excerpt(&text);
            return Err(InvalidTopicFilter::Nul { filter });
        }
        let pattern_at = pattern_at(&text)?;
        check_wildcards(&text, pattern_at)?;
        Ok(Self { text, pattern_at })
    }

    /// The whole filter, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The filter that topics are matched with: without `$share/GROUP/`.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.text[self.pattern_at..]
    }

    /// The group that shares the subscription, if one does.
    #[must_use]
    pub fn share_group(&self) -> Option<&str> {
        let prefix = self.text[..self.pattern_at].strip_suffix('/')?;
        prefix.strip_prefix(SHARE)
    }

    /// Whether the pattern can match more than one topic.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.pattern().contains(['+', '#'])
    }

    /// Whether messages published to `topic` are asked for.
    ///
    /// A pattern that starts with a wildcard does not match topics that start with
    /// `$` (MQTT-4.7.2-1); `sport/#` matches `sport` too (4.7.1.2).
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        if self.pattern().starts_with(['+', '#']) && topic.starts_with('$') {
            return false;
        }
        let (path, reach) = self.path();
        let behind = match path {
            Some(path) => levels::follow(path, topic, 0),
            None => Some(0),
        };
        behind.is_some_and(|at| reach == Reach::Subtree || at == levels::end(topic))
    }

    /// The levels before a final `#` (none for the filter `#`), and what `#` adds.
    pub(crate) fn path(&self) -> (Option<&str>, Reach) {
        let pattern = self.pattern();
        if pattern == "#" {
            (None, Reach::Subtree)
        } else if let Some(path) = pattern.strip_suffix("/#") {
            (Some(path), Reach::Subtree)
        } else {
            (Some(pattern), Reach::Exact)
        }
    }
}

fn pattern_at(text: &str) -> Result<usize, InvalidTopicFilter> {
    let Some(shared) = text.strip_prefix(SHARE) else {
        return Ok(0);
    };
    let group = levels::first(shared);
    if group.is_empty() {
        let filter = excerpt(text);
        return Err(InvalidTopicFilter::EmptyGroup { filter });
    }
    if group.contains(['+', '#']) {
        return Err(InvalidTopicFilter::WildcardInGroup {
            filter: excerpt(text),
            group: excerpt(group),
        });
    }
    let pattern_at = SHARE.len() + group.len() + 1;
    if pattern_at >= text.len() {
        return Err(InvalidTopicFilter::NothingShared {
            filter: excerpt(text),
            group: excerpt(group),
        });
    }
    Ok(pattern_at)
}

/// Checks that each wildcard of the pattern fills its level and `#` comes last.
fn check_wildcards(text: &str, pattern_at: usize) -> Result<(), InvalidTopicFilter> {
    let mut at = pattern_at;
    while at < levels::end(text) {
        let level = levels::level_at(text, at);
        let behind = at + level.len();
        if let Some(offset) = level.find(['+', '#'])
            && level.len() > 1
        {
            let wildcard = &level[offset..=offset];
            return Err(InvalidTopicFilter::WildcardBesideText {
                filter: excerpt(text),
                wildcard: if wildcard == "+" { '+' } else { '#' },
                level: excerpt(level),
                right: excerpt(&mend(text, at, level, offset)),
            });
        }
        if level == "#" && behind < text.len() {
            return Err(InvalidTopicFilter::HashBeforeEnd {
                filter: excerpt(text),
                right: excerpt(&text[..behind]),
            });
        }
        at = behind + 1;
    }
    Ok(())
}

/// A filter that `text` may have meant, whose level at `at` has text around the
/// wildcard at `offset`: `a/+` for `a/b+`, `a/b/#` for `a/b#`. Whatever follows
/// further on is left out: it may be wrong too.
fn mend(text: &str, at: usize, level: &str, offset: usize) -> String {
    let before = &text[..at];
    match (&level[offset..=offset], offset) {
        ("+", _) => format!("{before}+"),
        (_, 0) => format!("{before}#"),
        _ => format!("{before}{}/#", &level[..offset]),
    }
}

impl AsRef<str> for TopicFilter {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TopicFilter {
    type Err = InvalidTopicFilter;

    fn from_str(filter: &str) -> Result<Self, Self::Err> {
        Self::parse(filter)
    }
}

/// Why a text is not a topic filter.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTopicFilter {
    /// The text is empty (MQTT-4.7.3-1).
    #[error("the topic filter is empty: it needs at least one character; `#` asks for every topic")]
    Empty,
    /// The text does not fit into an MQTT string (MQTT-4.7.3-3).
    #[error("the topic filter has {bytes} bytes: at most {MAX_TOPIC_BYTES} are allowed")]
    TooLong {
        /// The length of the text in bytes.
        bytes: usize,
    },
    /// The text has the character U+0000 (MQTT-4.7.3-2).
    #[error("the topic filter {filter:?} contains U+0000: any other character is allowed there")]
    Nul {
        /// The text, or its beginning.
        filter: String,
    },
    /// A wildcard shares its level with text (MQTT-4.7.1-1, MQTT-4.7.1-2).
    #[error(
        "the topic filter {filter:?} has text beside `{wildcard}` in the level {level:?}: \
         a wildcard fills a whole level, as in {right:?}"
    )]
    WildcardBesideText {
        /// The text, or its beginning.
        filter: String,
        /// The wildcard.
        wildcard: char,
        /// The level that the wildcard is in.
        level: String,
        /// What the filter could be up to that level.
        right: String,
    },
    /// Levels come after `#` (MQTT-4.7.1-1).
    #[error(
        "the topic filter {filter:?} has levels after `#`: it can only be the last level, \
         as in {right:?}"
    )]
    HashBeforeEnd {
        /// The text, or its beginning.
        filter: String,
        /// The filter up to its first `#`.
        right: String,
    },
    /// The filter starts with `$share/` and an empty group (MQTT-4.8.2-1).
    #[error("the topic filter {filter:?} has an empty share group: write `$share/GROUP/FILTER`")]
    EmptyGroup {
        /// The text, or its beginning.
        filter: String,
    },
    /// The name of the share group has a wildcard (MQTT-4.8.2-2).
    #[error(
        "the topic filter {filter:?} has a wildcard in its share group {group:?}: wildcards \
         belong in the part after it, `$share/GROUP/FILTER`"
    )]
    WildcardInGroup {
        /// The text, or its beginning.
        filter: String,
        /// The group in the text.
        group: String,
    },
    /// Nothing comes after the share group (MQTT-4.8.2-2).
    #[error(
        "the topic filter {filter:?} has nothing after its share group: \
         write the filter there, as in \"$share/{group}/#\""
    )]
    NothingShared {
        /// The text, or its beginning.
        filter: String,
        /// The group in the text.
        group: String,
    },
}
