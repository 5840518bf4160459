//! From the words of a contract to those of an upstream: where a record goes, and in what form.
//!
//! A contract names channels or streams of its own service. In front of another service a
//! template makes a destination of them (`stream = "iot-${channel}"`), and an envelope keeps
//! what the service would have known of a record and the payload does not say.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    Attempt, Batch, BatchLimits, Record, RecordRef, Settings, Upstream, UpstreamKind,
    delivery_stream::DeliveryStreamArn,
    json::{TimeWriter, write_base64, write_text},
    template::Template,
};

/// What a template can take from a destination in the words of a contract.
const VARIABLES: &[&str] = &["destination", "channel", "stream", "region", "account"];

/// The separators that an AWS IoT rule's Firehose action knows.
const SEPARATORS: [&str; 4] = ["\n", "\t", "\r\n", ","];

/// Builds what is behind `kind`, with the parameters that all upstreams have.
///
/// | parameter | default | |
/// |---|---|---|
/// | `stream`, `bucket`, ... | what the contract says | a template for the destination; each kind has a key of its own |
/// | `envelope` | none | `"json"` wraps each record, see [`Form::Envelope`] |
/// | `separator` | none | what is appended to each record: `"\n"`, `"\t"`, `"\r\n"` or `","` |
pub(crate) fn build(kind: &UpstreamKind, settings: &mut dyn Settings) -> Option<Box<dyn Upstream>> {
    let inner = (kind.build)(settings);
    let Some(key) = kind.route else {
        return inner;
    };
    let template = template(key, settings);
    let form = form(settings);
    let route = Route {
        inner: inner?,
        template: template?,
        form: form?,
    };
    match &route {
        Route {
            template: None,
            form: Form::Payload { separator: "" },
            ..
        } => Some(route.inner),
        _ => Some(Box::new(route)),
    }
}

/// `None` when an error was recorded.
fn template(key: &'static str, settings: &mut dyn Settings) -> Option<Option<Template>> {
    let Some(text) = settings.text(key) else {
        return Some(None);
    };
    match Template::parse(&text, VARIABLES) {
        Ok(template) => Some(Some(template)),
        Err(error) => {
            settings.refuse(key, error.to_string());
            None
        }
    }
}

/// `None` when an error was recorded.
fn form(settings: &mut dyn Settings) -> Option<Form> {
    let envelope = settings.text("envelope");
    let separator = settings.text("separator").unwrap_or_default();
    let known = |known: &&str| **known == *separator;
    let separator = match SEPARATORS.into_iter().find(known) {
        Some(separator) => separator,
        None if separator.is_empty() => "",
        None => {
            let problem = format!(r#"found {separator:?}; it is "\n", "\t", "\r\n" or ",""#);
            settings.refuse("separator", problem);
            return None;
        }
    };
    match envelope.as_deref() {
        None => Some(Form::Payload { separator }),
        Some("json") => Some(Form::Envelope { separator }),
        Some(other) => {
            settings.refuse("envelope", format!("found {other:?}; it is \"json\""));
            None
        }
    }
}

/// An upstream whose destinations and records are made of those of a contract.
struct Route {
    inner: Box<dyn Upstream>,
    template: Option<Template>,
    form: Form,
}

/// What is sent of a record.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Its payload.
    Payload {
        /// What follows it.
        separator: &'static str,
    },
    /// A JSON object with the keys `channel`, `id`, `time` (RFC 3339, UTC, milliseconds),
    /// `topic`, `client_id` and `payload_base64`, in this order. `channel` is the destination
    /// in the words of the contract; `id` is left out where the device gave none.
    Envelope {
        /// What follows it.
        separator: &'static str,
    },
}

impl Route {
    fn locate<'a>(&self, destination: &'a str) -> Result<Cow<'a, str>, String> {
        let Some(template) = &self.template else {
            return Ok(Cow::Borrowed(destination));
        };
        let arn = DeliveryStreamArn::parse(destination).ok();
        if arn.is_none() && (template.uses("region") || template.uses("account")) {
            return Err(format!(
                "\"{destination}\" names no region and no account, which the template needs"
            ));
        }
        Ok(Cow::Owned(template.expand(|name| {
            Cow::Borrowed(match (name, &arn) {
                ("channel" | "stream", Some(arn)) => arn.name(),
                ("region", Some(arn)) => arn.region(),
                ("account", Some(arn)) => arn.account(),
                _ => destination,
            })
        })))
    }

    fn encode(&self, destination: &str, records: &[Record]) -> Vec<Record> {
        let mut time = TimeWriter::default();
        let encode = |record: &Record| Record {
            payload: self.form.encode(destination, record.into(), &mut time),
            ..record.clone()
        };
        records.iter().map(encode).collect()
    }
}

impl Upstream for Route {
    fn limits(&self) -> BatchLimits {
        self.inner.limits()
    }

    fn size(&self, destination: &str, record: RecordRef<'_>) -> usize {
        if let Form::Payload { separator: "" } = self.form {
            return self.inner.size(destination, record);
        }
        let payload = &(self.form).encode(destination, record, &mut TimeWriter::default());
        self.inner
            .size(destination, RecordRef { payload, ..record })
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        self.inner.check(&self.locate(destination)?)
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(async {
            let destination = match self.locate(&batch.destination) {
                Ok(destination) => destination.into_owned(),
                // The inner upstream says what is wrong with it.
                Err(_) => batch.destination.clone(),
            };
            let records = self.encode(&batch.destination, &batch.records);
            let batch = Batch {
                destination,
                records,
            };
            self.inner.send(&batch).await
        })
    }
}

impl Form {
    fn encode(self, destination: &str, record: RecordRef<'_>, time: &mut TimeWriter) -> Bytes {
        let (mut out, separator) = match self {
            Self::Payload { separator } => (record.payload.to_vec(), separator),
            Self::Envelope { separator } => (envelope(destination, record, time), separator),
        };
        out.extend_from_slice(separator.as_bytes());
        out.into()
    }
}

fn envelope(destination: &str, record: RecordRef<'_>, time: &mut TimeWriter) -> Vec<u8> {
    let mut out = br#"{"channel":"#.to_vec();
    write_text(destination, &mut out);
    if !record.id.is_empty() {
        out.extend_from_slice(br#","id":"#);
        write_text(record.id, &mut out);
    }
    out.extend_from_slice(br#","time":""#);
    time.write(record.time, &mut out);
    out.extend_from_slice(br#"","topic":"#);
    write_text(record.topic, &mut out);
    out.extend_from_slice(br#","client_id":"#);
    write_text(record.client_id, &mut out);
    out.extend_from_slice(br#","payload_base64":""#);
    write_base64(record.payload, &mut out);
    out.extend_from_slice(br#""}"#);
    out
}
