//! A record as a line of JSON.

use crate::{
    Record,
    json::{TimeWriter, write_base64, write_text},
};

/// Writes records of one destination as lines.
pub(super) struct LineEncoder {
    /// `,"destination":"..."`, the same in every line.
    destination: Vec<u8>,
    time: TimeWriter,
}

impl LineEncoder {
    pub(super) fn new(destination: &str) -> Self {
        let mut fragment = br#","destination":"#.to_vec();
        write_text(destination, &mut fragment);
        Self {
            destination: fragment,
            time: TimeWriter::default(),
        }
    }

    /// Appends the line of `record` to `lines`.
    pub(super) fn encode(&mut self, record: &Record, lines: &mut Vec<u8>) {
        lines.extend_from_slice(br#"{"time":""#);
        self.time.write(record.time, lines);
        lines.extend_from_slice(br#"","topic":"#);
        write_text(&record.topic, lines);
        lines.extend_from_slice(br#","client_id":"#);
        write_text(&record.client_id, lines);
        lines.extend_from_slice(&self.destination);
        if !record.id.is_empty() {
            lines.extend_from_slice(br#","id":"#);
            write_text(&record.id, lines);
        }
        match std::str::from_utf8(&record.payload) {
            Ok(text) => {
                lines.extend_from_slice(br#","payload":"#);
                write_text(text, lines);
            }
            Err(_) => {
                lines.extend_from_slice(br#","payload_base64":""#);
                write_base64(&record.payload, lines);
                lines.push(b'"');
            }
        }
        lines.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn line(record: &Record, destination: &str) -> String {
        let mut lines = Vec::new();
        LineEncoder::new(destination).encode(record, &mut lines);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_line_has_its_keys_in_their_order() {
        let mut record = Record {
            id: "request123".into(),
            topic: "sensors/\"1\"".into(),
            client_id: "pump".into(),
            time: 1_795_169_730_123,
            payload: Bytes::from_static("{\"t\":1}\né".as_bytes()),
        };
        assert_eq!(
            line(&record, "archive"),
            concat!(
                r#"{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/\"1\"","client_id":"pump","#,
                r#""destination":"archive","id":"request123","payload":"{\"t\":1}\né"}"#,
                "\n"
            )
        );
        record.id = "".into();
        record.payload = Bytes::from_static(&[0xff, 0x00, 0x0a, 0x01]);
        assert_eq!(
            line(&record, "archive"),
            concat!(
                r#"{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/\"1\"","client_id":"pump","#,
                r#""destination":"archive","payload_base64":"/wAKAQ=="}"#,
                "\n"
            )
        );
    }
}
