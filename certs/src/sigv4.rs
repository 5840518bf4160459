//! Requests for a WebSocket that are signed with Signature Version 4, as the SDKs do for AWS IoT.
//!
//! The SDKs do not agree about what they sign, and each of these is taken:
//!
//! - the services `iotdevicegateway` and `iotdata`;
//! - the host with its port or without, whichever the request has;
//! - a session token within the signed query, or appended to it;
//! - no time of expiry, or one of up to a day.
//!
//! Everything else is as AWS describes it (Signature Version 4, query parameters).

use std::{borrow::Cow, collections::BTreeMap};

use ring::{digest, hmac};

use crate::access_keys::AccessKey;

mod query;
mod time;

#[cfg(test)]
mod tests;

use self::{query::Query, time::Stamp};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Where MQTT is.
const PATH: &str = "/mqtt";
/// What the SDKs take AWS IoT's data plane for.
const SERVICES: [&str; 2] = ["iotdevicegateway", "iotdata"];
/// How far clocks may be apart, and how long a request is good that says nothing about it, in
/// seconds.
const SKEW: u64 = 300;
/// How long a request is good at most, in seconds.
const MAX_EXPIRES: u64 = 86_400;

/// A request whose query is signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// The path with the query, as it was sent.
    pub target: &'a str,
    /// The headers with their names. The Common Runtime signs `Connection` beside `Host`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The region that it must be signed for; any if there is none.
    pub region: Option<&'a str>,
    /// The time, in seconds since the Unix epoch.
    pub now: u64,
}

/// Where and when a signature holds: `DATE/REGION/SERVICE/aws4_request`.
struct CredentialScope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

/// Who of those that `find` finds by the identifier of a key has signed `request`.
///
/// # Errors
/// What is wrong; nothing in it is secret.
pub(crate) fn verify<'k>(
    request: &SignedRequest<'_>,
    find: impl FnOnce(&str) -> Option<&'k AccessKey>,
) -> Result<&'k AccessKey, &'static str> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((request.target, ""));
    if path != PATH {
        return Err("the path is not /mqtt");
    }
    let query = Query::parse(query)?;
    if query.text("X-Amz-Algorithm")? != ALGORITHM {
        return Err("X-Amz-Algorithm is not AWS4-HMAC-SHA256");
    }
    let credential = query.text("X-Amz-Credential")?;
    let (id, scope) = credential.split_once('/').unwrap_or((credential, ""));
    let scope = CredentialScope::parse(scope)?;
    if request.region.is_some_and(|region| region != scope.region) {
        return Err("the request is signed for another region");
    }
    let date = query.text("X-Amz-Date")?;
    check_time(
        date,
        &scope,
        query.optional_text("X-Amz-Expires")?,
        request.now,
    )?;
    let signature = signature(query.text("X-Amz-Signature")?)?;
    let signed_headers = query.text("X-Amz-SignedHeaders")?;
    let headers = Headers::parse(signed_headers, request.headers)?;

    let key = find(id).ok_or("the access key is unknown")?;
    let signing_key = scope.signing_key(&key.secret);
    let is_signed = |canonical_query: &str, canonical_headers: &str| {
        let canonical = format!(
            "GET\n{PATH}\n{canonical_query}\n{canonical_headers}\n{signed_headers}\n{}",
            hex(digest::digest(&digest::SHA256, b"").as_ref())
        );
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
        hmac::verify(&signing_key, to_sign.as_bytes(), &signature).is_ok()
    };
    let queries = query.canonical();
    let mut candidates = headers
        .canonical()
        .into_iter()
        .flat_map(|headers| queries.iter().map(move |query| (query, headers.clone())));
    if candidates.any(|(query, headers)| is_signed(query, &headers)) {
        Ok(key)
    } else {
        Err("the signature is not that of this request by this key")
    }
}

/// Whether a request of `date` is good at `now`.
fn check_time(
    date: &str,
    scope: &CredentialScope<'_>,
    expires: Option<&str>,
    now: u64,
) -> Result<(), &'static str> {
    let stamp: Stamp = date.parse()?;
    if !date.starts_with(scope.date) {
        return Err("X-Amz-Credential is of another day than X-Amz-Date");
    }
    let good_for = match expires {
        None => SKEW,
        Some(seconds) => expiry(seconds)?,
    };
    if stamp.0 > now.saturating_add(SKEW) {
        return Err("X-Amz-Date lies in the future: do both clocks go right?");
    }
    if now > stamp.0.saturating_add(good_for) {
        return Err("the request has expired: do both clocks go right?");
    }
    Ok(())
}

