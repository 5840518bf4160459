//! Wrong words on the command line, and wrong files: each with an error that says what to do.

use std::fs;

use crate::support::{authority::Authority, gateway::run_to_end, site::Site};

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let site = Site::new();
    site.thing("there", &[]);
    let expired = Authority::new("Old").issue_expired("old", site.folder());
    let expired = expired.certificate.display().to_string();
    fs::write(site.folder().join("garbage.pem"), "garbage").unwrap();
    let id = "ab".repeat(32);
    let cases: &[(&[&str], &str)] = &[
        (&["things", "add", "a/b"], "1 to 128 letters, digits"),
        (&["things", "add", "there"], "there is a thing there"),
        (
            &["things", "add", "new", "--policy", "defalt"],
            "there is no policy \"defalt\"; there are: default",
        ),
        (
            &["things", "add", "new", "--csr", "missing.csr"],
            "missing.csr: there is no such file",
        ),
        (
            &["things", "add", "new", "--csr", "garbage.pem"],
            "garbage.pem: ",
        ),
        (
            &["things", "add", "new", "--csr", "access/ca.pem"],
            "access/ca.pem: the file holds a certificate, not a request",
        ),
        (
            &["things", "add", "new", "--certificate", "garbage.pem"],
            "garbage.pem: the file holds no `-----BEGIN CERTIFICATE-----`",
        ),
        (
            &["things", "add", "new", "--certificate", "missing.pem"],
            "cannot read missing.pem",
        ),
        (
            &["things", "add", "new", "--certificate", "access/ca.key"],
            "access/ca.key: the file holds a private key, not a certificate",
        ),
        (
            &["things", "add", "new", "--certificate", "access/ca.pem"],
            "access/ca.pem: this is an authority's certificate",
        ),
        (
            &["things", "add", "new", "--certificate", &expired],
            "the certificate expired on 2021-01-01",
        ),
        (
            &["things", "add", "new", "--csr", "a", "--certificate", "b"],
            "cannot be used with",
        ),
        (&["things", "show", "nobody"], "there is no thing nobody"),
        (&["things", "disable", "nobody"], "nobody"),
        (&["things", "remove", "nobody"], "there is no thing nobody"),
        (&["certs", "revoke", "nobody"], "there is no thing nobody"),
        (
            &["certs", "revoke", &id],
            "no thing has the certificate abab",
        ),
        (&["certs", "trust", "garbage.pem"], "garbage.pem: "),
        (
            &["certs", "trust", "access/server.pem"],
            "this is no authority's certificate",
        ),
        (
            &["certs", "trust", "access/ca.pem"],
            "this is the gateway's own authority",
        ),
        (
            &["certs", "trust", "access/ca.key"],
            "it holds a private key",
        ),
        (&["users", "remove", "nobody"], "there is no user `nobody`"),
        (
            &["access-keys", "add", "--policy", "none"],
            "there is no policy \"none\"",
        ),
        (
            &["access-keys", "add", "--thing", "nobody"],
            "there is no thing nobody",
        ),
        (&["access-keys", "remove", "AKIA"], "there is no key `AKIA`"),
        (
            &[
                "policy",
                "test",
                "--thing",
                "there",
                "--action",
                "Fly",
                "--resource",
                "a",
            ],
            "there are: iot:Connect",
        ),
        (
            &[
                "policy",
                "test",
                "--thing",
                "there",
                "--action",
                "Publish",
                "--resource",
                "arn:aws:iot:a:b:topic/c",
            ],
            "not its ARN",
        ),
    ];
    for (command, told) in cases {
        let finished = site.command(command);
        assert!(
            matches!(finished.code, Some(1 | 2)),
            "{command:?}: {finished:?}"
        );
        assert!(finished.stderr.contains(told), "{command:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{command:?}");
    }
    let list = site.succeed(&["things", "list", "--json"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    let written = fs::read_dir(site.folder()).unwrap();
    let written = written.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("new")
    });
    assert_eq!(
        written.count(),
        0,
        "nothing is written for a thing that is none"
    );
}

