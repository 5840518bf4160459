//! The JSON request on `kinesisfirehose/message`.
//!
//! Keys that the contract does not name are ignored, as V1 did. A value of the wrong
//! type is told apart from JSON that cannot be read, so that the answer carries the
//! device's id wherever there is one.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{
        self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
    },
};

use crate::{Rejection, delivery_stream::DeliveryStreamArn};

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
    let message: Value<'_, Message<'_>> = serde_json::from_slice(payload).map_err(|error| {
        reject(
            "",
            "SerializationException",
            format!("the payload is not JSON ({error}); {SHAPE}"),
        )
    })?;
    let message = match message {
        Value::Object(message) => message,
        other => {
            return Err(invalid(
                "",
                format!("the payload is {}; {SHAPE}", other.kind()),
            ));
        }
    };
    let id = match message.id {
        Value::Null => Cow::Borrowed(""),
        Value::Text(id) => id,
        other => {
            let found = other.kind();
            return Err(invalid(
                "",
                format!("\"id\" is {found}; it is a string or left out"),
            ));
        }
    };
    let request = match message.request {
        Value::Object(request) => request,
        other => {
            let found = other.kind();
            return Err(invalid(&id, format!("\"request\" is {found}; {SHAPE}")));
        }
    };
    let data = match request.data {
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
    let delivery_stream_arn = match request.delivery_stream_arn {
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
struct Message<'a> {
    #[serde(borrow, default)]
    request: Value<'a, Body<'a>>,
    #[serde(borrow, default)]
    id: Value<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Value<'a>,
    #[serde(borrow, default)]
    delivery_stream_arn: Value<'a>,
}

/// A JSON value of whatever type came, of which only texts and objects matter.
#[derive(Default)]
enum Value<'a, Object = IgnoredAny> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Object(Object),
    /// Neither, and what it is.
    Other(&'static str),
}

impl<Object> Value<'_, Object> {
    /// What was found, for an error message.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "missing",
            Self::Text(_) => "a string",
            Self::Object(_) => "an object",
            Self::Other(kind) => kind,
        }
    }
}

impl<'de: 'a, 'a, Object: Deserialize<'de>> Deserialize<'de> for Value<'a, Object> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue(PhantomData))
    }
}

struct AnyValue<'a, Object>(PhantomData<Value<'a, Object>>);

impl<'de: 'a, 'a, Object: Deserialize<'de>> Visitor<'de> for AnyValue<'a, Object> {
    type Value = Value<'a, Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Object::deserialize(MapAccessDeserializer::new(map)).map(Value::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an array"))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other("a number"))
    }
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
