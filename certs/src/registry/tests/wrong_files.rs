//! Every kind of file that is wrong, and what is said about it.

use std::os::unix::fs::symlink;

use super::*;

/// A list of revoked certificates in version 1, and its authority.
const LIST_OF_VERSION_1: &str = include_str!("../../../testdata/list-v1.pem");
const AUTHORITY_OF_VERSION_1: &str = include_str!("../../../testdata/list-ca.pem");

#[test]
fn a_folder_with_every_kind_of_file_is_read_whole() {
    let site = Site::new();
    let (own, other) = (Ca::new("Own"), Ca::new("Other"));
    let (certificate, _) = own.issue(&["press-7"], 1);
    site.put("ca.pem", &own.pem);
    site.put("ca.key", "not read here");
    site.put("server.pem", "not read here");
    site.put("server.key", "not read here");
    site.put("trusted/other.pem", &other.pem);
    site.put("crls/other.pem", &other.revoke(&[4]));
    site.put("groups/line-3.toml", "policies = [\"wide\"]");
    site.put(
        "things/press-7.toml",
        &format!(
            "type = \"press\"\ngroups = [\"line-3\", \"without-file\"]\n\
             policies = [\"default\"]\n[attributes]\nsite = \"A\"\n\
             [[certificate]]\nid = \"{}\"\nstatus = \"active\"\npolicies = [\"narrow\"]\n",
            certificate.id()
        ),
    );
    site.put(
        "users.toml",
        &format!("[[user]]\nname = \"li\"\npassword = \"{HASH}\"\npolicies = [\"default\"]\n"),
    );
    site.put(
        "access-keys.toml",
        "[[key]]\nid = \"AKIAIOSFODNN7EXAMPLE\"\nthing = \"press-7\"\ndisabled = true\n\
         secret = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"\npolicies = []\n",
    );
    let registry = site.load();
    let thing = registry.thing("press-7").unwrap();
    assert_eq!(thing.thing_type.as_deref(), Some("press"));
    assert_eq!(thing.groups, ["line-3", "without-file"]);
    assert_eq!(thing.policies, ["default"]);
    assert_eq!(thing.attributes["site"], "A");
    assert!(!thing.is_disabled);
    assert_eq!(thing.certificates.len(), 1);
    assert_eq!(thing.certificates[0].policies, ["narrow"]);
    assert_eq!(registry.things().count(), 1);
    let policies: Vec<_> = registry.policies().map(|policy| policy.name()).collect();
    assert_eq!(policies, ["default", "narrow", "wide"]);
    assert!(registry.policy("other").is_none());
    assert_eq!(registry.authority(), Some(own.pem.as_str()));
    assert_eq!(
        (registry.roots().count(), registry.revocations().count()),
        (2, 1)
    );
    assert!(registry.is_registered(&certificate.id()));
    let user = registry.users().next().unwrap();
    assert_eq!((user.name.as_str(), user.policies.len()), ("li", 1));
    let key = registry.access_keys().next().unwrap();
    assert!(key.is_disabled);
    assert_eq!(key.thing.as_ref().unwrap().as_str(), "press-7");
}

#[test]
fn an_empty_folder_knows_nobody_and_one_that_is_not_there_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::load(&Directory::new(folder.path())).unwrap();
    assert_eq!((registry.things().count(), registry.authority()), (0, None));
    let missing = Directory::new(folder.path().join("access"));
    let error = Registry::load(&missing).unwrap_err().to_string();
    assert!(error.ends_with("access: there is no such folder; `perennial init` makes one"));
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let site = Site::new();
    site.put("policies/broken.json", "{\n  \"Version\": 1\n}");
    site.put("groups/line-3.toml", "policies = [\"missing\"]\n");
    site.put("things/a.toml", "polices = [\"default\"]\n");
    site.put(
        "things/b.toml",
        "policies = [\n  \"default\",\n  \"missing\",\n]\n",
    );
    site.put("things/c.toml", "policies = [\"default\"\n");
    let problems = site.problems();
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines.len(), 5, "{problems}");
    let missing = "there is no policies/missing.json";
    assert_eq!(lines[0], format!("groups/line-3.toml:1:13: {missing}"));
    assert!(
        lines[1].starts_with("policies/broken.json:2:"),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2],
        "things/a.toml:1:1: unknown key `polices`; there are: `type`, `groups`, `policies`, \
         `disabled`, `attributes`, `certificate`"
    );
    assert_eq!(lines[3], format!("things/b.toml:3:3: {missing}"));
    assert!(
        lines[4].starts_with("things/c.toml:1:22: not TOML"),
        "{}",
        lines[4]
    );
}

