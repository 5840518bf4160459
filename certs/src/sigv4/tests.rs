//! Requests as the SDKs sign them, and everything that must not pass for one.
//!
//! What is pinned here was made by the SDKs' own code for the key and the time below:
//! AWSIoTPythonSDK 1.6.2 (`SigV4Core`), aws-iot-device-sdk 2.2.16 (`prepareWebSocketUrl`) and
//! awscrt 0.38.1 (`aws_sign_request`, with the headers of a WebSocket).

use proptest::prelude::*;

use super::*;

/// 2026-11-21T11:00:00Z.
const SIGNED_AT: u64 = 1_795_258_800;
const DAY: u64 = 86_400;

const PYTHON_HOST: &str = "a1b2c3-ats.iot.eu-west-1.amazonaws.com:8443";
const PYTHON: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Feu-west-1%2Fiotdata%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=e751b3a477adb54770cf340066a6380dee9a4feb1964f5ea306e2bbba7a33125";
const PYTHON_TOKEN: &str = "&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2Btoken/with%3Dchars";
/// For `gateway.local:8443`, with the port.
const JAVASCRIPT: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Feu-west-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=f41bb44b1a74cde484cfc07fc0bf9ddecbe66b657a7e9cd873074adffc41f049";
/// For `gateway.local` on port 443, with a token that is not signed.
const JAVASCRIPT_TOKEN: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Feu-west-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=6e07b89e14824a2089c8026dbc38643c6fedf827e342c82431129d30755c8cc4&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2Btoken%2Fwith%3Dchars";
/// For `gateway.local`, without a token.
const CRT: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=connection%3Bhost&X-Amz-Signature=2996679800c06cae56a9d8dd612b3dd99108ea800466e70750b1a12e2942d261";
/// For `gateway.local:8443`, with a token that is not signed and stands before the signature.
const CRT_TOKEN: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=connection%3Bhost&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2Btoken%2Fwith%3Dchars&X-Amz-Signature=33e6b5829ee5df36c5af6bdd0b4e7055cc9281a07b31162d669dfabddf04505b";
/// For `192.168.1.5`, with a token that is signed, good for 900 seconds.
const CRT_SIGNED_TOKEN: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=connection%3Bhost&X-Amz-Expires=900&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2Btoken%2Fwith%3Dchars&X-Amz-Signature=225aa25618a72e68fde7e578cc52334f1e2ea5162bf8248f73b6aaee3bf447d6";

fn key() -> AccessKey {
    AccessKey {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        policies: Vec::new(),
        thing: None,
        is_disabled: false,
    }
}

fn verified(request: &SignedRequest<'_>) -> Result<(), &'static str> {
    let key = key();
    let find = |id: &str| (id == key.id).then_some(&key);
    verify(request, find).map(|_| ())
}

/// Whether `target` passes on a connection to `host` at `now`.
fn at(target: &str, host: &str, now: u64) -> Result<(), &'static str> {
    let headers = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
    ];
    verified(&SignedRequest {
        target,
        headers: &headers,
        region: None,
        now,
    })
}

fn python(target: &str) -> Result<(), &'static str> {
    at(target, PYTHON_HOST, SIGNED_AT)
}

/// Signs a query as a client would that follows the book, with parameters of its own.
fn signed(parameters: &[(&str, &str)], headers: &str, names: &str) -> String {
    let encode = |text: &str| text.replace('/', "%2F").replace(';', "%3B");
    let mut all = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20261121/eu-west-1/iotdata/aws4_request",
        ),
        ("X-Amz-Date", "20261121T110000Z"),
        ("X-Amz-SignedHeaders", names),
    ];
    all.retain(|(name, _)| parameters.iter().all(|(other, _)| other != name));
    all.extend(parameters);
    all.sort();
    let value = |wanted: &str| all.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let (date, credential) = (value("X-Amz-Date"), value("X-Amz-Credential"));
    let pairs: Vec<_> = all
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let query = pairs.join("&");
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let canonical = format!("GET\n/mqtt\n{query}\n{headers}\n{names}\n{nothing}");
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let scope = credential.split_once('/').unwrap().1;
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let mut secret = format!("AWS4{}", key().secret).into_bytes();
    for part in scope.split('/') {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        secret = hmac::sign(&key, part.as_bytes()).as_ref().to_vec();
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    format!("/mqtt?{query}&X-Amz-Signature={signature}")
}

