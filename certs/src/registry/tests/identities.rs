//! Who somebody is, by certificates, passwords and signatures.

use super::*;
use crate::identity::ClientIdRule;

const KEY: &str = "[[key]]\nid = \"AKIAIOSFODNN7EXAMPLE\"\n\
                   secret = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"\n";
/// Signed by that key at 2026-11-21T11:00:00Z for `x`.
const SIGNED: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T110000Z&X-Amz-SignedHeaders=connection%3Bhost&X-Amz-Signature=2996679800c06cae56a9d8dd612b3dd99108ea800466e70750b1a12e2942d261";

fn request() -> SignedRequest<'static> {
    SignedRequest {
        target: SIGNED,
        headers: &[("Host", "gateway.local"), ("Connection", "Upgrade")],
        region: None,
        now: 1_795_258_800,
    }
}

/// The file of a thing with a certificate of this status.
fn attached(certificate: &Certificate, status: &str, policy: &str) -> String {
    let id = certificate.id();
    format!("[[certificate]]\nid = \"{id}\"\nstatus = \"{status}\"\npolicies = [\"{policy}\"]\n")
}

fn user(hash: &str) -> String {
    format!("[[user]]\nname = \"li\"\npassword = \"{hash}\"\npolicies = [\"wide\"]\n")
}

#[test]
fn a_registered_certificate_is_the_things_that_have_it_whoever_has_issued_it() {
    let site = Site::new();
    let (certificate, _) = Ca::new("Amazon").issue(&["AWS IoT Certificate"], 1);
    site.put(
        "things/a.toml",
        &attached(&certificate, "active", "default"),
    );
    site.put("things/b.toml", &attached(&certificate, "active", "narrow"));
    site.put("things/c.toml", "");
    let registry = site.load();
    let identity = registry.by_certificate(&certificate).unwrap();
    assert_eq!(names_of(&identity.things), ["a", "b"]);
    assert_eq!(policies_in(&identity.policies), ["default", "narrow"]);
    let Principal::Certificate(shown) = &identity.principal else {
        panic!("{identity:?}");
    };
    assert_eq!(shown.id(), certificate.id());
    assert_eq!(identity.principal.to_string(), certificate.id().to_string());
}

#[test]
fn a_certificate_that_one_file_revokes_is_revoked() {
    let site = Site::new();
    let (certificate, _) = Ca::new("Any").issue(&["x"], 1);
    site.put(
        "things/a.toml",
        &attached(&certificate, "active", "default"),
    );
    for status in ["inactive", "revoked"] {
        site.put("things/b.toml", &attached(&certificate, status, "default"));
        let registry = site.load();
        let refused = registry.by_certificate(&certificate).unwrap_err();
        assert_eq!(refused, Refusal::InactiveCertificate);
        assert!(!registry.is_registered(&certificate.id()));
    }
}

#[test]
fn a_disabled_thing_takes_its_policies_along_and_the_last_one_the_identity() {
    let site = Site::new();
    let (certificate, _) = Ca::new("Any").issue(&["x"], 1);
    let text = attached(&certificate, "active", "default");
    site.put("things/a.toml", &text);
    let wide = attached(&certificate, "active", "wide");
    site.put("things/b.toml", &format!("disabled = true\n{wide}"));
    let identity = site.load().by_certificate(&certificate).unwrap();
    assert_eq!(names_of(&identity.things), ["a"]);
    assert_eq!(policies_in(&identity.policies), ["default"]);

    site.put("things/a.toml", &format!("disabled = true\n{text}"));
    let registry = site.load();
    let refused = registry.by_certificate(&certificate).unwrap_err();
    assert_eq!(refused, Refusal::DisabledThing);
    assert_eq!(
        registry.renew(&identity).unwrap_err(),
        Refusal::DisabledThing
    );
}

