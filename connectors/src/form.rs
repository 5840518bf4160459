//! What is sent of a record.

use crate::{
    RecordRef, Settings,
    json::{TimeWriter, base64_length, text_length, write_base64, write_text},
};

/// The separators that an AWS IoT rule's Firehose action knows.
const SEPARATORS: [&str; 4] = ["\n", "\t", "\r\n", ","];

/// What is sent of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Whether it is a JSON object with the keys `channel`, `id`, `time` (RFC 3339, UTC,
    /// milliseconds), `topic`, `client_id` and `payload_base64`, in this order, and not the
    /// payload as it is. `channel` is the destination in the words of the contract; `id` is
    /// left out where the device gave none.
    envelope: bool,
    /// What follows it.
    separator: &'static str,
}

impl Form {
    /// Reads the parameters; `None` when an error was recorded.
    ///
    /// | parameter | default | |
    /// |---|---|---|
    /// | `envelope` | none | `"json"` wraps each record |
    /// | `separator` | the upstream's | what follows each record: `"\n"`, `"\t"`, `"\r\n"`, `","` or nothing |
    pub(crate) fn from_settings(
        settings: &mut dyn Settings,
        separator: &'static str,
    ) -> Option<Self> {
        let envelope = settings.text("envelope");
        let separator = match settings.text("separator").as_deref() {
            None => Some(separator),
            Some("") => Some(""),
            Some(text) => {
                let found = SEPARATORS.into_iter().find(|known| *known == text);
                if found.is_none() {
                    let problem = format!(r#"found {text:?}; it is "\n", "\t", "\r\n" or ",""#);
                    settings.refuse("separator", problem);
                }
                found
            }
        };
        let envelope = match envelope.as_deref() {
            None => Some(false),
            Some("json") => Some(true),
            Some(other) => {
                settings.refuse("envelope", format!("found {other:?}; it is \"json\""));
                None
            }
        };
        Some(Self {
            envelope: envelope?,
            separator: separator?,
        })
    }

    /// Whether it is the payload and nothing else.
    pub(crate) fn is_payload(self) -> bool {
        !self.envelope && self.separator.is_empty()
    }

    /// Appends what is sent of `record`; `destination` is in the words of the contract.
    pub(crate) fn write(
        self,
        destination: &str,
        record: RecordRef<'_>,
        time: &mut TimeWriter,
        out: &mut Vec<u8>,
    ) {
        if self.envelope {
            write_envelope(destination, record, time, out);
        } else {
            out.extend_from_slice(record.payload);
        }
        out.extend_from_slice(self.separator.as_bytes());
    }

    /// The length of what is written for `record`, without writing it.
    pub(crate) fn length(self, destination: &str, record: RecordRef<'_>) -> usize {
        let record = if self.envelope {
            envelope_length(destination, record)
        } else {
            record.payload.len()
        };
        record + self.separator.len()
    }
}

fn write_envelope(
    destination: &str,
    record: RecordRef<'_>,
    time: &mut TimeWriter,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"channel":"#);
    write_text(destination, out);
    if !record.id.is_empty() {
        out.extend_from_slice(br#","id":"#);
        write_text(record.id, out);
    }
    out.extend_from_slice(br#","time":""#);
    time.write(record.time, out);
    out.extend_from_slice(br#"","topic":"#);
    write_text(record.topic, out);
    out.extend_from_slice(br#","client_id":"#);
    write_text(record.client_id, out);
    out.extend_from_slice(br#","payload_base64":""#);
    write_base64(record.payload, out);
    out.extend_from_slice(br#""}"#);
}

fn envelope_length(destination: &str, record: RecordRef<'_>) -> usize {
    let id = match record.id {
        "" => 0,
        id => r#","id":"#.len() + text_length(id),
    };
    r#"{"channel":,"time":"","topic":,"client_id":,"payload_base64":""}"#.len()
        + text_length(destination)
        + id
        + TimeWriter::length(record.time)
        + text_length(record.topic)
        + text_length(record.client_id)
        + base64_length(record.payload.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(form: Form, destination: &str, record: RecordRef<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        form.write(destination, record, &mut TimeWriter::default(), &mut out);
        assert_eq!(out.len(), form.length(destination, record));
        out
    }

    const ENVELOPE: Form = Form {
        envelope: true,
        separator: "\n",
    };

    #[test]
    fn an_envelope_has_its_keys_in_their_order() {
        let record = RecordRef {
            id: "request123",
            topic: "sensors/\"1\"",
            client_id: "pump",
            time: 1_795_169_730_123,
            payload: b"\xff\x00",
        };
        let envelope = |record| String::from_utf8(written(ENVELOPE, "telemetry", record)).unwrap();
        assert_eq!(
            envelope(record),
            concat!(
                r#"{"channel":"telemetry","id":"request123","time":"2026-11-20T10:15:30.123Z","#,
                r#""topic":"sensors/\"1\"","client_id":"pump","payload_base64":"/wA="}"#,
                "\n"
            )
        );
        assert!(
            envelope(RecordRef { id: "", ..record })
                .starts_with(r#"{"channel":"telemetry","time""#)
        );
    }

    proptest! {
        #[test]
        fn every_form_is_as_long_as_it_was_said(
            envelope: bool,
            separator in prop_oneof![Just(""), Just("\r\n")],
            id: String,
            topic: String,
            destination: String,
            time: u64,
            payload: Vec<u8>,
        ) {
            let form = Form { envelope, separator };
            let record = RecordRef { id: &id, topic: &topic, client_id: "c", time, payload: &payload };
            let out = written(form, &destination, record);
            prop_assert!(out.ends_with(separator.as_bytes()));
            prop_assert_eq!(form.is_payload(), !envelope && separator.is_empty());
            if !envelope {
                prop_assert!(out.starts_with(&payload));
            }
        }
    }
}
