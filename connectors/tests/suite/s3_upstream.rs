//! The S3 upstream: objects, their keys, what happens to an answer that is lost, and errors.

use std::{io::Read, time::Duration};

use aws_sdk_s3::{Client, config::Builder};
use flate2::read::MultiGzDecoder;
use perennial_connectors::{
    Batch, BatchLimits, FailureClass, Outcome, RecordRef, SendError, Upstream,
};
use perennial_doubles::{HttpSink, SinkAnswer};
use serde_json::{Value, json};

use crate::{
    moto::{Moto, MotoAccess},
    support::{
        ARN, CredentialsFile, all_delivered, batch, build_upstream, payload_in, payloads,
        upstream_problems,
    },
};

/// A bucket of moto's, and a way to look into it.
struct Bucket {
    name: String,
    client: Client,
    access: MotoAccess,
}

/// An object as it is stored.
#[derive(Debug)]
struct Object {
    key: String,
    content: Vec<u8>,
    content_type: Option<String>,
    content_encoding: Option<String>,
}

impl Bucket {
    async fn create() -> Self {
        let bucket = Self::named(Moto::shared().fresh_name("bucket")).await;
        bucket.make().await;
        bucket
    }

    /// A bucket that is not there yet.
    async fn named(name: String) -> Self {
        let config = Moto::shared().sdk_config().await;
        let config = Builder::from(&config).force_path_style(true).build();
        Self {
            name,
            client: Client::from_conf(config),
            access: MotoAccess::new(),
        }
    }

    async fn make(&self) {
        self.client
            .create_bucket()
            .bucket(&self.name)
            .send()
            .await
            .unwrap();
    }

    fn upstream(&self, more: &Value) -> Box<dyn Upstream> {
        let mut more = more.clone();
        if more.get("bucket").is_none() {
            more["bucket"] = json!(self.name);
        }
        build_upstream("s3", self.access.settings(more))
    }

    /// The objects in the order of their keys.
    async fn objects(&self) -> Vec<Object> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .send()
            .await
            .unwrap();
        let mut objects = Vec::new();
        for entry in listed.contents() {
            let key = entry.key().unwrap().to_owned();
            let object = self.client.get_object().bucket(&self.name).key(&key);
            let object = object.send().await.unwrap();
            objects.push(Object {
                key,
                content_type: object.content_type().map(str::to_owned),
                content_encoding: object.content_encoding().map(str::to_owned),
                content: object.body.collect().await.unwrap().to_vec(),
            });
        }
        objects
    }

    async fn only(&self) -> Object {
        let mut objects = self.objects().await;
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }
}

