//! What the tests share: settings, records, upstreams and contracts by name.

use std::{fs, ops::RangeInclusive, path::PathBuf, time::Duration};

use bytes::Bytes;
use perennial_connectors::{
    Batch, Contract, Outcome, Record, Settings, Upstream, contract, upstream,
};
use perennial_doubles::{Call, Double, FirehoseCall};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub(crate) const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-a";

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Settings from a JSON object; a wrong value is a problem, as in a file.
pub(crate) struct MapSettings {
    values: Map<String, Value>,
    pub(crate) problems: Vec<String>,
    read: Vec<String>,
}

impl MapSettings {
    pub(crate) fn new(values: Value) -> Self {
        let Value::Object(values) = values else {
            panic!("settings are an object");
        };
        Self {
            values,
            problems: Vec::new(),
            read: Vec::new(),
        }
    }

    /// The keys that nobody has read.
    pub(crate) fn unread(&self) -> Vec<&str> {
        let unread = self.values.keys().filter(|key| !self.read.contains(key));
        unread.map(String::as_str).collect()
    }

    fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        self.read.push(key.to_owned());
        let value = self.values.get(key)?;
        let taken = read(value);
        if taken.is_none() {
            self.problems
                .push(format!("{key}: {value} is not {wanted}"));
        }
        taken
    }
}

impl Settings for MapSettings {
    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a number in {range:?}");
        self.take(key, &wanted, |value| {
            value.as_u64().filter(|number| range.contains(number))
        })
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        self.take(key, "true or false", Value::as_bool)
    }

    fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let wanted = format!("a time in {range:?}");
        self.take(key, &wanted, |value| {
            let seconds = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
            range.contains(&seconds).then_some(seconds)
        })
    }

    fn size(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.integer(key, range)
    }

    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.take(key, "a list of texts", |value| {
            value.as_array()?.iter().map(text).collect()
        })
    }

    fn pairs(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        let pair =
            |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        self.take(key, "a table of texts", |value| {
            value.as_object()?.iter().map(pair).collect()
        })
    }

    fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn refuse(&mut self, key: &str, problem: String) {
        self.problems.push(format!("{key}: {problem}"));
    }

    fn missing(&mut self, key: &str, example: &str) {
        if !self.values.contains_key(key) {
            self.problems.push(format!("{key} is needed: {example}"));
        }
    }
}

pub(crate) fn build_upstream(kind: &str, values: Value) -> Box<dyn Upstream> {
    let mut settings = MapSettings::new(values);
    let built = upstream(kind)
        .expect("a kind in the table")
        .build(&mut settings);
    assert_eq!(
        (&settings.problems[..], &settings.unread()[..]),
        (&[][..], &[][..])
    );
    built.expect("settings without problems build an upstream")
}

pub(crate) fn build_contract(kind: &str, values: Value) -> Box<dyn Contract> {
    let mut settings = MapSettings::new(values);
    let built = (contract(kind).expect("a kind in the table").build)(&mut settings);
    assert_eq!(
        (&settings.problems[..], &settings.unread()[..]),
        (&[][..], &[][..])
    );
    built.expect("settings without problems build a contract")
}

/// The problems that an upstream finds in its settings.
pub(crate) fn upstream_problems(kind: &str, values: Value) -> Vec<String> {
    let mut settings = MapSettings::new(values);
    let built = upstream(kind)
        .expect("a kind in the table")
        .build(&mut settings);
    assert!(
        built.is_none() || !settings.problems.is_empty(),
        "the settings are right"
    );
    settings.problems
}

/// The problems that a contract finds in its settings.
pub(crate) fn contract_problems(kind: &str, values: Value) -> Vec<String> {
    let mut settings = MapSettings::new(values);
    let built = (contract(kind).expect("a kind in the table").build)(&mut settings);
    assert!(
        built.is_none() || !settings.problems.is_empty(),
        "the settings are right"
    );
    settings.problems
}

