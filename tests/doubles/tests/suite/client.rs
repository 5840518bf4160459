//! An HTTP client that sends one request over one connection, signed by AWS's own crate, and
//! says what it heard to the last byte.

use std::{
    collections::HashMap,
    io::ErrorKind,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A request, and what it is signed with.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) service: &'static str,
    pub(crate) region: &'static str,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) signed_at: SystemTime,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An answer, as long as it said.
    Answer {
        status: u16,
        headers: HashMap<String, String>,
        body: String,
    },
    /// Less than an answer.
    Broken { got: String, kind: ErrorKind },
}

impl Call {
    /// A `PutRecordBatch` to Firehose.
    pub(crate) fn put_record_batch<P: AsRef<[u8]>>(
        stream: &str,
        payloads: impl IntoIterator<Item = P>,
    ) -> Self {
        let records = payloads.into_iter().map(|payload| data(payload.as_ref()));
        let records: Vec<_> = records.collect();
        let body = json!({"DeliveryStreamName": stream, "Records": records});
        Self::firehose("PutRecordBatch", &body)
    }

    /// A `PutRecord` to Firehose.
    pub(crate) fn put_record(stream: &str, payload: &[u8]) -> Self {
        let body = json!({"DeliveryStreamName": stream, "Record": data(payload)});
        Self::firehose("PutRecord", &body)
    }

    /// A call of Firehose with any body.
    pub(crate) fn firehose(operation: &str, body: &Value) -> Self {
        Self::new(
            "firehose",
            "/",
            vec![
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", format!("Firehose_20150804.{operation}")),
            ],
            body.to_string(),
        )
    }

    /// A `BatchPutMessage` to IoT Analytics.
    pub(crate) fn batch_put_message<I: AsRef<str>, P: AsRef<[u8]>>(
        channel: &str,
        messages: impl IntoIterator<Item = (I, P)>,
    ) -> Self {
        let message = |(id, payload): (I, P)| json!({"messageId": id.as_ref(), "payload": STANDARD.encode(payload)});
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        Self::iot_analytics(&json!({"channelName": channel, "messages": messages}))
    }

    /// A `BatchPutMessage` with any body.
    pub(crate) fn iot_analytics(body: &Value) -> Self {
        Self::new(
            "iotanalytics",
            "/messages/batch",
            vec![("content-type", "application/json".to_owned())],
            body.to_string(),
        )
    }

    fn new(
        service: &'static str,
        path: &'static str,
        headers: Vec<(&'static str, String)>,
        body: String,
    ) -> Self {
        Self {
            method: "POST",
            path,
            headers,
            body,
            service,
            region: "eu-west-1",
            access_key: "AKIDTEST".to_owned(),
            secret_key: "secret".to_owned(),
            session_token: None,
            signed_at: now(),
        }
    }

    /// With another value of a header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With other credentials.
    pub(crate) fn with_credentials(mut self, credentials: &perennial_doubles::Credentials) -> Self {
        self.access_key.clone_from(&credentials.access_key);
        self.secret_key.clone_from(&credentials.secret_key);
        self.session_token.clone_from(&credentials.session_token);
        self
    }

    /// The headers with those of the signature.
    pub(crate) fn signed(&self, url: &str) -> Vec<(String, String)> {
        let host = url.trim_start_matches("http://").to_owned();
        let mut headers = vec![("host".to_owned(), host)];
        let given = self.headers.iter();
        headers.extend(given.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let identity = Credentials::new(
            &self.access_key,
            &self.secret_key,
            self.session_token.clone(),
            None,
            "test",
        )
        .into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.signed_at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let request = SignableRequest::new(
            self.method,
            format!("{url}{}", self.path),
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(self.body.as_bytes()),
        )
        .unwrap();
        let (signature, _) = sign(request, &params).unwrap().into_parts();
        headers.extend(
            signature
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        headers
    }

    /// Sends it, signed.
    pub(crate) async fn send(&self, url: &str) -> Heard {
        self.send_with(url, &self.signed(url)).await
    }

    /// Sends it with these headers.
    pub(crate) async fn send_with(&self, url: &str, headers: &[(String, String)]) -> Heard {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.len();
        text.push_str(&format!("content-length: {length}\r\n\r\n{}", self.body));
        let host = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        // A double that does not read breaks the connection here or below.
        drop(stream.write_all(text.as_bytes()).await);
        timeout(SOON, hear(&mut stream))
            .await
            .expect("an answer, or none")
    }
}

async fn hear(stream: &mut TcpStream) -> Heard {
    let mut got = Vec::new();
    loop {
        if let Some(answer) = parse(&got) {
            return answer;
        }
        let kind = match stream.read_buf(&mut got).await {
            Ok(0) => ErrorKind::UnexpectedEof,
            Ok(_) => continue,
            Err(error) => error.kind(),
        };
        let got = String::from_utf8(got).unwrap();
        return Heard::Broken { got, kind };
    }
}

fn parse(got: &[u8]) -> Option<Heard> {
    let text = std::str::from_utf8(got).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: HashMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    (body.len() >= length).then(|| Heard::Answer {
        status,
        headers,
        body: body.to_owned(),
    })
}

impl Heard {
    /// Status and body of an answer.
    #[track_caller]
    pub(crate) fn answer(&self) -> (u16, Value) {
        match self {
            Self::Answer { status, body, .. } => (*status, serde_json::from_str(body).unwrap()),
            Self::Broken { .. } => panic!("{self:?}"),
        }
    }

    /// Status, error type and message of an error, wherever the service says it.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String, String) {
        let (status, body) = self.answer();
        let Self::Answer { headers, .. } = self else {
            panic!("{self:?}");
        };
        let code = match (headers.get("x-amzn-errortype"), &body["__type"]) {
            (Some(header), Value::Null) => header.split(':').next().unwrap(),
            (None, Value::String(code)) => code,
            _ => panic!("an error says its type once: {self:?}"),
        };
        let message = body["message"].as_str().unwrap();
        (status, code.to_owned(), message.to_owned())
    }

    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str, words: &str) {
        let (found_status, found_code, message) = self.error();
        assert_eq!((found_status, &*found_code), (status, code), "{message}");
        assert!(message.contains(words), "{message:?} lacks {words:?}");
    }

    /// How the connection broke, and what came before.
    #[track_caller]
    pub(crate) fn broken(&self) -> (&str, ErrorKind) {
        match self {
            Self::Broken { got, kind } => (got, *kind),
            Self::Answer { .. } => panic!("{self:?}"),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "signatures are of the time of day"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

fn data(payload: &[u8]) -> Value {
    json!({"Data": STANDARD.encode(payload)})
}