/// The same for a client that signs the host `x` only.
fn signed_with(parameters: &[(&str, &str)]) -> String {
    signed(parameters, "host:x\n", "host")
}

#[test]
fn requests_are_taken_as_each_sdk_signs_them() {
    assert_eq!(python(PYTHON), Ok(()));
    assert_eq!(python(&format!("{PYTHON}{PYTHON_TOKEN}")), Ok(()));
    let now = SIGNED_AT;
    assert_eq!(at(JAVASCRIPT, "gateway.local:8443", now), Ok(()));
    assert_eq!(at(JAVASCRIPT_TOKEN, "gateway.local", now), Ok(()));
    assert_eq!(at(CRT, "gateway.local", now), Ok(()));
    assert_eq!(at(CRT_TOKEN, "gateway.local:8443", now), Ok(()));
    assert_eq!(at(CRT_SIGNED_TOKEN, "192.168.1.5", now), Ok(()));
}

#[test]
fn the_host_is_signed_with_its_port_or_without_and_is_no_other() {
    let other = Err("the signature is not that of this request by this key");
    let crt = |host| at(CRT, host, SIGNED_AT);
    assert_eq!(crt("gateway.local:8443"), Ok(()), "signed without the port");
    let javascript = |host| at(JAVASCRIPT, host, SIGNED_AT);
    assert_eq!(javascript("gateway.local"), other, "signed with the port");
    assert_eq!(javascript("gateway.local:443"), other);
    assert_eq!(crt("gateway.locale"), other);
    assert_eq!(crt("gateway.local:x"), other);
    assert_eq!(crt("gateway.local:"), other);
    let v6 = signed(&[], "host:[fe80::1]\n", "host");
    assert_eq!(at(&v6, "[fe80::1]:8443", SIGNED_AT), Ok(()));
    let bare = signed(&[], "host:fe80:\n", "host");
    assert_eq!(at(&bare, "fe80::1", SIGNED_AT), other);
}

#[test]
fn a_request_is_good_from_five_minutes_before_its_time_until_it_expires() {
    let python = |now| at(PYTHON, PYTHON_HOST, now);
    let (early, late) = (
        Err("X-Amz-Date lies in the future: do both clocks go right?"),
        Err("the request has expired: do both clocks go right?"),
    );
    assert_eq!(python(SIGNED_AT - 301), early);
    assert_eq!(python(SIGNED_AT - 300), Ok(()));
    assert_eq!(python(SIGNED_AT + DAY), Ok(()));
    assert_eq!(python(SIGNED_AT + DAY + 1), late);
    assert_eq!(python(0), early);

    let crt = |now| at(CRT_SIGNED_TOKEN, "192.168.1.5", now);
    assert_eq!(crt(SIGNED_AT + 900), Ok(()));
    assert_eq!(crt(SIGNED_AT + 901), late);

    let unlimited = |now| at(CRT, "gateway.local", now);
    assert_eq!(unlimited(SIGNED_AT + 300), Ok(()));
    assert_eq!(unlimited(SIGNED_AT + 301), late);
}

#[test]
fn a_request_is_good_for_a_day_at_most() {
    let week = signed_with(&[("X-Amz-Expires", "604800")]);
    assert_eq!(at(&week, "x", SIGNED_AT + DAY), Ok(()));
    assert!(at(&week, "x", SIGNED_AT + DAY + 1).is_err());
    for wrong in ["0", "-1", "+60", "60s", "", "1e3", "9999999"] {
        let wrong = signed_with(&[("X-Amz-Expires", wrong)]);
        let refused = Err("X-Amz-Expires is no number of seconds");
        assert_eq!(at(&wrong, "x", SIGNED_AT), refused);
    }
}

