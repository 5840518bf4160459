//! Who may send: each way in which a signature can be wrong, once.

use std::time::Duration;

use perennial_doubles::{Credentials, FirehoseDouble, IotAnalyticsDouble, KeyRing};

use crate::client::{Call, now};

const MINUTE: Duration = Duration::from_secs(60);

fn call() -> Call {
    Call::put_record_batch("stream", ["a", "b"])
}

async fn double() -> FirehoseDouble {
    FirehoseDouble::start().await.unwrap()
}

#[tokio::test]
async fn a_right_signature_passes_and_names_key_and_region() {
    let firehose = double().await;
    let (status, _) = call().send(&firehose.url()).await.answer();
    assert_eq!(status, 200);
    let known = Call {
        access_key: "test".to_owned(),
        secret_key: "test".to_owned(),
        region: "us-gov-west-1",
        ..call()
    };
    assert_eq!(known.send(&firehose.url()).await.answer().0, 200);
    let requests = firehose.requests();
    let named: Vec<_> = requests
        .iter()
        .map(|request| (&*request.access_key, &*request.region))
        .collect();
    assert_eq!(
        named,
        [("AKIDTEST", "eu-west-1"), ("test", "us-gov-west-1")]
    );
    assert_eq!(firehose.records("stream"), ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let firehose = double().await;
    let wrong = Call {
        secret_key: "wrong".to_owned(),
        ..call()
    };
    wrong.send(&firehose.url()).await.assert_error(
        403,
        "InvalidSignatureException",
        "does not match the signature you provided",
    );
    let request = &firehose.requests()[0];
    assert_eq!(
        request.refused.as_deref(),
        Some("InvalidSignatureException")
    );
    assert_eq!(request.access_key, "AKIDTEST");
    assert_eq!(firehose.record_count("stream"), 0);
}

#[tokio::test]
async fn what_is_changed_behind_the_signature_is_noticed() {
    let firehose = double().await;
    let url = firehose.url();
    let headers = call().signed(&url);

    let other_body = Call::put_record_batch("stream", ["a", "c"]);
    let changed = other_body.send_with(&url, &headers).await;
    changed.assert_error(403, "InvalidSignatureException", "does not match");

    let mut other_target = headers.clone();
    for (name, value) in &mut other_target {
        if name == "x-amz-target" {
            *value = "Firehose_20150804.PutRecord".to_owned();
        }
    }
    let changed = call().send_with(&url, &other_target).await;
    changed.assert_error(403, "InvalidSignatureException", "does not match");

    let mut unsigned_token = headers.clone();
    unsigned_token.push(("x-amz-security-token".to_owned(), "token".to_owned()));
    let changed = call().send_with(&url, &unsigned_token).await;
    changed.assert_error(403, "InvalidSignatureException", "must be a 'SignedHeader'");

    assert_eq!(call().send_with(&url, &headers).await.answer().0, 200);
    assert_eq!(firehose.record_count("stream"), 2);
}

#[tokio::test]
async fn a_signature_that_is_missing_or_incomplete_is_refused() {
    let firehose = double().await;
    let url = firehose.url();
    let headers = call().signed(&url);
    let without = |left_out: &str| -> Vec<_> {
        let kept = headers.iter().filter(|(name, _)| name != left_out);
        kept.cloned().collect()
    };
    let missing = call().send_with(&url, &without("authorization")).await;
    missing.assert_error(
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    );
    let undated = call().send_with(&url, &without("x-amz-date")).await;
    undated.assert_error(403, "IncompleteSignatureException", "X-Amz-Date");

    for (part, instead) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("/aws4_request", ""),
        ("SignedHeaders=", "Headers="),
        ("Signature=", "Signature=z"),
    ] {
        let mut broken = headers.clone();
        for (_, value) in broken
            .iter_mut()
            .filter(|(name, _)| name == "authorization")
        {
            assert!(value.contains(part), "{value}");
            *value = value.replace(part, instead);
        }
        let heard = call().send_with(&url, &broken).await;
        heard.assert_error(403, "IncompleteSignatureException", "incomplete");
    }
    assert_eq!(firehose.record_count("stream"), 0);
}