pub(crate) fn record(payload: impl AsRef<[u8]>) -> Record {
    Record {
        id: "request123".into(),
        topic: "kinesisfirehose/message".into(),
        client_id: "pump".into(),
        time: 1_795_169_730_123,
        payload: Bytes::copy_from_slice(payload.as_ref()),
    }
}

pub(crate) fn batch<P: AsRef<[u8]>>(
    destination: &str,
    payloads: impl IntoIterator<Item = P>,
) -> Batch {
    Batch {
        destination: destination.to_owned(),
        records: payloads.into_iter().map(record).collect(),
    }
}

pub(crate) fn payloads(batch: &Batch) -> Vec<Bytes> {
    batch
        .records
        .iter()
        .map(|record| record.payload.clone())
        .collect()
}

/// Whether every outcome is a delivery, and there are `count` of them.
pub(crate) fn all_delivered(outcomes: &[Outcome], count: usize) -> bool {
    let delivered = |outcome: &Outcome| matches!(outcome, Outcome::Delivered { .. });
    outcomes.len() == count && outcomes.iter().all(delivered)
}

/// A folder with a file of credentials in it.
pub(crate) struct CredentialsFile(TempDir);

impl CredentialsFile {
    pub(crate) fn new(access_key: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(access_key);
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("credentials")
    }

    pub(crate) fn write(&self, access_key: &str) {
        let secret = "aws_secret_access_key = secret";
        let text = format!(
            "[default]\naws_access_key_id = {access_key}\n{secret}\n\
             [other]\naws_access_key_id = AKIDOTHER\n{secret}\n"
        );
        fs::write(self.path(), text).unwrap();
    }

    /// The settings that lead to the service at `url`, with `more` among them.
    pub(crate) fn settings(&self, url: &str, more: Value) -> Value {
        let mut settings = json!({
            "endpoint_url": url,
            "credentials_file": self.path(),
            "timeout": 10,
        });
        let Value::Object(more) = more else {
            panic!("settings are an object");
        };
        for (key, value) in more {
            settings[key] = value;
        }
        settings
    }
}

/// A double of a service, and credentials for it.
pub(crate) struct Service<C: Call> {
    pub(crate) double: Double<C>,
    credentials: CredentialsFile,
}

pub(crate) type Firehose = Service<FirehoseCall>;

impl<C: Call> Service<C> {
    pub(crate) async fn start() -> Self {
        Self {
            double: Double::start().await.unwrap(),
            credentials: CredentialsFile::new("AKIDTEST"),
        }
    }

    pub(crate) fn credentials_file(&self) -> PathBuf {
        self.credentials.path()
    }

    pub(crate) fn write_credentials(&self, access_key: &str) {
        self.credentials.write(access_key);
    }

    /// The settings that lead to the double, with `more` among them.
    pub(crate) fn settings(&self, more: Value) -> Value {
        self.credentials.settings(&self.double.url(), more)
    }
}

impl Firehose {
    pub(crate) fn upstream(&self) -> Box<dyn Upstream> {
        build_upstream("firehose", self.settings(json!({})))
    }
}

/// The payloads in the files of a file upstream, the oldest first.
pub(crate) fn payloads_in(directory: &std::path::Path) -> Vec<Bytes> {
    lines_in(directory).iter().map(payload_in).collect()
}

/// The lines in the files of a file upstream, the oldest first.
pub(crate) fn lines_in(directory: &std::path::Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // The active file has no number and comes last.
    files.sort_by_key(|path| (path.ends_with("records.ndjson"), path.clone()));
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{} ends in a torn line",
            file.display()
        );
        lines.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    lines
}

/// The payload of a record that was written as JSON.
pub(crate) fn payload_in(line: &Value) -> Bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    match (&line["payload"], &line["payload_base64"]) {
        (Value::String(text), Value::Null) => Bytes::copy_from_slice(text.as_bytes()),
        (Value::Null, Value::String(text)) => STANDARD.decode(text).unwrap().into(),
        _ => panic!("a line has one payload: {line}"),
    }
}