#[test]
fn the_scope_is_of_the_day_a_known_service_and_the_region_asked_for() {
    let scoped = |scope: &str| {
        let credential = format!("AKIAIOSFODNN7EXAMPLE/{scope}");
        at(
            &signed_with(&[("X-Amz-Credential", &credential)]),
            "x",
            SIGNED_AT,
        )
    };
    assert_eq!(scoped("20261121/eu-west-1/iotdata/aws4_request"), Ok(()));
    assert_eq!(
        scoped("20261121/mars/iotdevicegateway/aws4_request"),
        Ok(())
    );
    for (wrong, what) in [
        ("20261120/eu-west-1/iotdata/aws4_request", "another day"),
        ("2026112/eu-west-1/iotdata/aws4_request", "8 digits"),
        ("20261121/eu-west-1/s3/aws4_request", "another service"),
        ("20261121/eu-west-1/iotdata/aws4", "KEY/DATE"),
        ("20261121//iotdata/aws4_request", "KEY/DATE"),
        ("20261121/eu-west-1/iotdata/aws4_request/more", "KEY/DATE"),
        ("20261121/eu-west-1/iotdata", "KEY/DATE"),
    ] {
        assert!(scoped(wrong).unwrap_err().contains(what), "{wrong}");
    }

    let in_region = |region| {
        verified(&SignedRequest {
            target: PYTHON,
            headers: &[("host", PYTHON_HOST)],
            region: Some(region),
            now: SIGNED_AT,
        })
    };
    assert_eq!(in_region("eu-west-1"), Ok(()));
    let other = Err("the request is signed for another region");
    assert_eq!(in_region("eu-west-2"), other);
}

#[test]
fn headers_are_signed_as_they_were_sent_and_the_host_is_among_them() {
    let with = |headers: &[(&str, &str)], target: &str| {
        verified(&SignedRequest {
            target,
            headers,
            region: None,
            now: SIGNED_AT,
        })
    };
    let not_sent = Err("a header is signed that was not sent");
    assert_eq!(with(&[("Host", "gateway.local")], CRT), not_sent);
    assert_eq!(with(&[], CRT), not_sent);

    let two = [("Host", "gateway.local"), ("host", "elsewhere")];
    let two = with(&[two[0], two[1], ("connection", "Upgrade")], CRT);
    assert_eq!(two, Err("there is more than one Host header"));
    let closed = [("Host", "gateway.local"), ("Connection", "close, Upgrade")];
    assert!(with(&closed, CRT).is_err());

    let without_host = signed(&[], "connection:Upgrade\n", "connection");
    let refused = at(&without_host, "x", SIGNED_AT);
    assert_eq!(refused, Err("the Host header is not signed"));

    let spaced = signed(&[], "host:x\nuser-agent:a b,c\n", "host;user-agent");
    let sent = [("Host", "x"), ("User-Agent", " a  b "), ("User-Agent", "c")];
    assert_eq!(with(&sent, &spaced), Ok(()));

    let disorder = Err("X-Amz-SignedHeaders are not in lower case and order");
    for names in ["Host", "upgrade;host", "host;host"] {
        let target = signed(&[], "host:x\n", names);
        assert_eq!(at(&target, "x", SIGNED_AT), disorder, "{names}");
    }
}

#[test]
fn parameters_in_any_order_are_sorted_and_those_of_others_are_signed_too() {
    let (path, query) = PYTHON.split_once('?').unwrap();
    let mut parameters: Vec<_> = query.split('&').collect();
    parameters.reverse();
    let reversed = format!("{path}?{}", parameters.join("&"));
    assert_eq!(python(&reversed), Ok(()));

    let more = signed_with(&[("a", "1"), ("Z", "2")]);
    assert_eq!(at(&more, "x", SIGNED_AT), Ok(()));
    assert!(at(&format!("{more}&b=3"), "x", SIGNED_AT).is_err());
}

