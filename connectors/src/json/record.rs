//! A record as a JSON object.

use crate::{
    RecordRef,
    json::{TimeWriter, base64_length, text_length, write_base64, write_text},
};

/// Writes records of one destination as objects.
///
/// The keys are `time` (RFC 3339, UTC, milliseconds), `topic`, `client_id`, `destination`,
/// `id` where the device gave one, and then `payload` as text, or `payload_base64` for
/// what is not UTF-8.
pub(crate) struct RecordWriter {
    /// `,"destination":"..."`, the same in every object.
    destination: Vec<u8>,
    time: TimeWriter,
}

impl RecordWriter {
    pub(crate) fn new(destination: &str) -> Self {
        let mut fragment = br#","destination":"#.to_vec();
        write_text(destination, &mut fragment);
        Self {
            destination: fragment,
            time: TimeWriter::default(),
        }
    }

    /// Appends the object of `record` to `out`.
    pub(crate) fn write(&mut self, record: RecordRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"time":""#);
        self.time.write(record.time, out);
        out.extend_from_slice(br#"","topic":"#);
        write_text(record.topic, out);
        out.extend_from_slice(br#","client_id":"#);
        write_text(record.client_id, out);
        out.extend_from_slice(&self.destination);
        if !record.id.is_empty() {
            out.extend_from_slice(br#","id":"#);
            write_text(record.id, out);
        }
        match std::str::from_utf8(record.payload) {
            Ok(text) => {
                out.extend_from_slice(br#","payload":"#);
                write_text(text, out);
            }
            Err(_) => {
                out.extend_from_slice(br#","payload_base64":""#);
                write_base64(record.payload, out);
                out.push(b'"');
            }
        }
        out.push(b'}');
    }
}

/// The length of what is written for `record`, without writing it.
pub(crate) fn record_length(destination: &str, record: RecordRef<'_>) -> usize {
    let id = match record.id {
        "" => 0,
        id => r#","id":"#.len() + text_length(id),
    };
    let payload = match std::str::from_utf8(record.payload) {
        Ok(text) => r#","payload":"#.len() + text_length(text),
        Err(_) => r#","payload_base64":"""#.len() + base64_length(record.payload.len()),
    };
    r#"{"time":"","topic":,"client_id":,"destination":}"#.len()
        + TimeWriter::length(record.time)
        + text_length(record.topic)
        + text_length(record.client_id)
        + text_length(destination)
        + id
        + payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(record: RecordRef<'_>, destination: &str) -> String {
        let mut out = Vec::new();
        RecordWriter::new(destination).write(record, &mut out);
        assert_eq!(out.len(), record_length(destination, record));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_has_its_keys_in_their_order() {
        let record = RecordRef {
            id: "request123",
            topic: "sensors/\"1\"",
            client_id: "pump",
            time: 1_795_169_730_123,
            payload: "{\"t\":1}\né".as_bytes(),
        };
        assert_eq!(
            written(record, "archive"),
            concat!(
                r#"{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/\"1\"","client_id":"pump","#,
                r#""destination":"archive","id":"request123","payload":"{\"t\":1}\né"}"#,
            )
        );
        let record = RecordRef {
            id: "",
            payload: &[0xff, 0x00, 0x0a, 0x01],
            ..record
        };
        assert_eq!(
            written(record, "archive"),
            concat!(
                r#"{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/\"1\"","client_id":"pump","#,
                r#""destination":"archive","payload_base64":"/wAKAQ=="}"#,
            )
        );
    }

    proptest! {
        #[test]
        fn every_object_is_as_long_as_it_was_said_and_can_be_read(
            id: String,
            topic: String,
            destination: String,
            time in prop_oneof![0..=253_402_300_799_999_u64, any::<u64>()],
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                any::<String>().prop_map(String::into_bytes),
            ],
        ) {
            let record = RecordRef { id: &id, topic: &topic, client_id: "", time, payload: &payload };
            let text = written(record, &destination);
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["topic"].as_str(), Some(&*topic));
            prop_assert_eq!(read["destination"].as_str(), Some(&*destination));
        }
    }
}
