//! A dead letter as it is read, and as it is shown.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use perennial_connectors::Record;
use serde::{Deserialize, Serialize};

use crate::{
    operator::LetterId,
    record::{self, CorruptRecord, DeadLetter},
};

/// The reason of a letter that cannot be read.
const CORRUPT: &str = "CorruptDeadLetter";

/// A letter out of its queue.
#[derive(Debug)]
pub(super) struct Letter {
    /// The sequence that it had first.
    pub(super) sequence: u64,
    bytes: Bytes,
    read: Result<DeadLetter, CorruptRecord>,
}

/// A record that can be sent again.
pub(super) struct Sendable<'a> {
    /// Where it was going.
    pub(super) destination: &'a str,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub(super) time: u64,
    /// The record as it lay in its queue.
    pub(super) bytes: &'a Bytes,
}

impl Letter {
    /// Reads the letter that lies at `place`; whatever the bytes are, they are one.
    pub(super) fn read(place: u64, bytes: Bytes) -> Self {
        let (sequence, bytes) = record::unmoved_dead_letter(place, bytes);
        Self {
            sequence,
            read: record::read_dead_letter(bytes.clone()),
            bytes,
        }
    }

    pub(super) fn code(&self) -> &str {
        self.read.as_ref().map_or(CORRUPT, |letter| &letter.code)
    }

    pub(super) fn destination(&self) -> Option<&str> {
        let letter = self.read.as_ref().ok()?;
        Some(&letter.destination)
    }

    pub(super) fn when(&self) -> Option<u64> {
        self.read.as_ref().ok().map(|letter| letter.when)
    }

    /// What can be sent again; what is wrong with the bytes where nothing can.
    pub(super) fn record(&self) -> Result<Sendable<'_>, CorruptRecord> {
        let letter = self.read.as_ref().map_err(|error| *error)?;
        let record = record::read(letter.record.clone())?;
        Ok(Sendable {
            destination: &letter.destination,
            time: record.time,
            bytes: &letter.record,
        })
    }

    /// What a list says of it.
    pub(super) fn row(&self, connector: &str) -> LetterRow {
        let id = LetterId {
            connector: connector.to_owned(),
            sequence: self.sequence,
        };
        let (letter, record) = match &self.read {
            Ok(letter) => (letter, record::read(letter.record.clone()).ok()),
            Err(error) => return LetterRow::corrupt(id, self.bytes.len(), *error),
        };
        let text = |of: fn(&Record) -> &str| record.as_ref().map(|record| of(record).to_owned());
        LetterRow {
            id,
            when: Some(letter.when),
            destination: Some(letter.destination.to_string()),
            code: letter.code.to_string(),
            message: letter.message.to_string(),
            attempts: letter.attempts,
            bytes: record
                .as_ref()
                .map_or(letter.record.len(), |record| record.payload.len()),
            taken: record.as_ref().map(|record| record.time),
            record_id: text(|record| &record.id),
            client_id: text(|record| &record.client_id),
            topic: text(|record| &record.topic),
        }
    }

    /// All of it.
    pub(super) fn text(&self, connector: &str) -> LetterText {
        let payload = match &self.read {
            Err(_) => self.bytes.clone(),
            Ok(letter) => record::read(letter.record.clone())
                .map_or(letter.record.clone(), |record| record.payload),
        };
        let (payload, payload_base64) = match std::str::from_utf8(&payload) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(&payload))),
        };
        LetterText {
            row: self.row(connector),
            payload,
            payload_base64,
        }
    }
}

/// A dead letter without what it holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LetterRow {
    /// Its name.
    pub id: LetterId,
    /// When the record was given up, in milliseconds since the Unix epoch; `None` when the
    /// letter cannot be read.
    #[serde(with = "super::time")]
    pub when: Option<u64>,
    /// Where the record was going; `None` when the letter cannot be read.
    pub destination: Option<String>,
    /// The error type.
    pub code: String,
    /// Why it was given up.
    pub message: String,
    /// How often it was sent.
    pub attempts: u32,
    /// The bytes of its payload, or of all there is when it cannot be read.
    pub bytes: usize,
    /// When the gateway took the record, in milliseconds since the Unix epoch.
    #[serde(with = "super::time")]
    pub taken: Option<u64>,
    /// The device's id for the request.
    pub record_id: Option<String>,
    /// The client that published it.
    pub client_id: Option<String>,
    /// The topic that it was published to.
    pub topic: Option<String>,
}

impl LetterRow {
    fn corrupt(id: LetterId, bytes: usize, error: CorruptRecord) -> Self {
        Self {
            id,
            when: None,
            destination: None,
            code: CORRUPT.to_owned(),
            message: error.to_string(),
            attempts: 0,
            bytes,
            taken: None,
            record_id: None,
            client_id: None,
            topic: None,
        }
    }
}

/// A dead letter with what it holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LetterText {
    /// All but the payload.
    #[serde(flatten)]
    pub row: LetterRow,
    /// The payload, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The payload in base64, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
}

impl LetterText {
    /// The payload as it is.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        match (&self.payload, &self.payload_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(text)) => STANDARD.decode(text).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}
