//! The HTTP upstream: what a server gets to see, what its answers mean, and what is never shown.

use perennial_connectors::{BatchLimits, FailureClass, Outcome, RecordRef, SendError, Upstream};
use perennial_doubles::{CredentialsDouble, HttpSink, SinkAnswer, SinkRequest};
use serde_json::{Value, json};

use crate::support::{ARN, all_delivered, batch, build_upstream, record, upstream_problems};

/// An upstream in front of `sink`, with `more` among its settings.
fn upstream(sink: &HttpSink, more: Value) -> Box<dyn Upstream> {
    let mut settings = json!({"url": format!("{}/in/${{channel}}", sink.url()), "timeout": 10});
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    build_upstream("http", settings)
}

async fn send(upstream: &dyn Upstream) -> Result<Vec<Outcome>, SendError> {
    upstream.send(&batch("telemetry", ["a", "b", "c"])).await
}

/// The only request that `sink` got.
fn only(sink: &HttpSink) -> SinkRequest {
    let mut requests = sink.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn a_batch_is_one_request_with_an_object_for_each_record() {
    let sink = HttpSink::start().await.unwrap();
    let mut sent = batch("line \"1\"", ["21.5"]);
    sent.records[0].topic = "sensors/é".into();
    sent.records.push(record(b"\xff\xfe"));
    sent.records[1].id = "".into();
    let outcomes = upstream(&sink, json!({})).send(&sent).await.unwrap();
    assert!(all_delivered(&outcomes, 2));

    let request = only(&sink);
    assert_eq!(
        (&*request.method, &*request.target),
        ("POST", "/in/line%20%221%22")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(
        request.header("user-agent"),
        Some(concat!("perennial/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        std::str::from_utf8(&request.body).unwrap(),
        concat!(
            r#"[{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/é","client_id":"pump","#,
            r#""destination":"line \"1\"","id":"request123","payload":"21.5"},"#,
            r#"{"time":"2026-11-20T10:15:30.123Z","topic":"kinesisfirehose/message","client_id":"pump","#,
            r#""destination":"line \"1\"","payload_base64":"//4="}]"#,
        )
    );
}

#[tokio::test]
async fn method_and_headers_are_those_of_the_configuration() {
    let sink = HttpSink::start().await.unwrap();
    let headers = json!({"Content-Type": "application/vnd.x+json", "X-Api-Key": "k", "x-two": "2"});
    let upstream = upstream(&sink, json!({"method": "PUT", "headers": headers}));
    send(&*upstream).await.unwrap();
    let request = only(&sink);
    assert_eq!(request.method, "PUT");
    assert_eq!(
        request.header("content-type"),
        Some("application/vnd.x+json")
    );
    assert_eq!(request.header("x-api-key"), Some("k"));
    assert_eq!(request.header("x-two"), Some("2"));
}

#[tokio::test]
async fn an_arn_gives_its_parts_to_the_url() {
    let sink = HttpSink::start().await.unwrap();
    let url = format!("{}/${{region}}?stream=${{stream}}", sink.url());
    let upstream = upstream(&sink, json!({"url": url}));
    upstream.send(&batch(ARN, ["a"])).await.unwrap();
    assert_eq!(only(&sink).target, "/eu-west-1?stream=stream-a");
    assert_eq!(only(&sink).objects()[0]["destination"], ARN);

    let problem = upstream.check("telemetry").unwrap_err();
    let outcomes = upstream.send(&batch("telemetry", ["a"])).await.unwrap();
    assert!(matches!(&outcomes[..], [Outcome::Rejected { message, .. }] if *message == problem));
}

#[tokio::test]
async fn a_token_or_a_password_is_sent_and_read_again_from_its_file() {
    let sink = HttpSink::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let authorization = |settings| {
        let upstream = upstream(&sink, settings);
        let sink = &sink;
        async move {
            send(&*upstream).await?;
            let requests = sink.requests();
            Ok(requests
                .last()
                .unwrap()
                .header("authorization")
                .unwrap()
                .to_owned())
        }
    };
    assert_eq!(
        authorization(json!({"bearer_token": "t0k"})).await,
        Ok("Bearer t0k".to_owned())
    );
    let basic = json!({"basic_user": "gateway", "basic_password": "pass:word"});
    let expected = "Basic Z2F0ZXdheTpwYXNzOndvcmQ=".to_owned();
    assert_eq!(authorization(basic).await, Ok(expected.clone()));

    let in_file = json!({"basic_user": "gateway", "basic_password_file": file});
    let error: SendError = authorization(in_file.clone()).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "ConfigurationError")
    );
    assert!(
        error
            .message
            .contains(&format!("cannot read {}", file.display())),
        "{error}"
    );
    std::fs::write(&file, "pass:word\n").unwrap();
    assert_eq!(authorization(in_file).await, Ok(expected));

    let upstream = upstream(&sink, json!({"bearer_token_file": file}));
    for token in ["one", "two"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        send(&*upstream).await.unwrap();
        let requests = sink.requests();
        let sent = requests.last().unwrap().header("authorization");
        assert_eq!(sent, Some(&*format!("Bearer {token}")));
    }
}

#[tokio::test]
async fn a_secret_is_not_in_an_error_also_when_the_server_repeats_it() {
    let sink = HttpSink::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "hush-in-file").unwrap();
    let url = format!("{}/in?key=hush-in-url", sink.url());
    for settings in [
        json!({"bearer_token": "hush-token"}),
        json!({"bearer_token_file": file}),
        json!({"basic_user": "gateway", "basic_password": "hush-password"}),
        json!({"headers": {"X-Api-Key": "hush-header"}}),
    ] {
        let upstream = upstream(&sink, settings);
        send(&*upstream).await.unwrap();
        let seen = sink.requests().pop().unwrap();
        let secret = seen
            .header("authorization")
            .or(seen.header("x-api-key"))
            .unwrap()
            .to_owned();
        let bare = secret.rsplit(' ').next().unwrap().to_owned();
        let padding = "p".repeat(180);
        let echo = format!("{bare} and {secret} and {padding} {secret}");
        sink.script([SinkAnswer::new(403, echo)]);
        let error = send(&*upstream).await.unwrap_err();
        assert!(error.message.contains("*** and "), "{error}");
        assert!(!error.message.contains(&bare[..4]), "{error}");
    }
    sink.script([SinkAnswer::new(500, "")]);
    let error = send(&*upstream(&sink, json!({"url": url})))
        .await
        .unwrap_err();
    assert!(error.message.contains("/in: HTTP status 500"), "{error}");
    assert!(!error.message.contains("hush"), "{error}");
}

#[tokio::test]
async fn an_answer_says_what_another_attempt_needs() {
    use FailureClass::{Late, NoAccess, Refused, Throttled, Unavailable};
    let sink = HttpSink::start().await.unwrap();
    let upstream = upstream(&sink, json!({"timeout": 1}));
    for (answer, class, code) in [
        (SinkAnswer::new(400, "bad"), Refused, "HttpStatus400"),
        (SinkAnswer::new(413, ""), Refused, "HttpStatus413"),
        (SinkAnswer::new(401, ""), NoAccess, "HttpStatus401"),
        (SinkAnswer::new(404, ""), NoAccess, "HttpStatus404"),
        (SinkAnswer::new(429, ""), Throttled, "HttpStatus429"),
        (SinkAnswer::new(503, ""), Unavailable, "HttpStatus503"),
        (SinkAnswer::Hang, Late, "TimeoutError"),
        (SinkAnswer::ResetAfter, Unavailable, "ResponseError"),
        (SinkAnswer::ResetMidBody, Unavailable, "ResponseError"),
    ] {
        sink.script([answer]);
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (class, code), "{error}");
        assert!(all_delivered(&send(&*upstream).await.unwrap(), 3));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (sink, other) = (
        HttpSink::start().await.unwrap(),
        HttpSink::start().await.unwrap(),
    );
    let upstream = upstream(&sink, json!({"bearer_token": "t"}));
    for status in [301, 302, 307, 308] {
        sink.script([SinkAnswer::Reply {
            status,
            headers: vec![("location", other.url())],
            body: String::new(),
        }]);
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!(
            (error.class, error.code),
            (FailureClass::NoAccess, format!("HttpStatus{status}"))
        );
        let advice = format!(
            "redirects are not followed: `url` may have to be {}",
            other.url()
        );
        assert!(error.message.contains(&advice), "{}", error.message);
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn any_2xx_means_that_all_is_delivered_however_long_the_answer_is() {
    let sink = HttpSink::start().await.unwrap();
    let upstream = upstream(&sink, json!({}));
    let rejected = r#"{"results":[{"status":"rejected"}]}"#;
    for (status, body) in [
        (200, "{}".to_owned()),
        (201, "<html>".to_owned()),
        (202, rejected.to_owned()),
        (200, "x".repeat(1 << 20)),
    ] {
        sink.script([SinkAnswer::new(status, body)]);
        assert!(all_delivered(&send(&*upstream).await.unwrap(), 3));
    }
}

#[tokio::test]
async fn an_answer_can_say_of_each_record_what_became_of_it() {
    let sink = HttpSink::start().await.unwrap();
    let upstream = upstream(&sink, json!({"record_results": true}));
    let results = json!({"results": [
        {"status": "rejected", "code": "TooHot", "message": "no"},
        {"status": "ok"},
        {"status": "retry"},
    ]});
    sink.script([SinkAnswer::new(207, results.to_string())]);
    assert_eq!(
        send(&*upstream).await.unwrap(),
        [
            Outcome::Rejected {
                code: "TooHot".to_owned(),
                message: "no".to_owned()
            },
            Outcome::Delivered { receipt: None },
            Outcome::Retry {
                code: "Unspecified".to_owned(),
                message: String::new()
            },
        ]
    );
    for body in ["", r#"{"results":[]}"#] {
        sink.script([SinkAnswer::new(200, body)]);
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::Unavailable, "MalformedResponse")
        );
    }
}

#[tokio::test]
async fn a_body_is_as_large_as_the_sizes_of_its_records_say() {
    let sink = HttpSink::start().await.unwrap();
    let upstream = upstream(&sink, json!({"batch_bytes": 4_096, "batch_records": 7}));
    let limits = BatchLimits {
        records: 7,
        bytes: 4_095,
        record_bytes: 4_095,
        in_flight: 4,
        linger: None,
    };
    assert_eq!(upstream.limits(), limits);
    let mut sent = batch(
        "telemetry",
        [b"text".as_slice(), b"\xff\n", b"\"quoted\"\n", b""],
    );
    sent.records[2].id = "".into();
    let sizes = sent
        .records
        .iter()
        .map(|record| upstream.size("telemetry", RecordRef::from(record)));
    let sizes: usize = sizes.sum();
    upstream.send(&sent).await.unwrap();
    assert_eq!(only(&sink).body.len(), sizes + 1);
}

/// A server that asks for a certificate; what it answers does not matter here.
#[tokio::test]
async fn https_shows_a_certificate_and_trusts_those_that_are_named() {
    let server = CredentialsDouble::start().await.unwrap();
    let other = CredentialsDouble::start().await.unwrap();
    let build = |more: Value| {
        let mut settings = json!({
            "url": format!("{}/in", server.url()),
            "bearer_token": "t",
            "ca": server.ca_file(),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        build_upstream("http", settings)
    };
    let identity = json!({
        "client_certificate": server.certificate_file(),
        "client_private_key": server.private_key_file(),
    });
    let upstream = build(identity.clone());
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(error.code, "HttpStatus404", "{error}");
    assert_eq!(server.requests().len(), 1);

    let nobody = build(json!({}));
    let mut stranger = identity;
    stranger["ca"] = json!(other.ca_file());
    for upstream in [nobody, build(stranger)] {
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::NoAccess, "TlsError"),
            "{error}"
        );
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn certificates_are_read_again_when_they_are_not_taken() {
    let server = CredentialsDouble::start().await.unwrap();
    server.forge_certificate().unwrap();
    let upstream = build_upstream(
        "http",
        json!({
            "url": format!("{}/in", server.url()),
            "ca": server.ca_file(),
            "client_certificate": server.certificate_file(),
            "client_private_key": server.private_key_file(),
        }),
    );
    assert_eq!(send(&*upstream).await.unwrap_err().code, "TlsError");
    server.renew_certificate().unwrap();
    assert_eq!(send(&*upstream).await.unwrap_err().code, "HttpStatus404");
}

#[test]
fn a_secret_is_not_sent_as_plain_text_to_another_machine() {
    let problem = "url: a secret would be sent to another machine as plain text; use https, or say `insecure = true`";
    let url = "http://192.0.2.1/in";
    for settings in [
        json!({"url": url, "bearer_token": "hush"}),
        json!({"url": url, "basic_user": "u", "basic_password_file": "f"}),
        json!({"url": url, "headers": {"X-Api-Key": "hush"}}),
        json!({"url": url, "headers": {"Authorization": "hush"}}),
    ] {
        assert_eq!(upstream_problems("http", settings.clone()), [problem]);
        let mut settings = settings;
        settings["insecure"] = json!(true);
        build_upstream("http", settings);
    }
    build_upstream("http", json!({"url": url, "headers": {"X-Site": "7"}}));
    build_upstream(
        "http",
        json!({"url": "http://localhost/in", "bearer_token": "t"}),
    );
    build_upstream(
        "http",
        json!({"url": "https://192.0.2.1/in", "bearer_token": "t"}),
    );
}

#[test]
fn every_wrong_parameter_is_reported_without_what_may_be_a_secret() {
    let problems = |settings: Value| {
        let problems = upstream_problems("http", settings);
        assert!(
            !problems.iter().any(|problem| problem.contains("hush")),
            "{problems:?}"
        );
        problems
    };
    assert_eq!(
        problems(json!({
            "url": "https://user:hush@host",
            "method": "GET",
            "basic_user": "a:b",
            "basic_password": "hush",
            "headers": {"X-Key": "hush\nhush"},
            "timeout": 0.5,
            "batch_records": 0,
            "batch_bytes": 1_000,
        })),
        [
            "url: write user and password as `basic_user` and `basic_password`",
            "method: found \"GET\"; it is \"POST\" or \"PUT\"",
            "basic_user: a user with a \":\" cannot be written in basic authentication",
            "headers: the value of `x-key` has characters that a header cannot have",
            "timeout: 0.5 is not a time in 1s..=600s",
            "batch_records: 0 is not a number in 1..=10000",
            "batch_bytes: 1000 is not a number in 1024..=67108864",
        ]
    );
    assert_eq!(
        problems(json!({})),
        [r#"url is needed: url = "https://example.com/ingest/${channel}""#]
    );
    let with = |key: &str, value: Value| {
        problems(json!({"url": "https://host/", "bearer_token": "hush", (key): value}))
    };
    assert_eq!(
        with("bearer_token_file", json!("f")),
        ["bearer_token_file: there is `bearer_token` already; it is one or the other"]
    );
    assert_eq!(
        with("headers", json!({"Authorization": "hush"})),
        ["headers: `authorization` is made of the token or the password already"]
    );
    assert_eq!(
        with("headers", json!({"Host": "a"})),
        ["headers: `host` is not for you to say"]
    );
    assert_eq!(
        with("client_certificate", json!("f")),
        [r#"client_private_key is needed: client_private_key = "client.key""#]
    );
    assert_eq!(
        problems(json!({"url": "https://host/", "basic_user": "u"})),
        [r#"basic_password is needed: basic_password_file = "password""#]
    );
    assert_eq!(
        problems(json!({"url": "http://host/", "ca": "f"})),
        ["ca: it is for `https` URLs"]
    );
}
