//! The JSON request on `kinesisfirehose/message`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    Rejection,
    contracts::request::{self, NoRequest, Value},
    delivery_stream::DeliveryStreamArn,
};

const SHAPE: &str = r#"a request is {"request": {"data": "text"}, "id": "optional"}"#;

/// A request that follows the contract.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The record.
    pub(super) data: Cow<'a, [u8]>,
    /// The stream, where the request names one.
    pub(super) delivery_stream_arn: Option<Cow<'a, str>>,
    /// The device's id; empty when it gave none.
    pub(super) id: Cow<'a, str>,
}

/// Reads a request; what is not escaped in it is not copied.
pub(super) fn parse(payload: &[u8]) -> Result<Request<'_>, Rejection> {
    let request =
        request::parse::<Body<'_>>(payload, SHAPE).map_err(|no_request| match no_request {
            NoRequest::NotJson(message) => reject("", "SerializationException", message),
            NoRequest::Misshapen { id, message } => invalid(&id, message),
        })?;
    let (id, body) = (request.id, request.body);
    let data = match body.data {
        Value::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Value::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        other => {
            let message = format!(
                "\"request.data\" is {}; it is a string, and JSON goes into it as text",
                other.kind()
            );
            return Err(invalid(&id, message));
        }
    };
    let delivery_stream_arn = match body.delivery_stream_arn {
        Value::Null => None,
        Value::Text(arn) => match DeliveryStreamArn::parse(&arn) {
            Ok(_) => Some(arn),
            Err(error) => {
                return Err(invalid(
                    &id,
                    format!("\"request.delivery_stream_arn\": {error}"),
                ));
            }
        },
        other => {
            let found = other.kind();
            let message =
                format!("\"request.delivery_stream_arn\" is {found}; it is a string or left out");
            return Err(invalid(&id, message));
        }
    };
    Ok(Request {
        data,
        delivery_stream_arn,
        id,
    })
}

fn invalid(id: &str, message: String) -> Rejection {
    reject(id, "InvalidArgumentException", message)
}

fn reject(id: &str, code: &str, message: String) -> Rejection {
    Rejection {
        id: id.to_owned(),
        code: code.to_owned(),
        message,
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Value<'a>,
    #[serde(borrow, default)]
    delivery_stream_arn: Value<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed_from_the_payload() {
        let request = parse(br#"{"id":"7","request":{"data":"plain"}}"#).unwrap();
        assert!(matches!(request.data, Cow::Borrowed(b"plain")));
        assert!(matches!(request.id, Cow::Borrowed("7")));
        assert!(request.delivery_stream_arn.is_none());
    }

    #[test]
    fn escapes_become_the_bytes_that_they_stand_for() {
        let request = parse(br#"{"request":{"data":"{\"t\":1}\n\u00e9\ud83d\ude00"}}"#).unwrap();
        assert_eq!(&*request.data, "{\"t\":1}\né😀".as_bytes());
    }
}