#[test]
fn a_certificate_of_a_trusted_authority_is_the_thing_that_it_names() {
    let site = Site::new();
    let (own, trusted, stranger) = (Ca::new("Own"), Ca::new("Trusted"), Ca::new("Stranger"));
    site.put("ca.pem", &own.pem);
    site.put("trusted/t.pem", &trusted.pem);
    site.put("things/a.toml", "policies = [\"default\"]");
    site.put("things/off.toml", "disabled = true");
    let registry = site.load();
    let by = |ca: &Ca, names: &[&str]| {
        let identity = registry.by_certificate(&ca.issue(names, 1).0);
        identity.map(|identity| identity.things[0].name.to_string())
    };
    assert_eq!(by(&trusted, &["a"]), Ok("a".to_owned()));
    let unknown = Err(Refusal::UnknownCertificate);
    assert_eq!(by(&trusted, &["b"]), unknown);
    assert_eq!(by(&trusted, &["a", "b"]), unknown, "two names are none");
    assert_eq!(by(&trusted, &[]), unknown);
    assert_eq!(by(&trusted, &["off"]), Err(Refusal::DisabledThing));
    assert_eq!(by(&stranger, &["a"]), unknown);
    assert_eq!(by(&own, &["a"]), unknown, "its own must be registered");
}

#[test]
fn an_authority_that_is_trusted_too_still_names_nobody_if_it_is_the_gateways_own() {
    let site = Site::new();
    let own = Ca::new("Own");
    site.put("ca.pem", &own.pem);
    site.put("trusted/own.pem", &own.pem);
    site.put("things/a.toml", "");
    let refused = site.load().by_certificate(&own.issue(&["a"], 1).0);
    assert_eq!(refused.unwrap_err(), Refusal::UnknownCertificate);
}

#[test]
fn a_certificate_on_a_list_or_out_of_its_time_is_nobody_registered_or_not() {
    let site = Site::new();
    let trusted = Ca::new("Trusted");
    let (named, registered) = (trusted.issue(&["a"], 7).0, trusted.issue(&["x"], 8).0);
    let expired = trusted.issue_until(&["a"], 9, 2025).0;
    site.put("trusted/t.pem", &trusted.pem);
    site.put("things/a.toml", "");
    site.put("things/b.toml", &attached(&registered, "active", "default"));
    let before = site.load();
    let named_before = before.by_certificate(&named).unwrap();
    let registered_before = before.by_certificate(&registered).unwrap();
    assert_eq!(
        before.by_certificate(&expired).unwrap_err(),
        Refusal::NotValidNow
    );

    site.put("crls/t.pem", &trusted.revoke(&[6, 7, 8]));
    let registry = site.load();
    let revoked = Refusal::InactiveCertificate;
    assert_eq!(registry.by_certificate(&named).unwrap_err(), revoked);
    assert_eq!(registry.renew(&named_before).unwrap_err(), revoked);
    assert_eq!(registry.renew(&registered_before).unwrap_err(), revoked);
    assert!(registry.by_certificate(&trusted.issue(&["a"], 5).0).is_ok());

    let other = Ca::new("Other");
    site.put("trusted/o.pem", &other.pem);
    let registry = site.load();
    let same_number = other.issue(&["a"], 7).0;
    assert!(
        registry.by_certificate(&same_number).is_ok(),
        "another's list"
    );
}

#[test]
fn a_certificate_that_was_pinned_does_not_come_back_by_its_name() {
    let site = Site::new();
    // It says that the trusted authority has issued it, which TLS never had to verify.
    let (trusted, forger) = (Ca::new("Trusted"), Ca::new("Trusted"));
    let (forged, _) = forger.issue(&["a"], 1);
    site.put("trusted/t.pem", &trusted.pem);
    site.put("things/a.toml", &attached(&forged, "active", "default"));
    let identity = site.load().by_certificate(&forged).unwrap();
    assert!(site.load().renew(&identity).is_ok());
    site.put("things/a.toml", "");
    let refused = site.load().renew(&identity).unwrap_err();
    assert_eq!(refused, Refusal::UnknownCertificate);
}

#[test]
fn a_certificate_that_is_registered_after_it_was_taken_by_its_name_stays() {
    let site = Site::new();
    let trusted = Ca::new("Trusted");
    let (certificate, _) = trusted.issue(&["a"], 1);
    site.put("trusted/t.pem", &trusted.pem);
    site.put("things/a.toml", "");
    let identity = site.load().by_certificate(&certificate).unwrap();
    site.put(
        "things/a.toml",
        &attached(&certificate, "active", "default"),
    );
    let renewed = site.load().renew(&identity).unwrap();
    assert_eq!(policies_in(&renewed.policies), ["default"]);
}

