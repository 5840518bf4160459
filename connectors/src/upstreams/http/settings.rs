//! What the requests are made of.

use std::time::Duration;

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    Settings,
    upstreams::web::{TlsFiles, Trust},
};

use super::{secret::Authorization, url::UrlTemplate};

/// The parameter that names the certificates to trust.
pub(super) const CA: &str = "ca";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RECORDS: usize = 500;
const DEFAULT_BYTES: usize = 1 << 20;

/// The headers that are the client's to write, or mean something to the connection.
const RESERVED: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The parameters of an HTTP upstream, checked.
pub(super) struct HttpSettings {
    pub(super) url: UrlTemplate,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) authorization: Option<Authorization>,
    pub(super) files: TlsFiles,
    pub(super) timeout: Duration,
    pub(super) batch_records: usize,
    pub(super) batch_bytes: usize,
    pub(super) record_results: bool,
}

impl HttpSettings {
    /// Reads the parameters; `None` when an error was recorded.
    pub(super) fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let url = url(settings);
        let method = method(settings);
        let authorization = Authorization::from_settings(settings);
        let headers = headers(settings, matches!(authorization, Some(Some(_))));
        let timeouts = Duration::from_secs(1)..=Duration::from_secs(600);
        let timeout = settings.duration("timeout", timeouts);
        let batch_records = settings.integer("batch_records", 1..=10_000);
        let batch_bytes = settings.size("batch_bytes", 1_024..=64 << 20);
        let record_results = settings.boolean("record_results");
        let insecure = settings.boolean("insecure").unwrap_or(false);
        let files = files(settings, url.as_ref());

        let (url, headers, authorization) = (url?, headers?, authorization?);
        let has_secret = authorization.is_some() || headers.values().any(HeaderValue::is_sensitive);
        if url.is_exposed() && has_secret && !insecure {
            let problem = "a secret would be sent to another machine as plain text; use https, or \
                           say `insecure = true`";
            settings.refuse("url", problem.to_owned());
            return None;
        }
        Some(Self {
            method: method?,
            files: files?,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            batch_records: batch_records.map_or(DEFAULT_RECORDS, |records| records as usize),
            batch_bytes: batch_bytes.map_or(DEFAULT_BYTES, |bytes| bytes as usize),
            record_results: record_results.unwrap_or(false),
            url,
            headers,
            authorization,
        })
    }
}

fn url(settings: &mut dyn Settings) -> Option<UrlTemplate> {
    let text = settings.text("url");
    settings.missing("url", r#"url = "https://example.com/ingest/${channel}""#);
    let parsed = UrlTemplate::parse(&text?);
    parsed
        .map_err(|problem| settings.refuse("url", problem))
        .ok()
}

fn method(settings: &mut dyn Settings) -> Option<Method> {
    match settings.text("method").as_deref() {
        None | Some("POST") => Some(Method::POST),
        Some("PUT") => Some(Method::PUT),
        Some(other) => {
            let problem = format!("found {other:?}; it is \"POST\" or \"PUT\"");
            settings.refuse("method", problem);
            None
        }
    }
}

/// The headers of every request. A problem does not repeat a value, which may be a secret.
fn headers(settings: &mut dyn Settings, is_authorized: bool) -> Option<HeaderMap> {
    let agent = HeaderValue::from_static(concat!("perennial/", env!("CARGO_PKG_VERSION")));
    let json = HeaderValue::from_static("application/json");
    let mut headers =
        HeaderMap::from_iter([(header::USER_AGENT, agent), (header::CONTENT_TYPE, json)]);
    for (name, value) in settings.pairs("headers").unwrap_or_default() {
        match read_header(&name, &value, is_authorized) {
            Ok((name, value)) => {
                headers.insert(name, value);
            }
            Err(problem) => {
                settings.refuse("headers", problem);
                return None;
            }
        }
    }
    Some(headers)
}

fn read_header(
    name: &str,
    value: &str,
    is_authorized: bool,
) -> Result<(HeaderName, HeaderValue), String> {
    let parsed: HeaderName = name.parse().map_err(|_| format!("{name:?} is no header"))?;
    if RESERVED.contains(&parsed) {
        return Err(format!("`{parsed}` is not for you to say"));
    }
    if is_authorized && parsed == header::AUTHORIZATION {
        let problem = "`authorization` is made of the token or the password already";
        return Err(problem.to_owned());
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of `{parsed}` has characters that a header cannot have"))?;
    const TELLING: [&str; 7] = [
        "auth",
        "cookie",
        "credential",
        "key",
        "password",
        "secret",
        "token",
    ];
    value.set_sensitive(TELLING.iter().any(|word| parsed.as_str().contains(word)));
    Ok((parsed, value))
}

fn files(settings: &mut dyn Settings, url: Option<&UrlTemplate>) -> Option<TlsFiles> {
    let ca = settings.path(CA);
    let certificate = settings.path("client_certificate");
    let private_key = settings.path("client_private_key");
    if url.is_some_and(|url| !url.is_tls()) {
        for key in [CA, "client_certificate", "client_private_key"] {
            if settings.has(key) {
                settings.refuse(key, "it is for `https` URLs".to_owned());
                return None;
            }
        }
        return Some(TlsFiles {
            trust: Trust::Nobody,
            identity: None,
        });
    }
    let identity = match (certificate, private_key) {
        (None, None) => None,
        (Some(certificate), Some(private_key)) => Some((certificate, private_key)),
        _ => {
            settings.missing("client_certificate", r#"client_certificate = "client.pem""#);
            settings.missing("client_private_key", r#"client_private_key = "client.key""#);
            return None;
        }
    };
    Some(TlsFiles {
        trust: ca.map_or(Trust::System, Trust::File),
        identity,
    })
}
