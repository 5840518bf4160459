//! From the words of a contract to those of an upstream: where a record goes, and in what form.
//!
//! A contract names channels or streams of its own service. In front of another service a
//! template makes a destination of them (`stream = "iot-${channel}"`), and an envelope keeps
//! what the service would have known of a record and the payload does not say.

use std::borrow::Cow;

use crate::{
    Attempt, Batch, BatchLimits, Outcome, Record, RecordRef, Settings, Upstream, UpstreamKind,
    destination::DestinationTemplate, form::Form, json::TimeWriter,
};

/// Builds what is behind `kind`, with the parameters that all upstreams have.
///
/// | parameter | default | |
/// |---|---|---|
/// | `stream`, `queue_url`, ... | what the contract says | a template for the destination; each kind has a key of its own |
/// | `envelope`, `separator` | none | see [`Form`] |
pub(crate) fn build(kind: &UpstreamKind, settings: &mut dyn Settings) -> Option<Box<dyn Upstream>> {
    let inner = (kind.build)(settings);
    let Some(key) = kind.route else {
        return inner;
    };
    let template = DestinationTemplate::from_settings(key, settings);
    let form = Form::from_settings(settings, "");
    let (inner, template, form) = (inner?, template?, form?);
    if template.is_none() && form.is_payload() {
        return Some(inner);
    }
    Some(Box::new(Route {
        inner,
        template,
        form,
    }))
}

/// An upstream whose destinations and records are made of those of a contract.
struct Route {
    inner: Box<dyn Upstream>,
    template: Option<DestinationTemplate>,
    form: Form,
}

impl Route {
    fn locate<'a>(&self, destination: &'a str) -> Result<Cow<'a, str>, String> {
        match &self.template {
            None => Ok(Cow::Borrowed(destination)),
            Some(template) => template.locate(destination).map(Cow::Owned),
        }
    }

    fn encode(&self, destination: &str, records: &[Record]) -> Vec<Record> {
        if self.form.is_payload() {
            return records.to_vec();
        }
        let mut time = TimeWriter::default();
        let encode = |record: &Record| Record {
            payload: self.payload(destination, record.into(), &mut time).into(),
            ..record.clone()
        };
        records.iter().map(encode).collect()
    }

    fn payload(&self, destination: &str, record: RecordRef<'_>, time: &mut TimeWriter) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.form.length(destination, record));
        self.form.write(destination, record, time, &mut out);
        out
    }
}

impl Upstream for Route {
    fn limits(&self) -> BatchLimits {
        self.inner.limits()
    }

    fn size(&self, destination: &str, record: RecordRef<'_>) -> usize {
        // One that is made of nothing right has been refused by `check`.
        let located = self.locate(destination).unwrap_or_default();
        if self.form.is_payload() {
            return self.inner.size(&located, record);
        }
        let payload = &self.payload(destination, record, &mut TimeWriter::default());
        self.inner.size(&located, RecordRef { payload, ..record })
    }

    fn check(&self, destination: &str) -> Result<(), String> {
        self.inner.check(&self.locate(destination)?)
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(async {
            let destination = match self.locate(&batch.destination) {
                Ok(destination) => destination.into_owned(),
                Err(message) => {
                    let code = "InvalidArgumentException".to_owned();
                    let rejected = Outcome::Rejected { code, message };
                    return Ok(vec![rejected; batch.records.len()]);
                }
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