fn receipt(outcomes: &[Outcome]) -> &str {
    match &outcomes[0] {
        Outcome::Delivered {
            receipt: Some(receipt),
        } => receipt,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_one_object_and_its_uri_the_receipt_of_each_record() {
    let bucket = Bucket::create().await;
    let upstream = bucket.upstream(&json!({}));
    let outcomes = upstream
        .send(&batch("telemetry", ["{\"t\":1}", "", "21.5"]))
        .await
        .unwrap();
    assert!(all_delivered(&outcomes, 3));
    let object = bucket.only().await;
    assert_eq!(object.content, b"{\"t\":1}\n\n21.5\n");
    assert_eq!(object.content_type.as_deref(), Some("application/x-ndjson"));
    assert_eq!(object.content_encoding, None);
    let name = object.key.strip_prefix("telemetry/2026/11/20/10/").unwrap();
    let hash = name.strip_suffix(".ndjson").unwrap();
    assert!(
        hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{hash}"
    );
    let uri = format!("s3://{}/{}", bucket.name, object.key);
    assert!(
        outcomes
            .iter()
            .all(|outcome| receipt(std::slice::from_ref(outcome)) == uri)
    );
}

#[tokio::test]
async fn gzip_is_in_the_name_and_in_the_encoding() {
    let bucket = Bucket::create().await;
    let upstream = bucket.upstream(&json!({"gzip": true, "content_type": "text/csv"}));
    // What is large is compressed elsewhere than what is small.
    for (destination, record) in [("a", "1,2,3".to_owned()), ("b", "1,2,3;".repeat(200_000))] {
        let sent = batch(destination, [&record, &record]);
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
        let objects = bucket.objects().await;
        let object = objects.last().unwrap();
        let prefix = format!("{destination}/");
        assert!(
            object.key.starts_with(&prefix) && object.key.ends_with(".ndjson.gz"),
            "{}",
            object.key
        );
        assert_eq!(object.content_type.as_deref(), Some("text/csv"));
        assert_eq!(object.content_encoding.as_deref(), Some("gzip"));
        let mut text = String::new();
        MultiGzDecoder::new(&*object.content)
            .read_to_string(&mut text)
            .unwrap();
        assert!(text == format!("{record}\n{record}\n"));
    }
}

#[tokio::test]
async fn an_iot_analytics_channel_becomes_a_bucket_of_envelopes() {
    let bucket = Bucket::create().await;
    let (stem, number) = bucket.name.rsplit_once('-').unwrap();
    let upstream = bucket.upstream(&json!({
        "bucket": format!("{stem}-${{channel}}"),
        "key": "${channel}/dt=${year}-${month}-${day}/${client_id}/${hash}",
        "envelope": "json",
    }));
    let sent = batch(number, [b"21.5".as_slice(), b"\xff\n"]);
    upstream.send(&sent).await.unwrap();
    let object = bucket.only().await;
    assert!(
        object
            .key
            .starts_with(&format!("{number}/dt=2026-11-20/pump/")),
        "{}",
        object.key
    );
    let lines = std::str::from_utf8(&object.content).unwrap().lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines.iter().map(payload_in).collect::<Vec<_>>(),
        payloads(&sent)
    );
    assert!(
        lines
            .iter()
            .all(|line| line["channel"] == number && line["client_id"] == "pump")
    );
}

#[tokio::test]
async fn what_separates_records_can_be_another_or_nothing() {
    let bucket = Bucket::create().await;
    for (number, (separator, content)) in [(",", "a,b,"), ("", "ab"), ("\r\n", "a\r\nb\r\n")]
        .into_iter()
        .enumerate()
    {
        let key = format!("{number}/${{hash}}");
        let upstream = bucket.upstream(&json!({"separator": separator, "key": key}));
        upstream
            .send(&batch("telemetry", ["a", "b"]))
            .await
            .unwrap();
        assert_eq!(
            bucket.objects().await.last().unwrap().content,
            content.as_bytes()
        );
    }
}

#[tokio::test]
async fn a_batch_takes_as_many_bytes_as_the_sizes_of_its_records_say() {
    let bucket = Bucket::create().await;
    for (destination, settings) in [
        ("plain", json!({})),
        ("envelope", json!({"envelope": "json"})),
    ] {
        let upstream = bucket.upstream(&settings);
        let mut sent = batch(destination, [b"text".as_slice(), b"\xff", b""]);
        sent.records[1].id = "".into();
        let sizes = sent
            .records
            .iter()
            .map(|record| upstream.size(destination, RecordRef::from(record)));
        let sizes: usize = sizes.sum();
        let outcomes = upstream.send(&sent).await.unwrap();
        let uri = receipt(&outcomes).to_owned();
        let objects = bucket.objects().await;
        let object = objects
            .iter()
            .find(|object| uri.ends_with(&object.key))
            .unwrap();
        assert_eq!(object.content.len(), sizes);
    }
}

#[tokio::test]
async fn records_wait_for_a_bucket_that_is_not_there() {
    let bucket = Bucket::named(Moto::shared().fresh_name("late")).await;
    let upstream = bucket.upstream(&json!({}));
    let sent = batch("telemetry", ["a"]);
    let error = upstream.send(&sent).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "NoSuchBucket"),
        "{error}"
    );
    bucket.make().await;
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 1));
}

/// A place that keeps every object in the order of its arrival.
struct Store {
    sink: HttpSink,
    credentials: CredentialsFile,
}

impl Store {
    async fn start() -> Self {
        Self {
            sink: HttpSink::start().await.unwrap(),
            credentials: CredentialsFile::new("AKIDTEST"),
        }
    }

    fn upstream(&self, mut more: Value) -> Box<dyn Upstream> {
        more["region"] = json!("us-east-1");
        build_upstream("s3", self.credentials.settings(&self.sink.url(), more))
    }

    /// What was stored under which path, in the order of arrival.
    fn paths(&self) -> Vec<String> {
        let path = |target: String| target.split('?').next().unwrap().to_owned();
        self.sink
            .taken()
            .into_iter()
            .map(|request| path(request.target))
            .collect()
    }
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_overwrites_its_own_object() {
    let store = Store::start().await;
    let upstream = store.upstream(json!({"bucket": "records"}));
    let sent = batch("telemetry", ["a", "b"]);
    store
        .sink
        .script([SinkAnswer::ResetAfter, SinkAnswer::new(503, "")]);
    for _ in 0..2 {
        let error = upstream.send(&sent).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Unavailable, "{error}");
    }
    assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
    let paths = store.paths();
    assert_eq!(paths.len(), 2);
    assert_eq!(paths[0], paths[1]);
    assert!(paths[0].starts_with("/records/telemetry/"), "{}", paths[0]);
}

#[tokio::test]
async fn a_batch_that_equals_one_that_is_stored_is_an_object_of_its_own() {
    let store = Store::start().await;
    let upstream = store.upstream(json!({"bucket": "records", "key": "${hash}"}));
    let sent = batch("telemetry", ["a", "b"]);
    for _ in 0..3 {
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
    }
    let again = store.upstream(json!({"bucket": "records", "key": "${hash}"}));
    again.send(&sent).await.unwrap();
    let paths = store.paths();
    assert_eq!(paths[1], format!("{}-1", paths[0]));
    assert_eq!(paths[2], format!("{}-2", paths[0]));
    assert_ne!(paths[3], paths[0], "another run has other names");
}