#[test]
fn what_is_trusted_has_another_digest_whenever_it_is_something_else() {
    let site = Site::new();
    let trusted = Ca::new("Trusted");
    let (certificate, _) = trusted.issue(&["a"], 1);
    let mut seen = vec![site.load().trust()];
    let mut is_new = |site: &Site| {
        let digest = site.load().trust();
        let is_new = !seen.contains(&digest);
        seen.push(digest);
        is_new
    };
    site.put("trusted/t.pem", &trusted.pem);
    assert!(is_new(&site));
    site.put("crls/t.pem", &trusted.revoke(&[1]));
    assert!(is_new(&site));
    site.put(
        "things/a.toml",
        &attached(&certificate, "active", "default"),
    );
    assert!(is_new(&site));
    site.put("things/b.toml", "policies = [\"default\"]");
    assert!(
        !is_new(&site),
        "a thing without a certificate changes nothing"
    );
    site.put(
        "things/a.toml",
        &attached(&certificate, "inactive", "default"),
    );
    assert!(!is_new(&site), "as before it was registered");
}

#[test]
fn a_user_is_known_by_the_password_and_the_sdks_metrics_are_no_part_of_the_name() {
    let site = Site::new();
    site.put("things/a.toml", "");
    site.put("users.toml", &format!("{}thing = \"a\"\n", user(HASH)));
    let registry = site.load();
    let log_in = |name, password: &str| registry.by_password(name, password.as_bytes());
    for name in ["li", "li?SDK=Python&Version=1.5.2", "li?"] {
        // The second time from memory.
        for _ in 0..2 {
            let identity = log_in(name, PASSWORD).unwrap();
            assert_eq!(identity.principal.to_string(), "li");
            assert_eq!(names_of(&identity.things), ["a"]);
            assert_eq!(policies_in(&identity.policies), ["wide"]);
        }
    }
    for (name, password) in [
        ("li", ""),
        ("li", "open sesame "),
        ("LI", PASSWORD),
        ("", PASSWORD),
        ("?SDK=Python", PASSWORD),
        ("other", PASSWORD),
    ] {
        let refused = log_in(name, password).unwrap_err();
        assert_eq!(refused, Refusal::BadPassword, "{name}");
    }
}

#[test]
fn a_user_with_another_password_is_not_the_same_and_a_gone_one_nobody() {
    let site = Site::new();
    site.put("users.toml", &user(HASH));
    let registry = site.load();
    let identity = registry.by_password("li", PASSWORD.as_bytes()).unwrap();
    site.put("users.toml", &user(HASH).replace("wide", "narrow"));
    let renewed = site.load().renew(&identity).unwrap();
    assert_eq!(policies_in(&renewed.policies), ["narrow"]);

    site.put(
        "users.toml",
        &user(&HASH.replace("c29tZXNhbHQ", "b3RoZXJzYWx0")),
    );
    let changed = site.load();
    assert_eq!(changed.renew(&identity).unwrap_err(), Refusal::BadPassword);
    let remembered = changed.by_password("li", PASSWORD.as_bytes());
    assert_eq!(remembered.unwrap_err(), Refusal::BadPassword);
    site.put("users.toml", "");
    assert_eq!(
        site.load().renew(&identity).unwrap_err(),
        Refusal::BadPassword
    );
}

