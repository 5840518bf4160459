//! The variables of templates that say something of a single record.

use std::borrow::Cow;

use crate::{
    RecordRef, Settings,
    template::{InvalidTemplate, Template},
};

/// A template over `${client_id}`, `${topic}`, `${id}` and `${destination}`.
///
/// `${id}` is empty where the device gave none; `${destination}` is where the record goes,
/// in the words of the upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RecordTemplate(Template);

const VARIABLES: &[&str] = &["client_id", "topic", "id", "destination"];

impl RecordTemplate {
    /// Reads the template under `key`, or takes `default`; `None` when an error was recorded.
    pub(crate) fn from_settings(
        settings: &mut dyn Settings,
        key: &str,
        default: &str,
    ) -> Option<Self> {
        let text = settings.text(key).unwrap_or_else(|| default.to_owned());
        let parsed = Self::parse(&text);
        parsed
            .map_err(|error| settings.refuse(key, error.to_string()))
            .ok()
    }

    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        Ok(Self(Template::parse(text, VARIABLES)?))
    }

    /// The text for `record`.
    pub(crate) fn expand(&self, destination: &str, record: RecordRef<'_>) -> String {
        self.0.expand(|name| {
            Cow::Borrowed(match name {
                "client_id" => record.client_id,
                "topic" => record.topic,
                "id" => record.id,
                _ => destination,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_its_destination_fill_the_variables() {
        let record = RecordRef {
            id: "7",
            topic: "a/b",
            client_id: "pump",
            time: 0,
            payload: b"not in a name",
        };
        for (text, expanded) in [
            ("fixed", "fixed"),
            (
                "${destination}:${topic}:${id}:${client_id}",
                "stream:a/b:7:pump",
            ),
        ] {
            let template = RecordTemplate::parse(text).unwrap();
            assert_eq!(template.expand("stream", record), expanded);
        }
        assert_eq!(
            RecordTemplate::parse("${payload}").unwrap_err().to_string(),
            "there is no variable ${payload} here; there are: ${client_id}, ${topic}, ${id}, ${destination}"
        );
    }
}
