//! The JSON request on `iotanalytics/channels/{channel}/messages/put`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    Rejection,
    contracts::request::{self, NoRequest, Value},
};

use super::{MAX_MESSAGE, invalid};

const SHAPE: &str = r#"a request is {"request": {"message": "text"}, "id": "optional"}"#;

/// The longest id (service model of AWS IoT Analytics, `MessageId`).
const MAX_ID: usize = 128;

/// A request that follows the contract.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The record: JSON or base64, which is the service's to read.
    pub(super) message: Cow<'a, [u8]>,
    /// The device's id; empty when it gave none.
    pub(super) id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    message: Value<'a>,
}

/// Reads a request; what is not escaped in it is not copied.
pub(super) fn parse(payload: &[u8]) -> Result<Request<'_>, Rejection> {
    let request = request::parse::<Body<'_>>(payload, SHAPE);
    let request = request.map_err(|no_request| match no_request {
        NoRequest::NotJson(message) => invalid("", message),
        NoRequest::Misshapen { id, message } => invalid(&id, message),
    })?;
    let (id, body) = (request.id, request.body);
    if let Some(problem) = problem_with(&id) {
        return Err(invalid(&id, problem));
    }
    let message = match body.message {
        Value::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Value::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        other => {
            let message = format!(
                "\"request.message\" is {}; it is a string, and JSON goes into it as text",
                other.kind()
            );
            return Err(invalid(&id, message));
        }
    };
    if message.len() > MAX_MESSAGE {
        let length = message.len();
        let message = format!(
            "\"request.message\" has {length} bytes; a message has at most {MAX_MESSAGE} bytes"
        );
        return Err(invalid(&id, message));
    }
    Ok(Request { message, id })
}

/// What the service would not take in an id; no id is none of it.
fn problem_with(id: &str) -> Option<String> {
    let right = "an id has up to 128 printable characters of ASCII";
    let strange = |char: &char| !matches!(char, ' '..='~');
    if let Some(strange) = id.chars().find(strange) {
        return Some(format!("\"id\" has the character {strange:?}; {right}"));
    }
    let length = id.len();
    (length > MAX_ID).then(|| format!("\"id\" has {length} characters; {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed_from_the_payload() {
        let request = parse(br#"{"id":"7","request":{"message":"plain"}}"#).unwrap();
        assert!(matches!(request.message, Cow::Borrowed(b"plain")));
        assert!(matches!(request.id, Cow::Borrowed("7")));
    }
}
