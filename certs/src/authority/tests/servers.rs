//! Certificates for listeners.

use super::*;

#[test]
fn a_server_is_taken_under_each_of_its_names_and_no_other() {
    let place = Place::new();
    let own = names(&["gateway.local", "192.168.1.5", "fe80::1", "*.example.com"]);
    let issued = place.authority.issue_server_at(&own, NOW).unwrap();
    for name in [
        "gateway.local",
        "192.168.1.5",
        "fe80::1",
        "greengrass.example.com",
    ] {
        assert!(
            server_is_taken(&place.authority, &issued, name, NOW),
            "{name}"
        );
    }
    for name in ["gateway", "192.168.1.6", "example.com"] {
        assert!(
            !server_is_taken(&place.authority, &issued, name, NOW),
            "{name}"
        );
    }
    let another = Place::new();
    assert!(!server_is_taken(
        &another.authority,
        &issued,
        "gateway.local",
        NOW
    ));
    let (usage, is_server, is_client) = usage(&issued);
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    assert!(is_server && !is_client);
    let subject = issued.certificate.subject();
    assert_eq!(
        subject.values(NameAttribute::CommonName).next(),
        Some("gateway.local")
    );
    assert!(!device_is_taken(&place, &issued), "a server is no device");
}

#[test]
fn a_servers_certificate_is_valid_for_ninety_days_and_for_clocks_that_are_behind() {
    let place = Place::new();
    let (year, first) = (365 * DAY, place.authority.certificate().not_before());
    for (now, from) in [
        (NOW, first),
        (NOW + year, first),
        (NOW + 10 * year, NOW + 8 * year),
    ] {
        let issued = place
            .authority
            .issue_server_at(&names(&["gw"]), now)
            .unwrap();
        let certificate = &issued.certificate;
        assert_eq!(
            (certificate.not_before(), certificate.not_after()),
            (from, now + 90 * DAY)
        );
        // What Apple's systems take at most.
        assert!(certificate.not_after() - certificate.not_before() <= 825 * DAY);
        assert!(server_is_taken(&place.authority, &issued, "gw", now));
    }
}

#[test]
fn what_is_issued_by_a_clock_that_was_never_set_can_be_used() {
    let place = Place::new();
    let issued = place
        .authority
        .issue_server_at(&names(&["gw"]), 60)
        .unwrap();
    assert!(server_is_taken(&place.authority, &issued, "gw", NOW));
}

#[test]
fn a_clock_that_was_never_set_takes_no_time_away_from_a_server() {
    let place = Place::new();
    let year = 365 * DAY;
    let (own, more) = (names(&["gw"]), names(&["gw", "10.0.0.1"]));
    let before = place.authority.issue_server_at(&own, NOW + year).unwrap();
    let issued = place.authority.issue_server_at(&more, 60).unwrap();
    let end = |issued: &Issued| issued.certificate.not_after();
    assert_eq!(end(&issued), end(&before));
    // One that is set is believed, also behind that.
    let issued = place.authority.issue_server_at(&more, NOW).unwrap();
    assert_eq!(end(&issued), NOW + 90 * DAY);
}

#[test]
fn nothing_is_issued_beyond_the_end_of_the_authority() {
    let place = Place::new();
    let end = place.authority.certificate().not_after();
    let last = place
        .authority
        .issue_server_at(&names(&["gw"]), end - DAY)
        .unwrap();
    assert_eq!(last.certificate.not_after(), end);
    let server = place.authority.issue_server_at(&names(&["gw"]), end);
    let key = KeyKind::Ecdsa.generate().unwrap();
    let device = place.authority.issue_for(&thing("lamp"), &key, None, end);
    for late in [server, device] {
        assert!(message(late).starts_with("this authority has expired on 2047-01-"));
    }
}

#[test]
fn a_servers_certificate_is_due_when_a_third_is_left_or_its_names_are_others() {
    let place = Place::new();
    let own = names(&["gw", "10.0.0.1"]);
    let authority = &place.authority;
    authority.issue_server_at(&own, NOW).unwrap();
    let server = place.load_server().unwrap();
    let end = server.not_after();
    assert!(!authority.is_due(&server, &own, NOW));
    assert!(
        !authority.is_due(&server, &names(&["GW"]), NOW),
        "one name less is none missing"
    );
    assert!(!authority.is_due(&server, &own, end - 30 * DAY));
    assert!(authority.is_due(&server, &own, end - 30 * DAY + 1));
    assert!(authority.is_due(&server, &names(&["gw", "10.0.0.2"]), NOW));
    assert!(authority.is_due(&server, &names(&["gateway"]), NOW));
    let another = Place::new();
    assert!(
        another.authority.is_due(&server, &own, NOW),
        "of another that is called the same"
    );
}