#[test]
fn a_problem_of_many_files_is_not_told_without_end() {
    let site = Site::new();
    for number in 0..1_100 {
        site.put(&format!("things/{number}.toml"), "x = 1");
    }
    assert_eq!(site.problems().lines().count(), 1_000);
}

/// What is said about a thing with this text.
fn about_thing(text: &str) -> String {
    let site = Site::new();
    site.put("things/a.toml", text);
    site.problems()
}

#[test]
fn each_value_of_a_thing_is_checked() {
    let id = "0a".repeat(32);
    assert_eq!(
        about_thing("type = 5\ngroups = \"g\"\ndisabled = \"yes\"\nattributes = [1]\n"),
        "things/a.toml:1:8: `type` takes a text, found a value of the type integer\n\
         things/a.toml:2:10: `groups` takes a list of texts, found the text \"g\"\n\
         things/a.toml:3:12: `disabled` takes true or false, found the text \"yes\"\n\
         things/a.toml:4:14: `attributes` takes a table of texts, found a list of something else"
    );
    assert_eq!(
        about_thing("groups = [\"line/3\"]"),
        "things/a.toml:1:11: a group's name has 1 to 128 letters, digits, `:`, `_` and `-`"
    );
    assert_eq!(
        about_thing("[[certificate]]\nid = \"0a\"\nstatus = \"on\"\n"),
        "things/a.toml:2:6: the identifier of a certificate has 64 hex digits\n\
         things/a.toml:3:10: `status` is \"active\", \"inactive\" or \"revoked\""
    );
    assert_eq!(
        about_thing("[[certificate]]\nstatus = \"active\"\n"),
        "things/a.toml:1:1: `id` is missing; right would be: \
         id = \"64 hex digits: the SHA-256 of the certificate in DER\""
    );
    assert_eq!(
        about_thing("[certificate]\nid = \"x\"\n"),
        "things/a.toml:1:1: `certificate` takes tables, each written under [[certificate]], \
         found a value of the type table"
    );
    let twice = format!("[[certificate]]\nid = \"{id}\"\n").repeat(2);
    assert_eq!(
        about_thing(&twice),
        "things/a.toml:4:6: the certificate is attached to this thing above already"
    );
    let foreign = format!("[[certificate]]\nid = \"{id}\"\npolicies = [\"../ca\"]\n");
    assert_eq!(
        about_thing(&foreign),
        "things/a.toml:3:13: there is no policies/../ca.json"
    );
}

#[test]
fn names_that_aws_does_not_have_are_no_names_here() {
    let site = Site::new();
    site.put("things/a b.toml", "");
    site.put("groups/a.b.toml", "");
    site.put("policies/a b.json", POLICY);
    assert_eq!(
        site.problems(),
        "groups/a.b.toml: a group's name has 1 to 128 letters, digits, `:`, `_` and `-`\n\
         policies/a b.json: a policy's name has 1 to 128 letters, digits, `_`, `+`, `=`, `,`, \
         `.`, `@` and `-`\n\
         things/a b.toml: a thing's name has 1 to 128 letters, digits, `:`, `_` and `-`"
    );
}

#[test]
fn what_editors_leave_behind_is_left_out_and_what_nobody_reads_is_a_problem() {
    let site = Site::new();
    for left in ["a.toml~", ".a.toml.swp", "a.swp", ".hidden", "#a.toml#"] {
        site.put(&format!("things/{left}"), "x = 1");
    }
    site.put(".lock", "");
    // A file system of its own has it.
    fs::create_dir(site.path("lost+found")).unwrap();
    site.load();

    site.put("things/a.tml", "");
    site.put("policies/readme.txt", "");
    site.put("user.toml", "");
    fs::create_dir(site.path("things/folder.toml")).unwrap();
    let problems = site.problems();
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines.len(), 4, "{problems}");
    assert_eq!(
        lines[0],
        "policies/readme.txt: files here are called NAME.json"
    );
    assert_eq!(lines[1], "things/a.tml: files here are called NAME.toml");
    assert_eq!(lines[2], "things/folder.toml: it is not a file");
    assert!(lines[3].starts_with("user.toml: nothing is read from here; there are: "));
    assert!(lines[3].contains("users.toml"));
}

