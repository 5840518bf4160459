//! The JSON requests that devices of V1 send: `{"request": {...}, "id": "optional"}`.
//!
//! Keys that a contract does not name are ignored, as V1 did. A value of the wrong
//! type is told apart from JSON that cannot be read, so that the answer carries the
//! device's id wherever there is one.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{
        self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
    },
};

/// A request whose inner object is a `Body`.
#[derive(Debug)]
pub(crate) struct Request<'a, Body> {
    /// What stands under `request`.
    pub(crate) body: Body,
    /// The device's id; empty when it gave none.
    pub(crate) id: Cow<'a, str>,
}

/// A payload that is no request, and what is wrong with it.
#[derive(Debug)]
pub(crate) enum NoRequest<'a> {
    /// It is not JSON.
    NotJson(String),
    /// It is JSON of another shape.
    Misshapen {
        /// The device's id, where it could be read.
        id: Cow<'a, str>,
        /// What was found and what would be right.
        message: String,
    },
}

/// Reads a request, of which an error says that it is as in `shape`.
///
/// What is not escaped is not copied. However deep the payload is nested, what is ignored in it
/// takes no stack.
pub(crate) fn parse<'a, Body: Deserialize<'a>>(
    payload: &'a [u8],
    shape: &str,
) -> Result<Request<'a, Body>, NoRequest<'a>> {
    let misshapen = |id, message| Err(NoRequest::Misshapen { id, message });
    let message: Value<'_, Message<'_, Body>> =
        serde_json::from_slice(payload).map_err(|error| {
            NoRequest::NotJson(format!("the payload is not JSON ({error}); {shape}"))
        })?;
    let message = match message {
        Value::Object(message) => message,
        other => {
            let message = format!("the payload is {}; {shape}", other.kind());
            return misshapen(Cow::Borrowed(""), message);
        }
    };
    let id = match message.id {
        Value::Null => Cow::Borrowed(""),
        Value::Text(id) => id,
        other => {
            let message = format!("\"id\" is {}; it is a string or left out", other.kind());
            return misshapen(Cow::Borrowed(""), message);
        }
    };
    match message.request {
        Value::Object(body) => Ok(Request { body, id }),
        other => {
            let message = format!("\"request\" is {}; {shape}", other.kind());
            misshapen(id, message)
        }
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "Body: Deserialize<'de>"))]
struct Message<'a, Body> {
    #[serde(borrow, default)]
    request: Value<'a, Body>,
    #[serde(borrow, default)]
    id: Value<'a>,
}

/// A JSON value of whatever type came, of which only texts and objects matter.
#[derive(Default)]
pub(crate) enum Value<'a, Object = IgnoredAny> {
    /// Nothing, or `null`.
    #[default]
    Null,
    /// A string.
    Text(Cow<'a, str>),
    /// An object.
    Object(Object),
    /// Neither, and what it is.
    Other(&'static str),
}

impl<Object> Value<'_, Object> {
    /// What was found, for an error message.
    pub(crate) fn kind(&self) -> &'static str {
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