#[tokio::test]
async fn a_clock_that_is_minutes_off_is_refused_with_both_times() {
    let firehose = double().await;
    let url = firehose.url();
    for (signed_at, words) in [
        (now() - 6 * MINUTE, "Signature expired: "),
        (now() + 6 * MINUTE, "Signature not yet current: "),
    ] {
        let off = Call {
            signed_at,
            ..call()
        };
        let heard = off.send(&url).await;
        heard.assert_error(403, "InvalidSignatureException", words);
    }
    for signed_at in [now() - 4 * MINUTE, now() + 4 * MINUTE] {
        let near = Call {
            signed_at,
            ..call()
        };
        assert_eq!(near.send(&url).await.answer().0, 200);
    }
    firehose.set_clock_ahead(360);
    let heard = call().send(&url).await;
    heard.assert_error(403, "InvalidSignatureException", "is now earlier than");
}

#[tokio::test]
async fn a_signature_for_another_service_or_region_is_refused() {
    let firehose = double().await;
    let url = firehose.url();
    let other_service = Call {
        service: "kinesis",
        ..call()
    };
    other_service.send(&url).await.assert_error(
        403,
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'firehose'",
    );
    firehose.expect_region("eu-central-1");
    call().send(&url).await.assert_error(
        403,
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'eu-west-1'",
    );
    assert_eq!(firehose.requests()[1].region, "eu-west-1");
    let right = Call {
        region: "eu-central-1",
        ..call()
    };
    assert_eq!(right.send(&url).await.answer().0, 200);
}

#[tokio::test]
async fn a_key_that_is_not_known_or_known_no_longer_is_refused() {
    let firehose = double().await;
    let url = firehose.url();
    let unknown = Call {
        access_key: "AKIAUNKNOWN".to_owned(),
        ..call()
    };
    let words = "The security token included in the request is invalid";
    let heard = unknown.send(&url).await;
    heard.assert_error(403, "UnrecognizedClientException", words);

    firehose.accept(Credentials::new("AKIAUNKNOWN", "secret"));
    assert_eq!(unknown.send(&url).await.answer().0, 200);

    for access_key in ["AKIAUNKNOWN", "AKIDTEST"] {
        firehose.revoke(access_key);
        let revoked = Call {
            access_key: access_key.to_owned(),
            ..call()
        };
        let heard = revoked.send(&url).await;
        heard.assert_error(403, "UnrecognizedClientException", words);
    }
}

#[tokio::test]
async fn temporary_credentials_are_good_with_their_token_and_until_they_end() {
    let firehose = double().await;
    let url = firehose.url();
    let temporary = Credentials::new("ASIATEMPORARY", "s3cret").with_session_token("to/ken==");
    firehose.accept(temporary.clone());
    let sent = call().with_credentials(&temporary);
    assert_eq!(sent.send(&url).await.answer().0, 200);

    for session_token in [None, Some("another".to_owned())] {
        let wrong = Call {
            session_token,
            ..sent.clone()
        };
        let heard = wrong.send(&url).await;
        heard.assert_error(403, "UnrecognizedClientException", "is invalid");
    }
    let needless = Call {
        session_token: Some("to/ken==".to_owned()),
        ..call()
    };
    let heard = needless.send(&url).await;
    heard.assert_error(403, "UnrecognizedClientException", "is invalid");

    firehose.accept(Credentials {
        expiration: Some(1_000_000_000),
        ..temporary
    });
    let heard = sent.send(&url).await;
    heard.assert_error(403, "ExpiredTokenException", "is expired");
}

#[tokio::test]
async fn a_ring_of_keys_that_is_trusted_may_grow() {
    let keys = KeyRing::default();
    let firehose = double().await;
    let iot_analytics = IotAnalyticsDouble::start().await.unwrap();
    firehose.trust(&keys);
    iot_analytics.trust(&keys);
    let later = Credentials::new("ASIALATER", "later");
    let records = call().with_credentials(&later);
    let messages = Call::batch_put_message("c", [("1", "a")]).with_credentials(&later);
    let heard = records.send(&firehose.url()).await;
    heard.assert_error(403, "UnrecognizedClientException", "is invalid");

    keys.accept(later);
    assert_eq!(records.send(&firehose.url()).await.answer().0, 200);
    assert_eq!(messages.send(&iot_analytics.url()).await.answer().0, 200);
}