#[test]
fn what_is_not_a_signed_request_is_told_what_it_lacks() {
    let refused = |target: &str| python(target).unwrap_err();
    assert_eq!(
        refused(&PYTHON.replace("/mqtt?", "/mqtt/?")),
        "the path is not /mqtt"
    );
    assert_eq!(
        refused(&PYTHON.replace("/mqtt?", "/%6dqtt?")),
        "the path is not /mqtt"
    );
    let whole = "a signed request has X-Amz-Algorithm, -Credential, -Date, -SignedHeaders and \
                 -Signature";
    assert_eq!(refused("/mqtt?x=y"), whole);
    assert_eq!(refused("/mqtt"), "a parameter has no name");
    for name in [
        "Algorithm",
        "Credential",
        "Date",
        "SignedHeaders",
        "Signature",
    ] {
        let without = PYTHON.replace(&format!("X-Amz-{name}="), "other=");
        assert_eq!(refused(&without), whole, "{name}");
    }
    let twice = format!("{PYTHON}&X-Amz-Expires=86400");
    assert_eq!(refused(&twice), "a parameter is there twice");
    let hidden = format!("{PYTHON}&X-Amz-%45xpires=86400");
    assert_eq!(refused(&hidden), "a parameter is there twice");
    for cut in ["%", "%2", "%2g", "%+2"] {
        let cut = format!("{PYTHON}&a={cut}");
        assert_eq!(refused(&cut), "a `%` is not followed by two hex digits");
    }
    let flood: String = (0..100).map(|number| format!("&p{number}=")).collect();
    assert_eq!(
        refused(&format!("{PYTHON}{flood}")),
        "there are too many parameters"
    );
    let older = PYTHON.replace("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256");
    assert_eq!(refused(&older), "X-Amz-Algorithm is not AWS4-HMAC-SHA256");
    let stranger = PYTHON.replace("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF");
    assert_eq!(refused(&stranger), "the access key is unknown");
    for signature in [
        "",
        "ff",
        "E751b3a477adb54770cf340066a6380dee9a4feb1964f5ea306e2bbba7a33125",
    ] {
        let (before, _) = PYTHON.split_once("X-Amz-Signature=").unwrap();
        let wrong = format!("{before}X-Amz-Signature={signature}");
        let length = "X-Amz-Signature has not 64 hex digits in lower case";
        assert_eq!(refused(&wrong), length);
    }
}

#[test]
fn another_secret_signs_nothing() {
    let key = AccessKey {
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ".to_owned(),
        ..key()
    };
    let request = SignedRequest {
        target: PYTHON,
        headers: &[("Host", PYTHON_HOST)],
        region: None,
        now: SIGNED_AT,
    };
    assert!(verify(&request, |_| Some(&key)).is_err());
}

/// Whether two targets differ in the case of the digits behind a `%` only.
fn means_the_same(a: &str, b: &str) -> bool {
    let in_one_case = |text: &str| text.replace("%2f", "%2F").replace("%3b", "%3B");
    in_one_case(a) == in_one_case(b)
}

proptest! {
    #[test]
    fn a_request_with_another_byte_anywhere_is_refused(at_byte in 0..PYTHON.len(), byte in 0x21..0x7f_u8) {
        let mut changed = PYTHON.as_bytes().to_vec();
        changed[at_byte] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(!means_the_same(&changed, PYTHON));
        prop_assert!(python(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn a_request_that_lacks_a_byte_or_has_one_more_is_refused(at_byte in 0..CRT.len(), byte in 0x21..0x7f_u8) {
        let mut shorter = CRT.to_owned();
        shorter.remove(at_byte);
        prop_assert!(at(&shorter, "gateway.local", SIGNED_AT).is_err());
        let mut longer = CRT.to_owned();
        longer.insert(at_byte, char::from(byte));
        prop_assert!(at(&longer, "gateway.local", SIGNED_AT).is_err(), "{}", longer);
    }

    #[test]
    fn no_text_is_too_strange_to_be_refused(target in ".*", host in ".*") {
        prop_assert!(at(&target, &host, SIGNED_AT).is_err());
        let query = format!("/mqtt?{target}");
        prop_assert!(at(&query, &host, SIGNED_AT).is_err());
    }
}