#[tokio::test]
async fn the_services_errors_say_what_another_attempt_needs() {
    use FailureClass::{NoAccess, Refused, Throttled, Unavailable};
    let store = Store::start().await;
    let upstream = store.upstream(json!({"bucket": "records"}));
    for (status, code, class) in [
        (503, "SlowDown", Throttled),
        (503, "ServiceUnavailable", Unavailable),
        (500, "InternalError", Unavailable),
        (400, "RequestTimeout", Unavailable),
        (400, "EntityTooLarge", Refused),
        (400, "KeyTooLongError", Refused),
        (403, "AccessDenied", NoAccess),
        (400, "ExpiredToken", NoAccess),
        (403, "InvalidAccessKeyId", NoAccess),
        (403, "SignatureDoesNotMatch", NoAccess),
        (403, "RequestTimeTooSkewed", NoAccess),
        (301, "PermanentRedirect", NoAccess),
        (400, "AuthorizationHeaderMalformed", NoAccess),
        (404, "NoSuchBucket", NoAccess),
        (400, "KMS.DisabledException", NoAccess),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>in words</Message></Error>");
        store.sink.script([SinkAnswer::new(status, body)]);
        let error = upstream.send(&batch("telemetry", ["a"])).await.unwrap_err();
        assert_eq!(error, SendError::new(class, code, "in words"));
    }
    store
        .sink
        .script([SinkAnswer::new(502, "<html>a proxy</html>")]);
    let error = upstream.send(&batch("telemetry", ["a"])).await.unwrap_err();
    assert_eq!(error.class, Unavailable, "{error}");
    assert_eq!(store.sink.taken().len(), 0);
}

#[tokio::test]
async fn a_first_record_that_makes_the_key_too_long_is_found_by_sending_parts() {
    let store = Store::start().await;
    let upstream = store.upstream(json!({"bucket": "records", "key": "${topic}/${hash}"}));
    let mut sent = batch("telemetry", ["a", "b"]);
    sent.records[0].topic = "t".repeat(1_000).into();
    let error = upstream.send(&sent).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::Refused, "KeyTooLongError")
    );
    let rest = Batch {
        records: sent.records.split_off(1),
        ..sent
    };
    assert!(all_delivered(&upstream.send(&rest).await.unwrap(), 1));
    assert_eq!(store.sink.requests().len(), 1);
}

#[tokio::test]
async fn what_names_no_bucket_is_rejected_and_nothing_is_sent() {
    let store = Store::start().await;
    let upstream = store.upstream(json!({}));
    let long = "a".repeat(64);
    for destination in [
        "",
        "ab",
        "Records",
        "two words",
        "-a-",
        "a..b",
        "a/b",
        ARN,
        &long,
    ] {
        let problem = upstream.check(destination).unwrap_err();
        assert!(problem.contains("is not a bucket"), "{problem}");
        let outcomes = upstream.send(&batch(destination, ["a"])).await.unwrap();
        let rejected = Outcome::Rejected {
            code: "InvalidArgumentException".to_owned(),
            message: problem,
        };
        assert_eq!(outcomes, [rejected]);
    }
    for destination in ["abc", "records.2026", "0-9", &long[1..]] {
        assert_eq!(upstream.check(destination), Ok(()));
    }
    let by_stream = store.upstream(json!({"bucket": "${stream}-${region}"}));
    assert_eq!(by_stream.check(ARN), Ok(()));
    assert!(
        by_stream
            .check("records")
            .unwrap_err()
            .contains("names no region")
    );
    assert_eq!(store.sink.requests().len(), 0);
}

#[test]
fn objects_are_bounded_by_bytes_records_and_time() {
    let limits = |settings: Value| build_upstream("s3", settings).limits();
    assert_eq!(
        limits(json!({"bucket": "records"})),
        BatchLimits {
            records: 100_000,
            bytes: 8 << 20,
            record_bytes: 8 << 20,
            in_flight: 2,
            linger: Some(Duration::from_secs(60)),
        }
    );
    assert_eq!(
        limits(json!({
            "bucket": "records",
            "object_size": 65_536,
            "object_records": 10,
            "object_interval": 5,
        })),
        BatchLimits {
            records: 10,
            bytes: 65_536,
            record_bytes: 65_536,
            in_flight: 2,
            linger: Some(Duration::from_secs(5)),
        }
    );
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems(
            "s3",
            json!({
                "bucket": "${chanel}",
                "key": "${channel}/${hour}",
                "separator": ";",
                "object_size": 1_000,
                "object_records": 0,
                "object_interval": 0.1,
                "content_type": "text",
                "region": "EU West",
            })
        ),
        [
            "bucket: there is no variable ${chanel} here; there are: ${destination}, ${channel}, ${stream}, ${region}, ${account}",
            "key: objects would overwrite one another; ${hash} has to be a part of the key",
            r#"separator: found ";"; it is "\n", "\t", "\r\n" or ",""#,
            "object_size: 1000 is not a number in 65536..=67108864",
            "object_records: 0 is not a number in 1..=1000000",
            "object_interval: 0.1 is not a time in 1s..=3600s",
            "content_type: found \"text\"; a type is one such as \"text/csv\"",
            "region: found \"EU West\"; a region is one such as \"us-east-1\"",
        ]
    );
}
