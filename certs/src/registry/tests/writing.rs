//! What is written by the functions for it is read back, and two at once lose nothing.

use std::thread;

use super::*;
use crate::thing::AttachedCertificate;

fn thing(name: &str) -> Thing {
    Thing::new(name.parse().unwrap())
}

#[test]
fn a_thing_is_read_as_it_was_written() {
    let site = Site::new();
    let mut written = thing("press-7");
    written.add(&site.directory).unwrap();
    assert_eq!(**site.load().thing("press-7").unwrap(), written);

    written.thing_type = Some("a \"press\"\n\\ \u{7f} é".to_owned());
    written.groups = vec!["line-3".to_owned(), "all".to_owned()];
    written.policies = vec!["default".to_owned()];
    written.is_disabled = true;
    let pairs = [("site", "A"), ("a b.c", "= [x]"), ("", "")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    written.attributes = pairs.into();
    for (digit, status) in CertificateStatus::ALL.iter().enumerate() {
        written.certificates.push(AttachedCertificate {
            id: digit.to_string().repeat(64).parse().unwrap(),
            status: status.1,
            policies: vec!["narrow".to_owned(); digit],
        });
    }
    written.write(&site.directory).unwrap();
    assert_eq!(**site.load().thing("press-7").unwrap(), written);
}

#[test]
fn a_thing_is_added_once_and_changed_or_removed_only_if_it_is_there() {
    let site = Site::new();
    let name = "a".parse().unwrap();
    let missing = |result: Result<(), RegistryError>| {
        let error = result.unwrap_err().to_string();
        assert!(
            error.ends_with("things/a.toml: there is no such thing"),
            "{error}"
        );
    };
    missing(Thing::change(&site.directory, &name, |_| ()).map(|_| ()));
    missing(Thing::remove(&site.directory, &name));
    thing("a").add(&site.directory).unwrap();
    let again = thing("a").add(&site.directory).unwrap_err().to_string();
    assert!(again.contains("there already"), "{again}");
    let changed = Thing::change(&site.directory, &name, |thing| thing.is_disabled = true);
    assert!(changed.unwrap().is_disabled);
    assert!(site.load().thing("a").unwrap().is_disabled);
    Thing::remove(&site.directory, &name).unwrap();
    assert!(site.load().thing("a").is_none());
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let site = Site::new();
    let mut wrong = thing("a");
    wrong.policies = vec!["missing".to_owned()];
    let error = wrong.add(&site.directory).unwrap_err().to_string();
    assert!(
        error.ends_with("there is no policies/missing.json"),
        "{error}"
    );
    assert!(!site.path("things/a.toml").exists());

    let add = |name: &str, policy: &str, thing: Option<&str>| {
        let thing = thing.map(|thing| thing.parse().unwrap());
        let added = User::add(&site.directory, name, b"x", vec![policy.to_owned()], thing);
        added.unwrap_err().to_string()
    };
    assert!(add("li", "missing", None).contains("missing.json"));
    assert!(add("li", "default", Some("a")).contains("there is no things/a.toml"));
    assert!(add("l?", "default", None).contains("none of them a `?`"));
    let empty = User::add(&site.directory, "li", b"", Vec::new(), None).unwrap_err();
    assert!(empty.to_string().ends_with("the password is empty"));
    let key = AccessKey::add(&site.directory, vec!["missing".to_owned()], None);
    assert!(key.unwrap_err().to_string().contains("missing.json"));
    assert!(!site.path("users.toml").exists() && !site.path("access-keys.toml").exists());
}

#[test]
fn a_thing_that_somebody_is_is_not_removed() {
    let site = Site::new();
    let name = "a".parse::<ThingName>().unwrap();
    thing("a").add(&site.directory).unwrap();
    User::add(&site.directory, "li", b"x", Vec::new(), Some(name.clone())).unwrap();
    let error = Thing::remove(&site.directory, &name)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the user `li` is the thing a"), "{error}");
    User::remove(&site.directory, "li").unwrap();
    let key = AccessKey::add(&site.directory, Vec::new(), Some(name.clone())).unwrap();
    let error = Thing::remove(&site.directory, &name)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("the key `{}` is the thing a", key.id)),
        "{error}"
    );
    AccessKey::remove(&site.directory, &key.id).unwrap();
    Thing::remove(&site.directory, &name).unwrap();
    site.load();
}

