//! The name of a dead letter.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A connector and the sequence that a letter had first in its queue: `firehose/17`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterId {
    /// The connector's name.
    pub connector: String,
    /// The sequence.
    pub sequence: u64,
}

impl FromStr for LetterId {
    type Err = InvalidLetterId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (connector, sequence) = text.rsplit_once('/').ok_or(InvalidLetterId)?;
        let digits = sequence.bytes().all(|byte| byte.is_ascii_digit());
        match sequence.parse() {
            Ok(sequence) if digits && !connector.is_empty() => Ok(Self {
                connector: connector.to_owned(),
                sequence,
            }),
            _ => Err(InvalidLetterId),
        }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.connector, self.sequence)
    }
}

impl TryFrom<String> for LetterId {
    type Error = InvalidLetterId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LetterId> for String {
    fn from(id: LetterId) -> Self {
        id.to_string()
    }
}

/// A text that names no dead letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a dead letter is named by its connector and a number, such as firehose/17")]
pub struct InvalidLetterId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let id: LetterId = "fire-hose_2/17".parse().unwrap();
        assert_eq!((id.connector.as_str(), id.sequence), ("fire-hose_2", 17));
        assert_eq!(id.to_string(), "fire-hose_2/17");
        for text in ["", "17", "/17", "a/", "a/-1", "a/+1", "a/x", "a/1 "] {
            assert_eq!(text.parse::<LetterId>(), Err(InvalidLetterId), "{text:?}");
        }
    }
}
