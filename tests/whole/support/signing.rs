//! Requests for a WebSocket that are signed by AWS's own crate (Signature Version 4).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
    },
    sign::v4::SigningParams,
};

/// What a request is signed with.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    /// The access key's identifier and the secret.
    pub(crate) access_key: [String; 2],
    pub(crate) session_token: Option<&'static str>,
    pub(crate) service: &'static str,
    pub(crate) host: &'static str,
    pub(crate) signed_at: SystemTime,
    pub(crate) expires_in: Duration,
}

impl Signing {
    /// As awsiotsdk does it, for a day from this moment on.
    pub(crate) fn with(access_key: &[String; 2]) -> Self {
        Self {
            access_key: access_key.clone(),
            session_token: None,
            service: "iotdevicegateway",
            host: "localhost",
            signed_at: now(),
            expires_in: Duration::from_hours(24),
        }
    }

    /// The request's target: path and query.
    pub(crate) fn target(&self) -> String {
        let [id, secret] = &self.access_key;
        let token = self.session_token.map(str::to_owned);
        let identity = Credentials::new(id, secret, token, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.session_token_mode = SessionTokenMode::Exclude;
        settings.expires_in = Some(self.expires_in);
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(self.signed_at)
            .settings(settings)
            .build()
            .expect("all that is signed with")
            .into();
        let url = format!("https://{}/mqtt", self.host);
        let headers = [("host", self.host)].into_iter();
        let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]));
        let signed = sign(request.expect("a request"), &params).expect("a signature");
        let (instructions, _) = signed.into_parts();
        let query = instructions.params().iter();
        let query: Vec<_> = query
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        format!("/mqtt?{}", query.join("&"))
    }

    /// The request for a WebSocket.
    pub(crate) fn request(&self) -> String {
        request(&self.target(), self.host)
    }
}

/// A request for a WebSocket at `target`.
pub(crate) fn request(target: &str, host: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}

/// This moment, by which signatures are good or not.
pub(crate) fn now() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the tests that reads the time of day"
    )]
    SystemTime::now()
}

/// The value of a query with what may not stand there as it is.
fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}