fn expiry(seconds: &str) -> Result<u64, &'static str> {
    let is_number = seconds.len() <= 6 && seconds.bytes().all(|byte| byte.is_ascii_digit());
    match seconds.parse::<u64>() {
        Ok(seconds) if is_number && seconds > 0 => Ok(seconds.min(MAX_EXPIRES)),
        _ => Err("X-Amz-Expires is no number of seconds"),
    }
}

fn signature(text: &str) -> Result<[u8; 32], &'static str> {
    const WRONG: &str = "X-Amz-Signature has not 64 hex digits in lower case";
    if text.len() != 64 {
        return Err(WRONG);
    }
    let mut signature = [0; 32];
    for (byte, digits) in signature.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(WRONG),
        };
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Ok(signature)
}

impl<'a> CredentialScope<'a> {
    fn parse(text: &'a str) -> Result<CredentialScope<'a>, &'static str> {
        let mut parts = text.split('/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some(date), Some(region), Some(service), Some("aws4_request"), None) =
            (part(), part(), part(), part(), part())
        else {
            return Err("X-Amz-Credential is not KEY/DATE/REGION/SERVICE/aws4_request");
        };
        if date.len() != 8 {
            return Err("the date in X-Amz-Credential has not 8 digits");
        }
        if !SERVICES.contains(&service) {
            return Err(
                "the request is signed for another service than iotdevicegateway or iotdata",
            );
        }
        Ok(CredentialScope {
            date,
            region,
            service,
        })
    }

    /// The key that `secret` gives for this scope.
    fn signing_key(&self, secret: &str) -> hmac::Key {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for part in [self.date, self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&key, part.as_bytes()).as_ref(),
            );
        }
        key
    }
}

impl std::fmt::Display for CredentialScope<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CredentialScope {
            date,
            region,
            service,
        } = self;
        write!(formatter, "{date}/{region}/{service}/aws4_request")
    }
}

/// The headers that are signed, by their names.
struct Headers<'a>(BTreeMap<&'a str, String>);

impl<'a> Headers<'a> {
    /// The headers that `names` (`connection;host`) name among those that were sent.
    fn parse(names: &'a str, sent: &[(&str, &str)]) -> Result<Headers<'a>, &'static str> {
        let mut signed = BTreeMap::new();
        for name in names.split(';') {
            let named = |(other, _): &&(&str, &str)| other.eq_ignore_ascii_case(name);
            let values: Vec<_> = sent
                .iter()
                .filter(named)
                .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            if values.is_empty() {
                return Err("a header is signed that was not sent");
            }
            if name == "host" && values.len() > 1 {
                return Err("there is more than one Host header");
            }
            let is_lower_case = !name.bytes().any(|byte| byte.is_ascii_uppercase());
            let is_last = signed.keys().next_back().is_none_or(|last| *last < name);
            if !is_lower_case || !is_last {
                return Err("X-Amz-SignedHeaders are not in lower case and order");
            }
            signed.insert(name, values.join(","));
        }
        match signed.contains_key("host") {
            true => Ok(Headers(signed)),
            false => Err("the Host header is not signed"),
        }
    }

    /// The headers as they are signed: with the host as it was sent and, if it has a port,
    /// without. Many SDKs sign it without, whatever the port.
    fn canonical(&self) -> Vec<String> {
        let host = self.0.get("host").map_or("", String::as_str);
        let mut hosts = vec![Cow::Borrowed(host)];
        hosts.extend(without_port(host).map(Cow::Borrowed));
        let lines = |host: Cow<'_, str>| {
            let line = |(name, value): (&&str, &String)| match *name {
                "host" => format!("host:{host}\n"),
                name => format!("{name}:{value}\n"),
            };
            self.0.iter().map(line).collect()
        };
        hosts.into_iter().map(lines).collect()
    }
}

/// `host` of `host:8443`.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = host.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    // An IPv6 address stands in brackets if a port follows.
    let is_name = !name.contains(':') || name.ends_with(']');
    (is_port && is_name).then_some(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