#[test]
fn links_are_followed_and_those_that_lead_nowhere_are_problems() {
    let site = Site::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("x"), "type = \"linked\"").unwrap();
    fs::create_dir(site.path("things")).unwrap();
    symlink(elsewhere.path().join("x"), site.path("things/a.toml")).unwrap();
    let thing_type = site.load().thing("a").unwrap().thing_type.clone();
    assert_eq!(thing_type.as_deref(), Some("linked"));

    symlink("/dev/zero", site.path("things/endless.toml")).unwrap();
    assert_eq!(site.problems(), "things/endless.toml: it is not a file");
    fs::remove_file(site.path("things/endless.toml")).unwrap();
    symlink("nowhere", site.path("things/dangling.toml")).unwrap();
    assert_eq!(
        site.problems(),
        "things/dangling.toml: there is no such file"
    );
}

#[test]
fn files_that_are_too_large_or_no_text_are_problems() {
    let site = Site::new();
    site.put("things/large.toml", &"#".repeat((16 << 20) + 1));
    fs::write(
        site.path("things/latin.toml"),
        b"type = \"a\"\n# \xe9t\xe9\n",
    )
    .unwrap();
    assert_eq!(
        site.problems(),
        "things/large.toml: it has more than 16 MiB, which nothing here has\n\
         things/latin.toml:2:3: it is not UTF-8"
    );
}

#[test]
fn secrets_that_others_may_read_are_problems_with_the_mend() {
    for name in ["users.toml", "access-keys.toml"] {
        for mode in [0o644, 0o640, 0o604, 0o620] {
            let site = Site::new();
            site.put(name, "");
            fs::set_permissions(site.path(name), fs::Permissions::from_mode(mode)).unwrap();
            let problems = site.problems();
            let mend = format!("`chmod 600 {name}`");
            assert!(
                problems.starts_with(&format!("{name}: others than")),
                "{problems}"
            );
            assert!(problems.ends_with(&mend), "{problems}");
        }
    }
}

#[test]
fn each_value_of_a_user_is_checked_and_no_message_repeats_a_secret() {
    let about = |text: &str| {
        let site = Site::new();
        site.put("users.toml", text);
        site.problems()
    };
    let user = |name: &str| format!("[[user]]\nname = \"{name}\"\npassword = \"{HASH}\"\n");
    assert_eq!(
        about("[[user]]\n"),
        "users.toml:1:1: `name` is missing; right would be: name = \"line-3\"\n\
         users.toml:1:1: `password` is missing; right would be: \
         password = \"$argon2id$... (see `perennial users add`)\""
    );
    let plain = about("[[user]]\nname = \"li\"\npassword = \"sesame\"\n");
    assert!(
        plain.starts_with("users.toml:3:12: this is no hash of a password;"),
        "{plain}"
    );
    assert!(!plain.contains("sesame"), "{plain}");
    let sdk = about(&user("li?SDK=x"));
    assert!(sdk.contains("none of them a `?`"), "{sdk}");
    assert!(about(&user("")).contains("1 to 128 characters"));
    assert_eq!(
        about(&user("li").repeat(2)),
        "users.toml:5:8: there is a user with this name above already"
    );
    assert_eq!(
        about(&format!(
            "{}thing = \"x\"\npolicies = [\"y\"]\n",
            user("li")
        )),
        "users.toml:4:9: there is no things/x.toml\n\
         users.toml:5:13: there is no policies/y.json"
    );
}

