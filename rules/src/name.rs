//! Topic names: what a message is published to.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use bytestring::ByteString;

use crate::MAX_TOPIC_BYTES;
use crate::excerpt::excerpt;

/// A topic name that follows MQTT 4.7: not empty, no wildcards, no U+0000, at most
/// 65,535 bytes.
///
/// Empty levels are legal (`/`, `a//b`), and so is any first character. A clone
/// shares the bytes, and with them the whole buffer they were cut from.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicName(ByteString);

impl TopicName {
    /// Takes `name` as a topic name.
    ///
    /// # Errors
    /// `name` breaks a rule of MQTT 4.7; the error says which.
    pub fn parse(name: impl Into<ByteString>) -> Result<Self, InvalidTopicName> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidTopicName::Empty);
        }
        if name.len() > MAX_TOPIC_BYTES {
            return Err(InvalidTopicName::TooLong { bytes: name.len() });
        }
        match name.bytes().find(|byte| matches!(byte, b'+' | b'#' | 0)) {
            None => Ok(Self(name)),
            Some(0) => Err(InvalidTopicName::Nul {
                name: excerpt(&name),
            }),
            Some(wildcard) => Err(InvalidTopicName::Wildcard {
                name: excerpt(&name),
                wildcard: char::from(wildcard),
            }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the shared string that it is kept in.
    #[must_use]
    pub fn as_byte_string(&self) -> &ByteString {
        &self.0
    }

    /// Gives up the shared string that the name is kept in.
    #[must_use]
    pub fn into_byte_string(self) -> ByteString {
        self.0
    }
}

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TopicName {
    type Err = InvalidTopicName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl From<TopicName> for ByteString {
    fn from(name: TopicName) -> Self {
        name.into_byte_string()
    }
}

/// Why a text is not a topic name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTopicName {
    /// The text is empty (MQTT-4.7.3-1).
    #[error("the topic name is empty: it needs at least one character")]
    Empty,
    /// The text does not fit into an MQTT string (MQTT-4.7.3-3).
    #[error("the topic name has {bytes} bytes: at most {MAX_TOPIC_BYTES} are allowed")]
    TooLong {
        /// The length of the text in bytes.
        bytes: usize,
    },
    /// The text has the character U+0000 (MQTT-4.7.3-2).
    #[error("the topic name {name:?} contains U+0000: any other character is allowed there")]
    Nul {
        /// The text, or its beginning.
        name: String,
    },
    /// The text has a wildcard (MQTT-3.3.2-2).
    #[error(
        "the topic name {name:?} contains `{wildcard}`: a message goes to one topic, \
         wildcards belong in topic filters"
    )]
    Wildcard {
        /// The text, or its beginning.
        name: String,
        /// The first wildcard in it.
        wildcard: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_spec_and_of_the_field_are_accepted_as_they_are() {
        for name in [
            "/",
            "//",
            " ",
            "/finance",
            "Accounts payable",
            "sport/tennis/player1",
            "$SYS/monitor/Clients",
            "$aws/things/pump/shadow/update",
            "$share/consumer/x",
            "ölförbrukning/1",
            "🌡/kök",
            "\u{feff}a",
        ] {
            let parsed = TopicName::parse(name).unwrap();
            assert_eq!(parsed.as_str(), name);
            assert_eq!(parsed.to_string(), name);
            assert_eq!(name.parse::<TopicName>().unwrap(), parsed);
            assert_eq!(parsed.into_byte_string(), name);
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (name, message) in [
            (
                "",
                "the topic name is empty: it needs at least one character",
            ),
            (
                "a/+",
                "the topic name \"a/+\" contains `+`: a message goes to one topic, wildcards \
                 belong in topic filters",
            ),
            (
                "a#",
                "the topic name \"a#\" contains `#`: a message goes to one topic, wildcards \
                 belong in topic filters",
            ),
            (
                "a\0b",
                "the topic name \"a\\0b\" contains U+0000: any other character is allowed there",
            ),
        ] {
            assert_eq!(TopicName::parse(name).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_name_has_at_most_65535_bytes() {
        assert!(TopicName::parse("a".repeat(65_535)).is_ok());
        assert_eq!(
            TopicName::parse("a".repeat(65_536)),
            Err(InvalidTopicName::TooLong { bytes: 65_536 })
        );
        assert_eq!(
            TopicName::parse("ä".repeat(32_768)),
            Err(InvalidTopicName::TooLong { bytes: 65_536 })
        );
    }
}
