//! Signature Version 4 as AWS checks it.
//!
//! The signature is computed again from the request as it arrived, so that a wrong secret, a
//! changed body and a header that was forgotten are found alike.

mod authorization;
mod canonical;
mod keys;
mod timestamp;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use hyper::http::request::Parts;
use ring::hmac;
use time::Duration;

pub(crate) use self::authorization::Authorization;
pub use self::keys::{Credentials, KeyRing};
use self::{
    canonical::{canonical_request, header_text, hex, sha256},
    keys::Verdict,
    timestamp::Timestamp,
};
use crate::{call::Refusal, clock};

/// How far the sender's clock may be from the service's.
const MAX_SKEW: Duration = Duration::minutes(5);

/// Who may send: the check of every request's signature.
#[derive(Default)]
pub(crate) struct Gate {
    keys: KeyRing,
    /// Rings of others.
    trusted: Mutex<Vec<KeyRing>>,
    region: Mutex<Option<String>>,
    clock_ahead: AtomicI64,
}

impl Gate {
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) fn trust(&self, keys: &KeyRing) {
        locked(&self.trusted).push(keys.clone());
    }

    pub(crate) fn expect_region(&self, region: &str) {
        *locked(&self.region) = Some(region.to_owned());
    }

    pub(crate) fn set_clock_ahead(&self, seconds: i64) {
        self.clock_ahead.store(seconds, Ordering::Relaxed);
    }

    /// What the request says of its signature.
    pub(crate) fn authorization(head: &Parts) -> Result<Authorization, Refusal> {
        let Some(header) = header_text(head, "authorization") else {
            return Err(Refusal::new(
                403,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ));
        };
        Authorization::parse(&header)
            .ok_or_else(|| incomplete("the Authorization header is incomplete"))
    }

    /// Checks that somebody known signed exactly this request, for `service`, just before.
    pub(crate) fn check(
        &self,
        authorization: &Authorization,
        head: &Parts,
        body: &[u8],
        service: &str,
    ) -> Result<(), Refusal> {
        self.check_scope(authorization, service)?;
        check_signed_headers(authorization, head)?;
        let signed_at = self.check_time(authorization, head)?;
        let secret = self.secret(authorization, head)?;
        let signature = sign(&secret, authorization, signed_at, head, body);
        if signature != authorization.signature {
            return Err(invalid(
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details.",
            ));
        }
        Ok(())
    }

    fn check_scope(&self, scope: &Authorization, service: &str) -> Result<(), Refusal> {
        if scope.service != service {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{service}'. "
            )));
        }
        let expected = locked(&self.region).clone();
        if scope.region.is_empty() || expected.is_some_and(|region| region != scope.region) {
            let region = &scope.region;
            return Err(invalid(format!(
                "Credential should be scoped to a valid region, not '{region}'. "
            )));
        }
        Ok(())
    }

    fn check_time(&self, scope: &Authorization, head: &Parts) -> Result<Timestamp, Refusal> {
        let Some(text) = header_text(head, "x-amz-date") else {
            return Err(incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            ));
        };
        let Some(signed_at) = Timestamp::parse(&text) else {
            return Err(incomplete(
                "Date must be in ISO-8601 'basic format'. See ISO-8601.",
            ));
        };
        if signed_at.date() != scope.date {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{}', from '{text}'.",
                scope.date,
                signed_at.date(),
            )));
        }
        let ahead = Duration::seconds(self.clock_ahead.load(Ordering::Relaxed));
        let now = Timestamp::new(clock::now() + ahead);
        let (oldest, newest) = (now.plus(-MAX_SKEW), now.plus(MAX_SKEW));
        if signed_at < oldest {
            return Err(invalid(format!(
                "Signature expired: {signed_at} is now earlier than {oldest} ({now} - 5 min.)"
            )));
        }
        if signed_at > newest {
            return Err(invalid(format!(
                "Signature not yet current: {signed_at} is still later than {newest} ({now} + 5 min.)"
            )));
        }
        Ok(signed_at)
    }

    /// The secret of the access key, when the session token belongs to it and both are good.
    fn secret(&self, scope: &Authorization, head: &Parts) -> Result<String, Refusal> {
        let token = header_text(head, "x-amz-security-token");
        let now = clock::now();
        let mut rings = vec![self.keys.clone()];
        rings.extend_from_slice(&locked(&self.trusted));
        for ring in rings {
            match ring.find(&scope.access_key, token.as_deref(), now) {
                Verdict::Known { secret } => return Ok(secret),
                Verdict::Expired => {
                    return Err(Refusal::new(
                        403,
                        "ExpiredTokenException",
                        "The security token included in the request is expired",
                    ));
                }
                Verdict::Unknown => {}
            }
        }
        Err(Refusal::new(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ))
    }
}

/// What decides about a request is part of what is signed.
fn check_signed_headers(scope: &Authorization, head: &Parts) -> Result<(), Refusal> {
    let signed = |name: &str| scope.signed_headers.iter().any(|signed| signed == name);
    let mut needed = vec!["host"];
    needed.extend(
        ["x-amz-date", "x-amz-security-token", "x-amz-target"]
            .iter()
            .filter(|name| head.headers.contains_key(**name)),
    );
    match needed.iter().find(|name| !signed(name)) {
        None => Ok(()),
        Some(name) => Err(invalid(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        ))),
    }
}

/// The signature that the holder of `secret` would give this request.
fn sign(
    secret: &str,
    scope: &Authorization,
    signed_at: Timestamp,
    head: &Parts,
    body: &[u8],
) -> String {
    let request = canonical_request(head, &scope.signed_headers, body);
    let scope_text = format!(
        "{}/{}/{}/aws4_request",
        scope.date, scope.region, scope.service
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{signed_at}\n{scope_text}\n{}",
        sha256(request.as_bytes())
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [&*scope.date, &scope.region, &scope.service, "aws4_request"] {
        key = mac(&key, part).as_ref().to_vec();
    }
    hex(mac(&key, &text).as_ref())
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn incomplete(message: &str) -> Refusal {
    Refusal::new(403, "IncompleteSignatureException", message)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(403, "InvalidSignatureException", message)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// `get-vanilla` of the test suite that AWS publishes for Signature Version 4.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let (head, ()) = Request::get("/")
            .header("Host", "example.amazonaws.com")
            .header("X-Amz-Date", "20150830T123600Z")
            .body(())
            .unwrap()
            .into_parts();
        let authorization = Authorization::parse(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        )
        .unwrap();
        let signed_at = Timestamp::parse("20150830T123600Z").unwrap();
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert_eq!(
            sign(secret, &authorization, signed_at, &head, b""),
            authorization.signature
        );
    }
}
