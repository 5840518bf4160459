//! What a message carries: a text that SQS takes, and what it stands for.

use std::{collections::HashMap, str};

use aws_sdk_sqs::types::MessageAttributeValue;
use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};

use crate::upstreams::aws::Failure;

/// The message attribute that says what a body stands for, when that is not the body itself.
const ATTRIBUTE: &str = "perennial-encoding";
const DATA_TYPE: &str = "String";

/// The body of a message that carries nothing; SQS takes no empty one.
const NOTHING: &str = "-";

/// The form in which a payload travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body<'a> {
    /// As it is.
    Text(&'a str),
    /// In base64, which the attribute says.
    Base64(&'a [u8]),
    /// As `-`, since there is nothing; the attribute says so.
    Empty,
}

impl<'a> Body<'a> {
    /// The form for `payload`: the text that it is where SQS takes that and base64 is not asked for.
    pub(super) fn of(payload: &'a [u8], use_base64: bool) -> Self {
        match str::from_utf8(payload) {
            Ok("") => Self::Empty,
            Ok(text) if !use_base64 && text.chars().all(is_taken) => Self::Text(text),
            _ => Self::Base64(payload),
        }
    }

    /// The bytes that count: those of the body, and those of the attribute's name, type and value.
    pub(super) fn size(self) -> usize {
        let body = match self {
            Self::Text(text) => text.len(),
            // It is at most a third more than a payload, which is in memory.
            Self::Base64(payload) => encoded_len(payload.len(), true).unwrap_or(usize::MAX),
            Self::Empty => NOTHING.len(),
        };
        let attribute = |encoding: &str| ATTRIBUTE.len() + DATA_TYPE.len() + encoding.len();
        body.saturating_add(self.encoding().map_or(0, attribute))
    }

    /// The body as it is sent.
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Base64(payload) => STANDARD.encode(payload),
            Self::Empty => NOTHING.to_owned(),
        }
    }

    /// The message attributes, if there are any.
    pub(super) fn attributes(
        self,
    ) -> Result<Option<HashMap<String, MessageAttributeValue>>, Failure> {
        let Some(encoding) = self.encoding() else {
            return Ok(None);
        };
        let value = MessageAttributeValue::builder()
            .data_type(DATA_TYPE)
            .string_value(encoding)
            .build()
            .map_err(|error| Failure::malformed(error.to_string()))?;
        Ok(Some(HashMap::from([(ATTRIBUTE.to_owned(), value)])))
    }

    fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Base64(_) => Some("base64"),
            Self::Empty => Some("empty"),
        }
    }
}

/// Whether SQS takes `character`: those of XML 1.0 (SQS API reference, `SendMessage`).
fn is_taken(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_sqs_takes_travels_as_it_is() {
        for text in [
            "text",
            " ",
            "{\"t\": 1}\r\n\t",
            "\u{7f}\u{85}\u{2028}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}",
        ] {
            let body = Body::of(text.as_bytes(), false);
            assert_eq!(body, Body::Text(text));
            assert_eq!((body.text(), body.size()), (text.to_owned(), text.len()));
            assert_eq!(body.attributes().unwrap(), None);
        }
    }

    #[test]
    fn anything_else_travels_in_base64_and_an_attribute_says_so() {
        for (payload, use_base64, text) in [
            (b"a\0".as_slice(), false, "YQA="),
            (b"\x1b[1m", false, "G1sxbQ=="),
            (b"\xff", false, "/w=="),
            ("\u{fffe}".as_bytes(), false, "77++"),
            ("\u{ffff}".as_bytes(), false, "77+/"),
            (b"text", true, "dGV4dA=="),
        ] {
            let body = Body::of(payload, use_base64);
            assert_eq!(body.text(), text);
            assert_eq!(
                body.size(),
                text.len() + "perennial-encodingStringbase64".len()
            );
            let attributes = body.attributes().unwrap().unwrap();
            assert_eq!(
                attributes["perennial-encoding"].string_value(),
                Some("base64")
            );
        }
    }

    #[test]
    fn an_empty_payload_travels_as_a_dash_that_an_attribute_explains() {
        for use_base64 in [false, true] {
            let body = Body::of(b"", use_base64);
            assert_eq!(body.text(), "-");
            assert_eq!(body.size(), "-perennial-encodingStringempty".len());
            let attributes = body.attributes().unwrap().unwrap();
            assert_eq!(
                attributes["perennial-encoding"].string_value(),
                Some("empty")
            );
        }
        assert_eq!(Body::of(b"-", false), Body::Text("-"));
    }
}
