//! The key of an object: a template over its destination, its first record and its name.

use std::borrow::Cow;

use crate::{RecordRef, Settings, destination::Words, json::time_parts, template::Template};

/// What a key can be made of, beside what it takes from the destination.
const VARIABLES: &[&str] = &[
    "destination",
    "channel",
    "stream",
    "region",
    "account",
    "client_id",
    "topic",
    "id",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "hash",
];

const DEFAULT: &str = "${channel}/${year}/${month}/${day}/${hour}/${hash}.ndjson";

/// The longest key that S3 takes, in bytes.
const LONGEST: usize = 1_024;

/// A template for keys, with `${hash}` in it.
#[derive(Debug)]
pub(super) struct KeyTemplate(Template);

impl KeyTemplate {
    /// Reads `key`, or takes the default; `None` when an error was recorded.
    pub(super) fn from_settings(settings: &mut dyn Settings, is_gzip: bool) -> Option<Self> {
        let default = || match is_gzip {
            true => format!("{DEFAULT}.gz"),
            false => DEFAULT.to_owned(),
        };
        let text = settings.text("key").unwrap_or_else(default);
        match Self::parse(&text) {
            Ok(template) => Some(template),
            Err(problem) => {
                settings.refuse("key", problem);
                None
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text, VARIABLES).map_err(|error| error.to_string())?;
        if !template.uses("hash") {
            let problem =
                "objects would overwrite one another; ${hash} has to be a part of the key";
            return Err(problem.to_owned());
        }
        Ok(Self(template))
    }

    /// The key for an object called `name` whose first record is `first`.
    ///
    /// # Errors
    /// Why there is none for this record, worded for a person.
    pub(super) fn expand(
        &self,
        destination: &str,
        first: RecordRef<'_>,
        name: &str,
    ) -> Result<String, String> {
        let words = Words::of(destination);
        let [year, month, day, hour, minute, second] = &time_parts(first.time);
        let key = self.0.expand(|variable| {
            safe(match variable {
                "client_id" => first.client_id,
                "topic" => first.topic,
                "id" => first.id,
                "year" => year,
                "month" => month,
                "day" => day,
                "hour" => hour,
                "minute" => minute,
                "second" => second,
                "hash" => name,
                _ => words.value(variable),
            })
        });
        if key.len() > LONGEST {
            let length = key.len();
            return Err(format!("the key has {length} bytes; it may have {LONGEST}"));
        }
        Ok(key)
    }
}

/// A value without what S3 advises to avoid in keys: control characters, signs that tools take
/// for something else, and steps to other folders.
fn safe(value: &str) -> Cow<'_, str> {
    let is_bad = |char: char| char.is_control() || r#"\{}^%`[]"<>~#|"#.contains(char);
    let is_step = |part: &str| matches!(part, "." | "..");
    if !value.contains(is_bad) && !value.split('/').any(is_step) {
        return Cow::Borrowed(value);
    }
    let value = value.replace(is_bad, "_");
    let parts = value.split('/').map(|part| match is_step(part) {
        true => "_",
        false => part,
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: RecordRef<'_> = RecordRef {
        id: "request123",
        topic: "sensors/\"1\"/../é",
        client_id: "pump",
        time: 1_795_169_730_123,
        payload: b"",
    };
    const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-a";

    fn expand(template: &str, destination: &str) -> Result<String, String> {
        KeyTemplate::parse(template)?.expand(destination, FIRST, "0f-1")
    }

    #[test]
    fn a_key_is_made_of_destination_time_and_hash() {
        for (template, destination, key) in [
            (DEFAULT, "telemetry", "telemetry/2026/11/20/10/0f-1.ndjson"),
            (DEFAULT, ARN, "stream-a/2026/11/20/10/0f-1.ndjson"),
            ("${hash}", "a", "0f-1"),
            (
                "${region}/${account}/${stream}/dt=${year}-${month}-${day}/${minute}${second}-${hash}",
                ARN,
                "eu-west-1/123456789012/stream-a/dt=2026-11-20/1530-0f-1",
            ),
            (
                "${client_id}/${id}/${topic}/${hash}",
                "a",
                "pump/request123/sensors/_1_/_/é/0f-1",
            ),
        ] {
            assert_eq!(expand(template, destination).unwrap(), key);
        }
    }

    #[test]
    fn a_key_that_is_not_unique_or_too_long_is_none() {
        assert_eq!(
            expand("${channel}/${minute}", "a").unwrap_err(),
            "objects would overwrite one another; ${hash} has to be a part of the key"
        );
        assert!(
            expand("${hash}${milli}", "a")
                .unwrap_err()
                .contains("there is no variable ${milli}")
        );
        assert_eq!(
            expand("${hash}${channel}", &"a".repeat(1_020))
                .unwrap()
                .len(),
            1_024
        );
        assert_eq!(
            expand("${hash}${channel}", &"a".repeat(1_021)).unwrap_err(),
            "the key has 1025 bytes; it may have 1024"
        );
    }
}