#[test]
fn whoever_has_signed_a_request_is_known_until_the_key_is_another() {
    let site = Site::new();
    site.put("things/a.toml", "");
    let key = format!("{KEY}policies = [\"narrow\"]\nthing = \"a\"\n");
    site.put("access-keys.toml", &key);
    let registry = site.load();
    let identity = registry.by_signature(&request()).unwrap();
    assert_eq!(identity.principal.to_string(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(names_of(&identity.things), ["a"]);
    assert_eq!(policies_in(&identity.policies), ["narrow"]);
    assert!(registry.renew(&identity).is_ok());
    let late = SignedRequest {
        now: request().now + 301,
        ..request()
    };
    let refused = registry.by_signature(&late).unwrap_err().to_string();
    assert!(refused.contains("has expired"), "{refused}");

    let renewed = |keys: &str| {
        site.put("access-keys.toml", keys);
        site.load()
            .renew(&identity)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(renewed(&format!("{key}disabled = true\n")).ends_with("is disabled"));
    let refused = site.load().by_signature(&request()).unwrap_err();
    assert_eq!(refused, Refusal::BadSignature("the access key is disabled"));
    assert!(renewed(&key.replace("EXAMPLEKEY", "EXAMPLEKEZ")).ends_with("another secret"));
    assert!(renewed("").ends_with("is unknown"));
    site.put("access-keys.toml", &key);
    site.put("things/a.toml", "disabled = true");
    assert_eq!(
        site.load().renew(&identity).unwrap_err(),
        Refusal::DisabledThing
    );
}

#[test]
fn the_policies_are_those_of_the_principal_the_thing_and_its_groups_each_once() {
    let site = Site::new();
    let (certificate, _) = Ca::new("Any").issue(&["x"], 1);
    site.put("groups/g.toml", "policies = [\"wide\", \"default\"]");
    let own = attached(&certificate, "active", "narrow");
    let thing = format!("policies = [\"default\", \"narrow\"]\ngroups = [\"g\", \"none\"]\n{own}");
    site.put("things/a.toml", &thing);
    let registry = site.load();
    let identity = registry.by_certificate(&certificate).unwrap();
    let policies = |thing, groups| {
        let policies = registry.policies_of(&identity, thing, groups);
        policies_in(&policies).join(" ")
    };
    let thing = identity.things[0].as_ref();
    assert_eq!(policies(Some(thing), true), "narrow default wide");
    assert_eq!(policies(Some(thing), false), "narrow default");
    assert_eq!(policies(None, true), "narrow");
}

#[test]
fn the_client_identifier_names_the_thing_unless_the_rule_takes_any() {
    let site = Site::new();
    let (one, _) = Ca::new("Any").issue(&["x"], 1);
    let (two, _) = Ca::new("Any").issue(&["y"], 2);
    site.put("things/a.toml", &attached(&one, "active", "default"));
    let both = attached(&two, "active", "default");
    site.put("things/b.toml", &both);
    site.put("things/c.toml", &both);
    site.put("users.toml", &user(HASH));
    let registry = site.load();
    let (one, two) = (
        registry.by_certificate(&one).unwrap(),
        registry.by_certificate(&two).unwrap(),
    );
    let none = registry.by_password("li", PASSWORD.as_bytes()).unwrap();
    let thing = |identity: &Identity, client_id, rule| {
        let thing = identity.thing(client_id, rule);
        thing.map(|thing| thing.map_or(String::new(), |thing| thing.name.to_string()))
    };
    let (named, any) = (ClientIdRule::ThingName, ClientIdRule::Any);
    let foreign = Err(Refusal::ForeignClientId);
    let is = |name: &str| Ok(name.to_owned());
    assert_eq!(thing(&one, "a", named), is("a"));
    assert_eq!(thing(&one, "b", named), foreign);
    assert_eq!(thing(&one, "", named), foreign);
    assert_eq!(thing(&one, "A", named), foreign);
    assert_eq!(thing(&one, "b", any), is("a"));
    assert_eq!(thing(&two, "c", named), is("c"));
    assert_eq!(thing(&two, "c", any), is("c"));
    assert_eq!(thing(&two, "x", named), foreign);
    assert_eq!(thing(&two, "x", any), is(""));
    assert_eq!(thing(&none, "x", named), is(""));
    assert_eq!(thing(&none, "x", any), is(""));
}

#[test]
fn authorities_that_end_and_lists_that_are_due_are_told_with_their_files() {
    let site = Site::new();
    let (own, other) = (Ca::new("Own"), Ca::new("Other"));
    site.put("ca.pem", &own.pem);
    site.put("trusted/other.pem", &other.pem);
    site.put("crls/both.pem", &(own.revoke(&[1]) + &other.revoke(&[2])));
    let registry = site.load();
    let authority = Certificate::read_pem(&other.pem).unwrap().remove(0).1;
    let (end, due) = (authority.not_after(), 4_102_444_800);
    let other = site.path("trusted/other.pem");
    let found: Vec<_> = registry.authorities_ending(end + 1).collect();
    assert_eq!(found, [(other.as_path(), end)]);
    assert_eq!(registry.authorities_ending(end).count(), 0);
    let list = site.path("crls/both.pem");
    let found: Vec<_> = registry.lists_due(due + 1).collect();
    assert_eq!(found, [(list.as_path(), due)]);
    assert_eq!(registry.lists_due(due).count(), 0);
}
