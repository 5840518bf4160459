//! What IoT Analytics reads in a request, what it refuses, and what it answers.
//!
//! The limits are those of `BatchPutMessage` in the API reference and of its service model.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{Method, http::request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Ending, Refusal, Reply};

const MAX_MESSAGES: usize = 100;
const MAX_PAYLOAD: usize = 128 << 10;
const MAX_NAME: usize = 128;

const CONTENT_TYPE: &str = "application/json";

pub(super) const NOT_FOUND: &str = "A resource with the specified name could not be found.";

/// A call of `BatchPutMessage`.
#[derive(Clone, Debug, Default)]
pub struct BatchCall {
    /// The channel's name.
    pub channel: String,
    /// The messages, decoded.
    pub messages: Vec<Message>,
}

/// A message for a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The id that the sender gave it, alone of its kind in the request.
    pub id: String,
    /// What it carries.
    pub payload: Bytes,
}

impl Call for BatchCall {
    type Record = Message;

    const SIGNING_NAME: &'static str = "iotanalytics";

    fn read_head(&mut self, head: &Parts) -> Result<(), Refusal> {
        if head.method != Method::POST || head.uri.path() != "/messages/batch" {
            return Err(Refusal::new(
                404,
                "UnknownOperationException",
                "no such operation",
            ));
        }
        let content_type = head.headers.get("content-type");
        if content_type.is_none_or(|value| value != CONTENT_TYPE) {
            return Err(Refusal::new(
                415,
                "UnsupportedMediaTypeException",
                "the content type is not JSON",
            ));
        }
        Ok(())
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let body: Body =
            serde_json::from_slice(body).map_err(|error| serialization(error.to_string()))?;
        self.channel = body.channel;
        self.messages = body
            .messages
            .into_iter()
            .map(WireMessage::decode)
            .collect::<Result<_, _>>()?;
        self.check_limits()
    }

    fn destination(&self) -> &str {
        &self.channel
    }

    fn records(&self) -> &[Message] {
        &self.messages
    }

    fn payload(message: &Message) -> &Bytes {
        &message.payload
    }

    fn not_found(_: &str) -> Refusal {
        Refusal::new(404, "ResourceNotFoundException", NOT_FOUND)
    }

    fn answer(&self, endings: &[Ending]) -> Reply {
        let failed = self.messages.iter().zip(endings);
        reply(200, &entries(failed.filter_map(entry)))
    }

    fn wrong_answer(&self, _: &[Ending]) -> Reply {
        let stranger = json!({
            "messageId": "nobody-sent-this",
            "errorCode": "InternalFailureException",
            "errorMessage": "",
        });
        reply(200, &entries([stranger].into_iter()))
    }

    fn error(status: u16, code: &str, message: &str) -> Reply {
        let mut reply = reply(status, &json!({"message": message}));
        // The service tells its errors apart by this header, with the model's address behind
        // the name.
        let error_type =
            format!("{code}:http://internal.amazon.com/coral/com.amazonaws.iotanalytics/");
        reply.headers.push(("x-amzn-errortype", error_type));
        reply
    }
}

impl BatchCall {
    fn check_limits(&self) -> Result<(), Refusal> {
        if !is_channel_name(&self.channel) {
            return invalid(
                "Value at 'channelName' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: (^(?!_{2}))(^[a-zA-Z0-9_]+$)",
            );
        }
        if self.messages.is_empty() || self.messages.len() > MAX_MESSAGES {
            return invalid(
                "Value at 'messages' failed to satisfy constraint: \
                 Member must have length between 1 and 100",
            );
        }
        let mut ids = HashSet::new();
        for (message, number) in self.messages.iter().zip(1..) {
            let id = &message.id;
            if id.is_empty() || id.len() > MAX_NAME || !id.is_ascii() {
                return invalid(&format!(
                    "Value at 'messages.{number}.member.messageId' failed to satisfy constraint: \
                     Member must have length between 1 and 128 of ASCII characters"
                ));
            }
            if !ids.insert(id) {
                return invalid(&format!("The message id {id:?} is not unique in the batch"));
            }
            if message.payload.len() > MAX_PAYLOAD {
                return invalid(&format!(
                    "Value at 'messages.{number}.member.payload' failed to satisfy constraint: \
                     Member must have length less than or equal to {MAX_PAYLOAD}"
                ));
            }
        }
        Ok(())
    }
}

/// The entry of a message that failed; one that was taken has none.
fn entry((message, ending): (&Message, &Ending)) -> Option<Value> {
    match ending {
        Ending::Taken(_) => None,
        Ending::Failed {
            code,
            message: text,
        } => Some(json!({
            "messageId": message.id,
            "errorCode": code,
            "errorMessage": text,
        })),
    }
}

fn entries(entries: impl Iterator<Item = Value>) -> Value {
    json!({"batchPutMessageErrorEntries": entries.collect::<Vec<_>>()})
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type", CONTENT_TYPE.to_owned())],
        body: body.to_string(),
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "channelName")]
    channel: String,
    messages: Vec<WireMessage>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(rename = "messageId")]
    id: String,
    payload: String,
}

impl WireMessage {
    fn decode(self) -> Result<Message, Refusal> {
        let payload = STANDARD
            .decode(&self.payload)
            .map_err(|error| serialization(format!("payload is not base64: {error}")))?;
        Ok(Message {
            id: self.id,
            payload: payload.into(),
        })
    }
}

fn is_channel_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with("__")
}

fn serialization(message: String) -> Refusal {
    Refusal::new(400, "SerializationException", message)
}

fn invalid(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new(400, "InvalidRequestException", message))
}
