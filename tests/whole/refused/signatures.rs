//! Requests for a WebSocket whose signature is not good.

use std::time::Duration;

use super::{ACCEPTED, NOT_AUTHORIZED, assert_served};
use crate::support::{
    signing::{Signing, now, request},
    site::{Device, Site},
    tls::{Stream, TlsClient},
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    web_socket::{BINARY, WebSocket},
    wire,
};

const HOUR: Duration = Duration::from_hours(1);

/// A gateway that runs, a device of it, and an access key that may do everything.
fn site() -> (Site, Device, Signing) {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.policy("signed", &[("iot:*", &["*"])]);
    let access_key = site.access_key("signed");
    site.start();
    (site, device, Signing::with(&access_key))
}

/// The status of the answer to `request` by a client without a certificate.
#[track_caller]
fn status(site: &Site, device: &Device, request: &str) -> String {
    let client = TlsClient::anonymous(&device.ca);
    let answer = client.web(site.addresses().https).ask(request);
    let mut words = answer.split(' ');
    words.nth(1).unwrap_or_default().to_owned()
}

/// What a CONNECT within a WebSocket that was asked for by `request` is answered.
#[track_caller]
fn connack(site: &Site, device: &Device, request: &str) -> u8 {
    let client = TlsClient::anonymous(&device.ca);
    let mut socket: WebSocket<Stream> = client.web(site.addresses().https);
    socket.send(request.as_bytes());
    socket.accepted();
    socket.send_frame(BINARY, &wire::connect(V311, "console"));
    socket.expect_packet("CONNACK").body[1]
}

#[test]
fn a_signature_is_good_for_both_services_with_a_token_and_from_the_past() {
    let (site, device, signing) = site();
    for signing in [
        signing.clone(),
        Signing {
            service: "iotdata",
            ..signing.clone()
        },
        Signing {
            session_token: Some("a token/that+nobody=signs"),
            ..signing.clone()
        },
        Signing {
            signed_at: now() - 23 * HOUR,
            ..signing.clone()
        },
    ] {
        let found = connack(&site, &device, &signing.request());
        assert_eq!(found, ACCEPTED[0], "{signing:?}");
    }
}

#[test]
fn a_signature_that_is_forged_or_out_of_its_time_is_refused() {
    let (site, device, signing) = site();
    let [id, secret] = signing.access_key.clone();
    let with_key = |id: &str, secret: &str| Signing {
        access_key: [id.to_owned(), secret.to_owned()],
        ..signing.clone()
    };
    for signing in [
        // Over for an hour, to come in an hour.
        Signing {
            signed_at: now() - 25 * HOUR,
            ..signing.clone()
        },
        Signing {
            signed_at: now() - 2 * HOUR,
            expires_in: HOUR,
            ..signing.clone()
        },
        Signing {
            signed_at: now() + HOUR,
            ..signing.clone()
        },
        with_key("AKIAIOSFODNN7EXAMPLE", &secret),
        with_key(&id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        with_key(&id, ""),
        Signing {
            service: "s3",
            ..signing.clone()
        },
    ] {
        let found = status(&site, &device, &signing.request());
        assert_eq!(found, "403", "{signing:?}");
    }
    assert_served(&site, &device);
}

#[test]
fn a_request_that_was_changed_after_it_was_signed_is_refused() {
    let (site, device, signing) = site();
    let target = signing.target();
    let host = signing.host;
    assert_eq!(status(&site, &device, &request(&target, host)), "101");

    let (rest, signature) = target.split_once("X-Amz-Signature=").unwrap();
    let flipped = if signature.starts_with('0') { "1" } else { "0" };
    let credential = &signing.access_key[0];
    let tampered = [
        format!("{rest}X-Amz-Signature={flipped}{}", &signature[1..]),
        format!("{rest}X-Amz-Signature="),
        format!("{rest}X-Amz-Signature={}", &signature[..62]),
        rest.trim_end_matches('&').to_owned(),
        target.replace("X-Amz-Expires=86400", "X-Amz-Expires=604800"),
        target.replace("us-east-1", "us-west-2"),
        target.replace(credential, "AKIAIOSFODNN7EXAMPLE"),
        target.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        target.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        format!("{target}&X-Amz-Date=20300101T000000Z"),
        format!("{target}&more=1"),
        target.replacen("/mqtt?", "/mqtt/?", 1),
        "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
        "/mqtt?X-Amz-Signature=".to_owned(),
    ];
    for changed in tampered {
        assert_ne!(changed, target);
        let found = status(&site, &device, &request(&changed, host));
        assert!(
            ["400", "403", "404"].contains(&&*found),
            "{changed}: {found}"
        );
    }
    let elsewhere = request(&target, "elsewhere.example.com");
    assert_eq!(status(&site, &device, &elsewhere), "403");
    assert_served(&site, &device);
}

#[test]
fn a_url_that_is_used_again_works_until_it_expires() {
    let (site, device, signing) = site();
    let request = Signing {
        expires_in: Duration::from_secs(2),
        ..signing
    }
    .request();
    assert_eq!(connack(&site, &device, &request), ACCEPTED[0]);
    wait_for(PATIENCE, "the URL is refused", || {
        status(&site, &device, &request) == "403"
    });
}

#[test]
fn an_access_key_that_was_removed_signs_nothing() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.policy("signed", &[("iot:*", &["*"])]);
    let access_key = site.access_key("signed");
    site.succeed(&["access-keys", "remove", &access_key[0]]);
    site.start();
    let request = Signing::with(&access_key).request();
    assert_eq!(status(&site, &device, &request), "403");
}

#[test]
fn a_web_socket_without_a_signature_is_nobody_where_it_shows_no_certificate() {
    let (site, device, signing) = site();
    let found = connack(&site, &device, &request("/mqtt", signing.host));
    assert_eq!(found, NOT_AUTHORIZED[0]);
    assert_served(&site, &device);
}
