//! The list of what was revoked.

use super::*;

#[test]
fn a_revoked_certificate_is_refused_and_the_others_are_not() {
    let place = Place::new();
    let issue = || {
        place
            .authority
            .issue_device(&thing("lamp"), KeyKind::Ecdsa)
            .unwrap()
    };
    let (first, second, third) = (issue(), issue(), issue());
    assert!(device_is_taken(&place, &first));
    for (issued, taken) in [
        (&first, [false, true, true]),
        (&third, [false, true, false]),
    ] {
        assert_eq!(place.authority.revoke(&issued.certificate.id()), Ok(true));
        let all = [&first, &second, &third].map(|issued| device_is_taken(&place, issued));
        assert_eq!(all, taken);
    }
}

#[test]
fn what_is_revoked_twice_is_on_the_list_once() {
    let place = Place::new();
    let issued = place
        .authority
        .issue_device(&thing("lamp"), KeyKind::Ecdsa)
        .unwrap();
    let path = place.directory.own_revocations();
    assert_eq!(place.authority.revoke(&issued.certificate.id()), Ok(true));
    let list = fs::read(&path).unwrap();
    assert_eq!(place.authority.revoke(&issued.certificate.id()), Ok(true));
    assert_eq!(fs::read(&path).unwrap(), list);
}

#[test]
fn a_certificate_that_was_not_issued_here_is_not_put_on_the_list() {
    let (place, another) = (Place::new(), Place::new());
    let issued = another
        .authority
        .issue_device(&thing("lamp"), KeyKind::Ecdsa)
        .unwrap();
    assert_eq!(place.authority.revoke(&issued.certificate.id()), Ok(false));
    assert!(!place.directory.own_revocations().exists());
}

#[test]
fn nobody_revokes_at_the_same_time_and_is_forgotten() {
    let place = Place::new();
    let issue = || {
        place
            .authority
            .issue_device(&thing("lamp"), KeyKind::Ecdsa)
            .unwrap()
    };
    let issued: Vec<_> = (0..8).map(|_| issue()).collect();
    std::thread::scope(|scope| {
        for one in &issued {
            scope.spawn(|| place.authority.revoke(&one.certificate.id()).unwrap());
        }
    });
    assert!(issued.iter().all(|one| !device_is_taken(&place, one)));
}

#[test]
fn a_list_that_is_not_its_own_is_left_as_it_is() {
    let place = Place::new();
    let issued = place
        .authority
        .issue_device(&thing("lamp"), KeyKind::Ecdsa)
        .unwrap();
    let other = Directory::new(place.directory.path().join("other"));
    let authority = Authority::create_at(&other, KeyKind::Ecdsa, "another", NOW).unwrap();
    let revoked = authority
        .issue_device(&thing("lamp"), KeyKind::Ecdsa)
        .unwrap();
    authority.revoke(&revoked.certificate.id()).unwrap();
    let foreign = fs::read_to_string(other.own_revocations()).unwrap();

    let path = place.directory.own_revocations();
    fs::create_dir(place.directory.revocations()).unwrap();
    for (text, refused) in [
        (
            foreign.as_str(),
            "the list of another authority: give it another name",
        ),
        ("", "the file is empty"),
        (EC_PKCS8, "not a list of revoked certificates: move it away"),
        (
            &foreign.replacen("MI", "MA", 1),
            "not a list of revoked certificates: move it away",
        ),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(
            message(place.authority.revoke(&issued.certificate.id())),
            refused
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
