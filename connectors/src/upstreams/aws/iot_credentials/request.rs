//! One question to AWS IoT's credential provider, and what its answers mean.

use std::{fmt, time::Duration};

use aws_credential_types::Credentials;
use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header};
use serde::Deserialize;

use crate::{
    FailureClass::{Late, NoAccess, Throttled, Unavailable},
    SendError,
    upstreams::{
        aws::within,
        web::{Answer, Client},
    },
};

use super::{
    cache::Granted,
    settings::{CA, IotCredentialsSettings},
};

/// The longest answer that is read: session tokens have a few kilobytes.
const MAX_ANSWER: usize = 64 << 10;

/// How long credentials last at least, where the answer does not say what time it is.
const SHORTEST: Duration = Duration::from_secs(15 * 60);

/// How long a role can be taken on at most.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

/// Asks once, with the files as they are.
pub(super) async fn ask(
    settings: &IotCredentialsSettings,
    timeout: Duration,
) -> Result<Granted, SendError> {
    let asked = within(timeout, async {
        let client = Client::open(settings.files.clone(), CA).await?;
        let request = request(settings)
            .map_err(|error| SendError::new(NoAccess, "ConfigurationError", error.to_string()))?;
        read(&client.send(request, MAX_ANSWER).await?)
    });
    asked.await.map_err(|error| SendError {
        class: match error.class {
            // However small a batch is, they would come no sooner.
            Late => Unavailable,
            class => class,
        },
        message: format!("{settings}: {}", error.message),
        ..error
    })
}

fn request(settings: &IotCredentialsSettings) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let authority = settings
        .url
        .authority()
        .map_or("", |authority| authority.as_str());
    // None of the characters of an alias has a meaning in a path.
    let alias = &settings.role_alias;
    Request::get(format!(
        "https://{authority}/role-aliases/{alias}/credentials"
    ))
    .header("x-amzn-iot-thingname", &settings.thing_name)
    .header(
        header::USER_AGENT,
        concat!("perennial/", env!("CARGO_PKG_VERSION")),
    )
    .body(Full::default())
}

fn read(answer: &Answer) -> Result<Granted, SendError> {
    let status = answer.status;
    if status != StatusCode::OK {
        return Err(refusal(answer));
    }
    let malformed = |problem: &str| {
        let message = format!("the answer cannot be used: {problem}");
        SendError::new(Unavailable, "MalformedResponse", message)
    };
    // The text is secret: an error of the parser must not repeat it.
    let document: Document =
        serde_json::from_slice(&answer.body).map_err(|_| malformed("it is no credentials"))?;
    let granted = document.credentials;
    let end = DateTime::from_str(&granted.expiration, Format::DateTimeWithOffset)
        .map_err(|_| malformed("`expiration` is no time"))?;
    let lifetime = lifetime(answer, end).ok_or_else(|| malformed("they have expired already"))?;
    let credentials = Credentials::new(
        granted.access_key_id,
        granted.secret_access_key,
        Some(granted.session_token),
        None,
        "IotCredentials",
    );
    Ok(Granted {
        credentials,
        lifetime,
    })
}

/// How long credentials are good that end at `end`. The server's clock says so, since that of
/// the gateway may be wrong.
fn lifetime(answer: &Answer, end: DateTime) -> Option<Duration> {
    let date = answer
        .headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
    let Some(date) = date else {
        return Some(SHORTEST);
    };
    let seconds = u64::try_from(end.secs() - date.secs())
        .ok()
        .filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

fn refusal(answer: &Answer) -> SendError {
    #[derive(Deserialize)]
    struct Words {
        message: String,
    }

    let status = answer.status.as_u16();
    let words = serde_json::from_slice::<Words>(&answer.body);
    let words = words.map_or_else(|_| answer.excerpt(), |words| words.message);
    let (class, advice) = match status {
        403 => (
            NoAccess,
            "; the certificate has to be active and attached to the thing, its policy has to allow \
             iot:AssumeRoleWithCertificate on the role alias, and the role has to trust \
             credentials.iot.amazonaws.com",
        ),
        404 => (
            NoAccess,
            "; check that the role alias is one of this account and region",
        ),
        429 => (Throttled, ""),
        400..500 => (NoAccess, ""),
        _ => (Unavailable, ""),
    };
    let message = format!("HTTP status {status}: {words}{advice}");
    SendError::new(class, "IotCredentialsRefused", message)
}

impl fmt::Display for IotCredentialsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            role_alias,
            thing_name,
            ..
        } = self;
        write!(
            f,
            "AWS IoT's credential provider {endpoint} gave no credentials for role alias \
             {role_alias:?} and thing {thing_name:?}"
        )
    }
}

#[derive(Deserialize)]
struct Document {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn answer(status: u16, date: Option<&'static str>, body: &str) -> Answer {
        let date = date.map(|date| (header::DATE, header::HeaderValue::from_static(date)));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter(date),
            body: body.as_bytes().to_vec(),
            is_whole: true,
        }
    }

    fn keys(expiration: &str) -> String {
        serde_json::json!({"credentials": {
            "accessKeyId": "ASIA", "secretAccessKey": "hush", "sessionToken": "token",
            "expiration": expiration,
        }})
        .to_string()
    }

    #[test]
    fn the_lifetime_is_counted_from_the_servers_time() {
        let lifetime = |date, expiration| {
            let granted = read(&answer(200, date, &keys(expiration)));
            granted
                .map(|granted| granted.lifetime.as_secs())
                .map_err(|error| error.message)
        };
        let noon = Some("Fri, 20 Nov 2026 12:00:00 GMT");
        assert_eq!(lifetime(noon, "2026-11-20T13:00:00Z"), Ok(3_600));
        assert_eq!(lifetime(noon, "2026-11-20T14:00:00+01:00"), Ok(3_600));
        assert_eq!(lifetime(noon, "2036-11-20T13:00:00Z"), Ok(12 * 3_600));
        assert_eq!(lifetime(None, "2026-11-20T13:00:00Z"), Ok(900));
        assert_eq!(lifetime(Some("noon"), "2026-11-20T13:00:00Z"), Ok(900));
        for expiration in ["2026-11-20T12:00:00Z", "2026-11-20T11:00:00Z"] {
            assert_eq!(
                lifetime(noon, expiration).unwrap_err(),
                "the answer cannot be used: they have expired already"
            );
        }
    }

    #[test]
    fn an_answer_that_is_none_is_not_repeated_in_the_error() {
        let whole = keys("2026-11-20T13:00:00Z");
        for body in [
            "",
            "{}",
            &whole[..whole.len() - 1],
            &whole.replace("expiration", "hush"),
        ] {
            let error = read(&answer(200, None, body)).unwrap_err();
            assert_eq!(
                (error.class, &*error.code),
                (Unavailable, "MalformedResponse")
            );
            assert!(!error.message.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_check() {
        let refusal = |status, body| read(&answer(status, None, body)).unwrap_err();
        let error = refusal(403, r#"{"message":"Access Denied"}"#);
        assert_eq!(
            (error.class, &*error.code),
            (NoAccess, "IotCredentialsRefused")
        );
        assert!(
            error
                .message
                .starts_with("HTTP status 403: Access Denied; the certificate has to be"),
            "{error}"
        );
        assert_eq!(refusal(404, "").class, NoAccess);
        assert_eq!(refusal(400, "").class, NoAccess);
        assert_eq!(refusal(429, "").class, Throttled);
        assert_eq!(refusal(503, "<html>busy</html>").class, Unavailable);
        assert_eq!(refusal(302, "").class, Unavailable);
    }
}