#[test]
fn users_and_keys_come_and_go_in_files_for_their_owner_alone() {
    let site = Site::new();
    let policies = vec!["default".to_owned()];
    User::add(
        &site.directory,
        "li \"x\"",
        b"secret",
        policies.clone(),
        None,
    )
    .unwrap();
    User::add(&site.directory, "other", b"other", Vec::new(), None).unwrap();
    let again = User::add(&site.directory, "other", b"x", Vec::new(), None).unwrap_err();
    assert!(
        again
            .to_string()
            .ends_with("a user with this name above already")
    );
    let registry = site.load();
    assert!(registry.by_password("li \"x\"", b"secret").is_ok());
    assert!(registry.by_password("li \"x\"", b"other").is_err());
    assert!(registry.by_password("other", b"other").is_ok());

    let key = AccessKey::add(&site.directory, policies, None).unwrap();
    let is_base32 = |digit: u8| digit.is_ascii_uppercase() || (b'2'..=b'7').contains(&digit);
    assert!(key.id.len() == 20 && key.id.starts_with("AKIA") && key.id.bytes().all(is_base32));
    assert_eq!(key.secret.len(), 40);
    assert!(!format!("{key:?}").contains(&key.secret));
    let registry = site.load();
    let read = registry.access_keys().next().unwrap();
    assert_eq!((&read.id, &read.secret), (&key.id, &key.secret));
    assert_eq!(read.policies, key.policies);

    for name in ["users.toml", "access-keys.toml"] {
        let mode = fs::metadata(site.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    User::remove(&site.directory, "other").unwrap();
    AccessKey::remove(&site.directory, &key.id).unwrap();
    let registry = site.load();
    assert_eq!(
        (registry.users().count(), registry.access_keys().count()),
        (1, 0)
    );
    let gone = User::remove(&site.directory, "other")
        .unwrap_err()
        .to_string();
    assert!(gone.ends_with("there is no user `other`"), "{gone}");
    let gone = AccessKey::remove(&site.directory, &key.id).unwrap_err();
    assert!(gone.to_string().contains("there is no key"));
}

#[test]
fn nothing_is_written_into_a_file_that_is_wrong() {
    let site = Site::new();
    site.put("users.toml", "[[user]]\nnam = \"x\"\n");
    assert!(User::add(&site.directory, "li", b"x", Vec::new(), None).is_err());
    let text = fs::read_to_string(site.path("users.toml")).unwrap();
    assert_eq!(text, "[[user]]\nnam = \"x\"\n");
}

#[test]
fn many_that_write_at_once_lose_no_entry() {
    let site = Site::new();
    let name = "a".parse().unwrap();
    thing("a").add(&site.directory).unwrap();
    let (directory, name) = (&site.directory, &name);
    let attach = |number: u8| {
        let id = format!("{number:02x}").repeat(32).parse().unwrap();
        let attach = |thing: &mut Thing| {
            thing.certificates.push(AttachedCertificate {
                id,
                status: CertificateStatus::Active,
                policies: Vec::new(),
            });
        };
        Thing::change(directory, name, attach).unwrap();
    };
    thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                for number in 0..8 {
                    attach(writer * 8 + number);
                    AccessKey::add(directory, Vec::new(), None).unwrap();
                }
            });
        }
    });
    let registry = site.load();
    assert_eq!(registry.access_keys().count(), 32);
    assert_eq!(registry.thing("a").unwrap().certificates.len(), 32);
}
