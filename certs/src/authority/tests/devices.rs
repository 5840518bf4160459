//! Certificates for things.

use super::*;

#[test]
fn a_device_gets_a_certificate_in_its_name_for_as_long_as_the_authority() {
    let place = Place::new();
    let issued = place
        .authority
        .issue_device(&thing("lamp-1"), KeyKind::Ecdsa)
        .unwrap();
    assert!(device_is_taken(&place, &issued));
    assert!(
        !server_is_taken(&place.authority, &issued, "lamp-1", NOW),
        "a device is no server"
    );
    let own = place.authority.certificate();
    let certificate = &issued.certificate;
    assert_eq!(certificate.not_before(), own.not_before());
    assert_eq!(certificate.not_after(), own.not_after());
    let common_name: Vec<_> = certificate
        .subject()
        .values(NameAttribute::CommonName)
        .collect();
    assert_eq!(common_name, ["lamp-1"]);
    let kept = place.directory.issued_certificate(&certificate.id());
    assert_eq!(fs::read_to_string(kept).unwrap(), issued.certificate_pem);
    // The key goes with it, and the certificate with a chain of two.
    let key = issued.key_pem.unwrap();
    let chain = format!(
        "{}{}",
        issued.certificate_pem,
        place.authority.certificate_pem()
    );
    let chain = place.file("chain.pem", &chain, 0o644);
    let key = place.file("chain.key", &key, 0o600);
    ServerCredentials::load_at(&chain, &key, NOW).unwrap();
    // Another authority that is called the same has not issued it.
    let other = Place::new();
    let broken = format!(
        "{}{}",
        issued.certificate_pem,
        other.authority.certificate_pem()
    );
    let broken = place.file("broken.pem", &broken, 0o644);
    let refused = message(ServerCredentials::load_at(&broken, &key, NOW));
    assert!(refused.starts_with("certificate 1 is not issued by certificate 2"));
}

#[test]
fn a_name_too_long_for_a_common_name_is_not_shortened() {
    let place = Place::new();
    let longest_common_name = "a".repeat(64);
    for name in ["b".repeat(65), "c".repeat(128)] {
        let issued = place
            .authority
            .issue_device(&thing(&name), KeyKind::Ecdsa)
            .unwrap();
        assert!(device_is_taken(&place, &issued));
        let subject = issued.certificate.subject();
        assert_eq!(subject.values(NameAttribute::CommonName).next(), None);
        assert_eq!(
            subject.values(NameAttribute::Pseudonym).next(),
            Some(name.as_str())
        );
    }
    let name = thing(&longest_common_name);
    let issued = place.authority.issue_device(&name, KeyKind::Ecdsa).unwrap();
    let subject = issued.certificate.subject();
    assert_eq!(
        subject.values(NameAttribute::CommonName).next(),
        Some(name.as_str())
    );
    let long = format!("{0}.{0}", "d".repeat(40));
    let issued = place
        .authority
        .issue_server_at(&names(&[&long, "gw"]), NOW)
        .unwrap();
    let subject = issued.certificate.subject();
    assert_eq!(subject.values(NameAttribute::CommonName).next(), Some("gw"));
    assert!(server_is_taken(&place.authority, &issued, &long, NOW));
}

#[test]
fn serial_numbers_are_positive_of_sixteen_bytes_and_never_the_same() {
    let place = Place::new();
    let serial = || {
        let issued = place
            .authority
            .issue_device(&thing("lamp"), KeyKind::Ecdsa)
            .unwrap();
        let der = der(&issued.certificate_pem);
        certificate::parse(&der).unwrap().raw_serial().to_vec()
    };
    let serials: std::collections::HashSet<_> = (0..20).map(|_| serial()).collect();
    assert_eq!(serials.len(), 20);
    for serial in serials {
        assert!(
            serial.len() == 16 && serial[0] & 0xc0 == 0x40,
            "{serial:x?}"
        );
    }
}

#[test]
fn a_request_gets_a_certificate_for_its_key_and_nothing_else_that_it_asks_for() {
    let place = Place::new();
    for (file, key) in [
        (include_str!("../../../testdata/p384.csr"), "ECDSA, P-384"),
        (include_str!("../../../testdata/rsa.csr"), "RSA, 2048 bits"),
        (include_str!("../../../testdata/ed.csr"), "Ed25519"),
    ] {
        let request = place.file("request.csr", file, 0o644);
        let issued = place
            .authority
            .sign_request(&thing("lamp"), &request)
            .unwrap();
        assert!(device_is_taken(&place, &issued), "{key}");
        assert!(issued.key_pem.is_none());
        let certificate = &issued.certificate;
        let common_name: Vec<_> = certificate
            .subject()
            .values(NameAttribute::CommonName)
            .collect();
        assert_eq!(common_name, ["lamp"]);
        assert!(!certificate.is_authority());
        assert_eq!(*certificate.alternative_names(), Default::default());
        let inspection = certificate::Inspection::of(&der(&issued.certificate_pem)).unwrap();
        assert_eq!(inspection.key, key);
    }
}

#[test]
fn a_request_that_is_wrong_is_refused() {
    let place = Place::new();
    let good = include_str!("../../../testdata/p384.csr");
    // The last line before the end is within the signature.
    let mut lines: Vec<_> = good.lines().map(str::to_owned).collect();
    let last = lines.len() - 3;
    lines[last] = lines[last].chars().rev().collect();
    let forged = lines.join("\n");
    for (text, refused) in [
        (forged.as_str(), "the request is not signed with its key"),
        (
            include_str!("../../../testdata/p521.csr"),
            "certificates are issued for keys of RSA, ",
        ),
        (
            include_str!("../../../testdata/ec.pem"),
            "the file holds a certificate, not a request",
        ),
        ("", "the file is empty"),
        (
            "x",
            "the file holds no `-----BEGIN CERTIFICATE REQUEST-----`",
        ),
        (
            &good.replacen("MI", "MA", 1),
            "not a request for a certificate",
        ),
    ] {
        let request = place.file("request.csr", text, 0o644);
        let problem = place
            .authority
            .sign_request(&thing("lamp"), &request)
            .unwrap_err();
        assert_eq!(problem.path, request);
        assert!(problem.message.starts_with(refused), "{}", problem.message);
    }
    assert!(!place.directory.issued().exists(), "nothing was issued");
}