#[test]
fn a_thing_that_cannot_be_added_leaves_nothing_behind() {
    let site = Site::new();
    let files = |folder: &str| {
        let entries = fs::read_dir(site.folder().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    site.thing("there", &["default"]);
    let before = files("access/issued");
    let key = site.folder().join("lamp-credentials/lamp.key");
    fs::create_dir(key.parent().unwrap()).unwrap();
    fs::write(&key, "another").unwrap();
    let finished = site.command(&["things", "add", "lamp"]);
    assert!(
        finished.stderr.contains("lamp.key: it is there already"),
        "{finished:?}"
    );
    assert_eq!(files("lamp-credentials"), ["lamp.key"]);
    assert_eq!(fs::read_to_string(&key).unwrap(), "another");
    assert_eq!(files("access/issued"), before);
    assert_eq!(files("access/things"), ["there.toml"]);
}

#[test]
fn a_configuration_without_identities_is_told_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plain.toml"), "").unwrap();
    let list: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"things", &"list", &"--config", &"plain.toml"];
    let finished = run_to_end(folder.path(), &list);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("plain.toml has no [access]"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("perennial init DIR"),
        "{finished:?}"
    );

    let config = "[access]\ndirectory = \"/nowhere/access\"\n";
    fs::write(folder.path().join("plain.toml"), config).unwrap();
    let finished = run_to_end(folder.path(), &list);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("no folder /nowhere/access"),
        "{finished:?}"
    );
}

#[test]
fn check_tells_everything_that_is_wrong_with_the_access_directory() {
    let site = Site::new();
    site.write(
        "policies/slip.json",
        "{\"Version\": \"2012-10-17\",\n \"Statment\": []}",
    );
    site.write("things/lamp.toml", "policies = [\"gone\"]\n");
    site.write("server.key", "not a key");
    let finished = site.command(&["check"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for told in [
        "policies/slip.json:2:11: ",
        "things/lamp.toml:1:13: ",
        "server.key: ",
    ] {
        assert!(finished.stderr.contains(told), "{told}: {finished:?}");
    }
    // A gateway does not start with it either.
    let finished = site.command(&["run"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("policies/slip.json:2:11: "),
        "{finished:?}"
    );
    assert_eq!(finished.stdout, "");
}

#[test]
fn check_takes_for_granted_the_certificate_that_a_start_issues() {
    let mut site = Site::new();
    let access = site.folder().join("access");
    fs::remove_file(access.join("server.pem")).unwrap();
    site.succeed(&["check"]);
    assert!(!access.join("server.pem").exists(), "check writes nothing");
    // Without the authority's key none is issued.
    let (key, away) = (access.join("ca.key"), site.folder().join("ca.key"));
    fs::rename(&key, &away).unwrap();
    let finished = site.command(&["check"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("server.pem: there is no such file"),
        "{finished:?}"
    );
    fs::rename(&away, &key).unwrap();
    site.succeed(&["check"]);
    site.start();
    assert!(access.join("server.pem").exists());
}

#[test]
fn a_policy_is_checked_before_it_is_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": [\n{\"Effect\": \"Allow\", \
                \"Action\": \"iot:Publsh\", \"Resource\": \"*\"}]}";
    fs::write(&path, text).unwrap();
    let finished = run_to_end(folder.path(), &[&"policy", &"check", &"p.json"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.starts_with("p.json:2:"), "{finished:?}");
    assert!(
        finished.stderr.contains("did you mean `iot:Publish`?"),
        "{finished:?}"
    );
    fs::write(&path, text.replace("Publsh", "Publish")).unwrap();
    let finished = run_to_end(folder.path(), &[&"policy", &"check", &"p.json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stdout, "p.json: no errors");
}
