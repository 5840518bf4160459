//! Which letters are meant, and moments as a person writes them.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::operator::letter::Letter;

/// What a letter has to have; nothing means any.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The connector's name.
    pub connector: Option<String>,
    /// Where the record was going.
    pub destination: Option<String>,
    /// The error type.
    pub reason: Option<String>,
    /// Given up then or later, in milliseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Given up before, in milliseconds since the Unix epoch.
    pub until: Option<u64>,
}

impl Filter {
    /// Whether any letter passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether letters of `connector` can pass.
    pub(super) fn takes_connector(&self, connector: &str) -> bool {
        self.connector.as_deref().is_none_or(|own| own == connector)
    }

    /// Whether `letter` passes, whatever its connector. One that cannot be read has no
    /// destination and no time, and passes no filter that asks for them.
    pub(super) fn takes(&self, letter: &Letter) -> bool {
        let asks = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|own| found == Some(own))
        };
        asks(&self.destination, letter.destination())
            && asks(&self.reason, Some(letter.code()))
            && self
                .since
                .is_none_or(|since| letter.when().is_some_and(|when| when >= since))
            && self
                .until
                .is_none_or(|until| letter.when().is_some_and(|when| when < until))
    }
}

/// Reads a moment, in milliseconds since the Unix epoch: `2026-11-20T10:15:00Z`, or how long
/// before `now` it was, such as `2h`.
///
/// # Errors
/// The text is neither.
pub fn moment(text: &str, now: u64) -> Result<u64, InvalidMoment> {
    if let Ok(age) = humantime::parse_duration(text) {
        return Ok(now.saturating_sub(millis(age)));
    }
    let moment = humantime::parse_rfc3339(text)
        .or_else(|_| humantime::parse_rfc3339_weak(text))
        .map_err(|_| InvalidMoment)?;
    let since = moment
        .duration_since(UNIX_EPOCH)
        .map_err(|_| InvalidMoment)?;
    Ok(millis(since))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A text that is no moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a moment is written as 2026-11-20T10:15:00Z (UTC), or as an age such as 2h or \"1day 6h\""
)]
pub struct InvalidMoment;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::{DeadLetterRef, DeadRecord, write_dead_letter};

    fn letter(destination: &str, code: &str, when: u64) -> Letter {
        let mut bytes = Vec::new();
        let letter = DeadLetterRef {
            destination,
            code,
            message: "",
            when,
            attempts: 1,
            record: DeadRecord::Raw(b""),
        };
        write_dead_letter(&mut bytes, &letter);
        Letter::read(0, bytes.into())
    }

    #[test]
    fn a_letter_passes_when_it_has_all_that_is_asked_for() {
        let found = letter("d", "Code", 100);
        let text = |text: &str| Some(text.to_owned());
        let all = Filter {
            connector: text("c"),
            destination: text("d"),
            reason: text("Code"),
            since: Some(100),
            until: Some(101),
        };
        assert!(all.takes_connector("c") && !all.takes_connector("d"));
        assert!(all.takes(&found) && Filter::default().takes(&found));
        for other in [
            letter("e", "Code", 100),
            letter("d", "code", 100),
            letter("d", "Code", 99),
            letter("d", "Code", 101),
        ] {
            assert!(!all.takes(&other), "{other:?}");
        }
    }

    #[test]
    fn a_letter_that_cannot_be_read_passes_only_what_asks_for_nothing_that_it_has_not() {
        let corrupt = Letter::read(0, Bytes::from_static(b"\xff"));
        assert!(Filter::default().takes(&corrupt));
        let by_reason = Filter {
            reason: Some("CorruptDeadLetter".to_owned()),
            ..Filter::default()
        };
        assert!(by_reason.takes(&corrupt));
        let filters = [
            Filter {
                destination: Some(String::new()),
                ..Filter::default()
            },
            Filter {
                since: Some(0),
                ..Filter::default()
            },
            Filter {
                until: Some(u64::MAX),
                ..Filter::default()
            },
        ];
        assert!(filters.iter().all(|filter| !filter.takes(&corrupt)));
    }

    #[test]
    fn a_moment_is_a_date_or_an_age() {
        let now = 1_800_000_000_000;
        for (text, expected) in [
            ("2h", now - 7_200_000),
            ("1day 6h", now - 108_000_000),
            ("0s", now),
            ("9000years", 0),
            ("2026-11-20T10:15:00Z", 1_795_169_700_000),
            ("2026-11-20T10:15:00.250Z", 1_795_169_700_250),
            ("2026-11-20 10:15:00", 1_795_169_700_000),
        ] {
            assert_eq!(moment(text, now), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "2026-11-20", "2026-13-01T00:00:00Z", "5"] {
            assert_eq!(moment(text, now), Err(InvalidMoment), "{text}");
        }
    }
}