#[test]
fn a_crash_between_the_two_files_of_a_server_leaves_them_together() {
    let place = Place::new();
    let own = names(&["gw"]);
    let path = place.directory.server_certificate();
    for _ in 0..3 {
        place.authority.issue_server_at(&own, NOW).unwrap();
        let before = fs::read(&path).unwrap();
        let next = place.authority.issue_server_at(&own, NOW).unwrap();
        assert_eq!(
            place.load_server().unwrap().certificate(),
            &next.certificate
        );
        // As if the process had ended after the key.
        fs::write(&path, before).unwrap();
        let server = place.load_server().unwrap();
        assert_ne!(server.certificate(), &next.certificate);
    }
    let keys = fs::read_to_string(place.directory.server_key()).unwrap();
    assert_eq!(
        keys.matches("BEGIN PRIVATE KEY").count(),
        2,
        "no more are kept"
    );
}

#[test]
fn a_certificate_that_could_not_be_replaced_keeps_its_key_however_often_it_is_tried() {
    let place = Place::new();
    let own = names(&["gw"]);
    let path = place.directory.server_certificate();
    let shown = place.authority.issue_server_at(&own, NOW).unwrap();
    for _ in 0..3 {
        place.authority.issue_server_at(&own, NOW).unwrap();
        // As if the disk had taken the key and nothing more.
        fs::write(&path, &shown.certificate_pem).unwrap();
        let server = place.load_server().unwrap();
        assert_eq!(server.certificate(), &shown.certificate);
    }
}

#[test]
fn of_many_that_issue_at_once_each_leaves_a_key_to_the_certificate() {
    let place = Place::new();
    let own = names(&["gw"]);
    for _ in 0..16 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| place.authority.issue_server_at(&own, NOW).unwrap());
            }
        });
        place.load_server().unwrap();
    }
}

#[test]
fn a_server_without_a_usable_name_is_refused() {
    let place = Place::new();
    let long = format!("{0}.{0}", "d".repeat(40));
    for names in [names(&[]), names(&[&long])] {
        let refused = message(place.authority.issue_server(&names));
        assert_eq!(
            refused,
            "a server needs a name of at most 64 bytes or an address"
        );
    }
    let foreign = [ServerName::Dns("gät".to_owned())];
    let refused = message(place.authority.issue_server(&foreign));
    assert_eq!(refused, "`gät` is no host name: write it in ASCII");
    assert!(!place.directory.server_key().exists());
}

#[test]
fn an_authority_of_rsa_issues_servers_of_rsa_and_devices_of_both_kinds() {
    let rsa = Place::of(KeyKind::Rsa);
    let server = rsa.authority.issue_server_at(&names(&["gw"]), NOW).unwrap();
    assert!(server_is_taken(&rsa.authority, &server, "gw", NOW));
    assert!(usage(&server).0.key_encipherment());
    let ecdsa = Place::new();
    let modern_server = ecdsa
        .authority
        .issue_server_at(&names(&["gw"]), NOW)
        .unwrap();
    assert!(
        !usage(&modern_server).0.key_encipherment(),
        "such keys only sign"
    );
    let device = rsa
        .authority
        .issue_device(&thing("lamp"), KeyKind::Rsa)
        .unwrap();
    let modern = rsa
        .authority
        .issue_device(&thing("lamp"), KeyKind::Ecdsa)
        .unwrap();
    assert!(device_is_taken(&rsa, &device) && device_is_taken(&rsa, &modern));
    for (issued, key) in [
        (&server, "RSA, 2048 bits"),
        (&device, "RSA, 2048 bits"),
        (&modern, "ECDSA, P-256"),
    ] {
        let inspection = certificate::Inspection::of(&der(&issued.certificate_pem)).unwrap();
        assert_eq!(inspection.key, key);
    }
}