#[test]
fn each_value_of_an_access_key_is_checked_and_no_message_repeats_a_secret() {
    let about = |text: &str| {
        let site = Site::new();
        site.put("access-keys.toml", text);
        site.problems()
    };
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let key = |id: &str, secret: &str| format!("[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\n");
    let right = key("AKIAIOSFODNN7EXAMPLE", secret);
    assert_eq!(
        about("[[key]]\n"),
        "access-keys.toml:1:1: `id` is missing; right would be: id = \"AKIAIOSFODNN7EXAMPLE\"\n\
         access-keys.toml:1:1: `secret` is missing; right would be: secret = \"40 characters\""
    );
    assert_eq!(
        about(&key("AKIA", &secret[1..])),
        "access-keys.toml:2:6: the identifier of a key has 16 to 128 letters and digits\n\
         access-keys.toml:3:10: the secret of a key has 40 characters without spaces"
    );
    assert_eq!(
        about(&right.repeat(2)),
        "access-keys.toml:5:6: there is a key with this identifier above already"
    );
    for wrong in [
        right.replace("\nsecret = ", "\nSecret = "),
        right.replace("\nsecret = \"", "\nsecret = \"\\q"),
        right.replace(secret, &format!("{secret}\"x")),
        format!("{right}secret = \"{secret}\"\n"),
    ] {
        assert!(!about(&wrong).contains("wJalr"), "{}", about(&wrong));
    }
}

#[test]
fn authorities_and_lists_that_are_none_are_problems() {
    let site = Site::new();
    let (own, other) = (Ca::new("Own"), Ca::new("Other"));
    let (_, device) = own.issue(&["a"], 1);
    site.put("ca.pem", &format!("{}{}", own.pem, other.pem));
    site.put("trusted/device.pem", &device);
    site.put("trusted/empty.pem", "");
    site.put("trusted/list.pem", &own.revoke(&[]));
    site.put("trusted/two.pem", &format!("{}{}", own.pem, other.pem));
    site.put("trusted/wrong.crt", &own.pem);
    site.put("crls/certificate.pem", &own.pem);
    site.put("crls/stranger.pem", &Ca::new("Stranger").revoke(&[1]));
    site.put("crls/text.pem", "nothing");
    site.put("crls/forged.pem", &Ca::new("Old").revoke(&[1]));
    site.put("trusted/old.pem", &Ca::new("Old").pem);
    site.put("crls/version-1.pem", LIST_OF_VERSION_1);
    site.put("trusted/version-1.pem", AUTHORITY_OF_VERSION_1);
    let problems = site.problems();
    let lines: Vec<_> = problems.lines().collect();
    let expected = [
        "ca.pem: it holds more than one certificate",
        "crls/certificate.pem: it holds a certificate, not a list of revoked certificates",
        "crls/forged.pem: it is not signed by the authority here that it names: ",
        "crls/stranger.pem: no authority here has issued this list: ",
        "crls/text.pem: it holds no `-----BEGIN X509 CRL-----`",
        "crls/version-1.pem: this list cannot be used (",
        "trusted/device.pem: it is not the certificate of an authority",
        "trusted/empty.pem: the file is empty",
        "trusted/list.pem: the file holds a list of revoked certificates, not a certificate",
        "trusted/wrong.crt: files here are called NAME.pem",
    ];
    assert_eq!(lines.len(), expected.len(), "{problems}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn the_key_of_the_authority_is_its_owners_alone() {
    let site = Site::new();
    site.put("ca.key", "not read here");
    site.load();
    let readable = fs::Permissions::from_mode(0o640);
    fs::set_permissions(site.path("ca.key"), readable).unwrap();
    let problems = site.problems();
    let expected = "ca.key: others than its owner may read or change it (mode 640): `chmod 600 ";
    assert!(problems.starts_with(expected), "{problems}");
}

#[test]
fn a_document_without_content_is_told_as_that() {
    let site = Site::new();
    site.put("policies/cut.json", "{\"Version\":\n");
    site.put("policies/empty.json", "\n");
    site.put("subscriptions.json", "");
    let expected = "policies/cut.json:2:1: EOF while parsing a value\n\
                    policies/empty.json:1:1: the file is empty\n\
                    subscriptions.json:1:1: the file is empty";
    assert_eq!(site.problems(), expected);
}

#[test]
fn a_subscription_table_that_is_none_is_a_problem_with_its_place() {
    let site = Site::new();
    site.put("subscriptions.json", "{\n\"Subscriptons\": []}");
    let problems = site.problems();
    assert!(problems.starts_with("subscriptions.json:2:"), "{problems}");
    site.put("subscriptions.json", "{\"Subscriptions\": []}");
    assert!(site.load().subscriptions().is_some());
}
