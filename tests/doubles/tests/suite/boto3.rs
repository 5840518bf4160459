//! Clients that are not ours and not of our language: boto3, and Python's own HTTPS.

use std::{env, path::Path, process::Stdio};

use perennial_doubles::{CredentialsDouble, FirehoseDouble, IotAnalyticsDouble};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::client::SOON;

/// The script that makes calls.
struct Script {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Script {
    fn start() -> Self {
        let Some(interpreter) = env::var_os("PERENNIAL_TEST_PYTHON") else {
            panic!(
                "PERENNIAL_TEST_PYTHON is not set: run the tests with tests/run, which prepares it"
            );
        };
        // Nothing of the one who runs the tests: no profile, no proxy.
        let mut child = Command::new(interpreter)
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/calls.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the Python of PERENNIAL_TEST_PYTHON starts");
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        }
    }

    /// What comes of a call; `more` is over what a call has if nothing else is said.
    async fn call(&mut self, mut call: Value, more: Value) -> Value {
        for (name, value) in [
            ("region", "eu-west-1"),
            ("access_key", "AKIDTEST"),
            ("secret_key", "secret"),
        ] {
            call[name] = value.into();
        }
        for (name, value) in more.as_object().unwrap() {
            call[name] = value.clone();
        }
        self.stdin
            .write_all(format!("{call}\n").as_bytes())
            .await
            .unwrap();
        let line = timeout(SOON * 3, self.stdout.next_line()).await;
        let line = line.expect("an answer in time").unwrap();
        serde_json::from_str(&line.expect("the script goes on")).unwrap()
    }

    async fn put_record_batch(&mut self, url: &str, data: &[&str], more: Value) -> Value {
        let records: Vec<_> = data.iter().map(|data| json!({"Data": data})).collect();
        let call = json!({
            "kind": "client",
            "url": url,
            "service": "firehose",
            "operation": "put_record_batch",
            "arguments": {"DeliveryStreamName": "s", "Records": records},
        });
        self.call(call, more).await
    }
}

#[tokio::test]
async fn boto3_is_understood_and_understands() {
    let firehose = FirehoseDouble::start().await.unwrap();
    let url = firehose.url();
    let mut script = Script::start();

    let heard = script.put_record_batch(&url, &["a", "é"], json!({})).await;
    assert_eq!(heard["answer"]["FailedPutCount"], 0, "{heard}");
    let heard = script
        .call(
            json!({
                "kind": "client",
                "url": url,
                "service": "firehose",
                "operation": "put_record",
                "arguments": {"DeliveryStreamName": "s", "Record": {"Data": "b"}},
            }),
            json!({}),
        )
        .await;
    assert_eq!(heard["answer"]["RecordId"], "record-00000003", "{heard}");
    assert_eq!(firehose.records("s"), ["a", "é", "b"]);

    firehose.delete("s");
    let heard = script.put_record_batch(&url, &["a"], json!({})).await;
    assert_eq!(
        heard,
        json!({"status": 400, "error": "ResourceNotFoundException"})
    );
    firehose.create("s");

    firehose.accept(
        perennial_doubles::Credentials::new("ASIATEMPORARY", "s3cret").with_session_token("to/ken"),
    );
    let temporary = json!({
        "access_key": "ASIATEMPORARY", "secret_key": "s3cret", "session_token": "to/ken",
    });
    let heard = script
        .put_record_batch(&url, &["c"], temporary.clone())
        .await;
    assert_eq!(heard["status"], 200, "{heard}");

    firehose.expect_region("us-west-2");
    let invalid = "InvalidSignatureException";
    let region = json!({"region": "us-west-2"});
    for (data, more, error) in [
        ("a", json!({}), invalid),
        (
            "a",
            json!({"region": "us-west-2", "secret_key": "other"}),
            invalid,
        ),
        (
            "a",
            json!({"region": "us-west-2", "access_key": "AKIAUNKNOWN"}),
            "UnrecognizedClientException",
        ),
        (
            &*"a".repeat(1_024_001),
            region.clone(),
            "InvalidArgumentException",
        ),
    ] {
        let heard = script.put_record_batch(&url, &[data], more).await;
        assert_eq!(heard["error"], error, "{heard}");
    }
    let heard = script.put_record_batch(&url, &["d"], region).await;
    assert_eq!(heard["status"], 200, "{heard}");
    assert_eq!(firehose.records("s"), ["a", "é", "b", "c", "d"]);
}

#[tokio::test]
async fn a_request_that_botocore_signs_for_iot_analytics_is_taken() {
    let iot_analytics = IotAnalyticsDouble::start().await.unwrap();
    let mut script = Script::start();
    let call = json!({
        "kind": "parts",
        "url": iot_analytics.url(),
        "path": "/messages/batch",
        "service": "iotanalytics",
        "body": {"channelName": "c", "messages": [{"messageId": "1", "payload": "YQ=="}]},
    });
    let heard = script.call(call.clone(), json!({})).await;
    let wanted = json!({"status": 200, "answer": {"batchPutMessageErrorEntries": []}});
    assert_eq!(heard, wanted);
    assert_eq!(iot_analytics.messages("c"), [("1".to_owned(), "a".into())]);

    let heard = script.call(call, json!({"secret_key": "other"})).await;
    let wanted = json!({"status": 403, "error": "InvalidSignatureException"});
    assert_eq!(heard, wanted);
}

#[tokio::test]
async fn python_gets_credentials_for_its_certificate_and_sends_with_them() {
    let provider = CredentialsDouble::start().await.unwrap();
    let firehose = FirehoseDouble::start().await.unwrap();
    firehose.trust(provider.keys());
    let mut script = Script::start();
    let call = json!({
        "kind": "credentials",
        "url": format!("{}/role-aliases/gateway/credentials", provider.url()),
        "ca": provider.ca_file(),
        "certificate": provider.certificate_file(),
        "private_key": provider.private_key_file(),
        "thing_name": "pump",
    });
    let heard = script.call(call, json!({})).await;
    let given = &heard["answer"]["credentials"];
    let signed = json!({
        "access_key": given["accessKeyId"],
        "secret_key": given["secretAccessKey"],
        "session_token": given["sessionToken"],
    });
    let heard = script
        .put_record_batch(&firehose.url(), &["a"], signed)
        .await;
    assert_eq!(heard["status"], 200, "{heard}");
    assert_eq!(provider.requests()[0].thing_name.as_deref(), Some("pump"));
}
