//! Users and access keys, and what policies decide.

use std::fs;

use super::{json, mode};
use crate::support::{gateway::run_with_input, site::Site};

#[test]
fn a_password_is_read_from_stdin_and_kept_as_a_hash_only() {
    let site = Site::new();
    site.user("operator", "correct horse", "default");
    let path = site.folder().join("access/users.toml");
    assert_eq!(mode(&path), 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("$argon2id$") && !text.contains("correct horse"),
        "{text}"
    );

    let users = json(&site, &["users", "list", "--json"]);
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["name"], "operator");
    assert_eq!(users[0].get("password"), None);
    let table = site.succeed(&["users", "list"]);
    assert!(!table.contains("argon2"), "{table}");

    let add: [&dyn AsRef<std::ffi::OsStr>; 5] = [
        &"users",
        &"add",
        &"operator",
        &"--config",
        &"perennial.toml",
    ];
    let again = run_with_input(site.folder(), &add, b"other\n");
    assert_eq!(again.code, Some(2), "{again:?}");
    let without = run_with_input(site.folder(), &add, b"");
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(
        without.stderr.contains("first line of stdin"),
        "{without:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    site.succeed(&["users", "remove", "operator"]);
    assert!(json(&site, &["users", "list", "--json"]).is_empty());
    let twice = site.command(&["users", "remove", "operator"]);
    assert_eq!(twice.code, Some(2), "{twice:?}");
}

#[test]
fn the_secret_of_an_access_key_is_shown_once() {
    let site = Site::new();
    site.thing("sensor-1", &[]);
    let add = ["access-keys", "add", "--thing", "sensor-1", "--json"];
    let key = json(&site, &add).remove(0);
    let (id, secret) = (
        key["AccessKeyId"].as_str().unwrap(),
        key["SecretAccessKey"].as_str().unwrap(),
    );
    assert!(id.len() == 20 && id.starts_with("AKIA"), "{id}");
    assert_eq!(secret.len(), 40);
    assert_eq!(mode(&site.folder().join("access/access-keys.toml")), 0o600);
    for command in [
        &["access-keys", "list"][..],
        &["access-keys", "list", "--json"],
    ] {
        let printed = site.succeed(command);
        assert!(
            printed.contains(id) && printed.contains("sensor-1"),
            "{printed}"
        );
        assert!(!printed.contains(secret), "{printed}");
    }
    site.succeed(&["access-keys", "remove", id]);
    assert!(json(&site, &["access-keys", "list", "--json"]).is_empty());
    let twice = site.command(&["access-keys", "remove", id]);
    assert_eq!(twice.code, Some(2), "{twice:?}");
}

#[test]
fn a_decision_is_explained_and_is_the_exit_code() {
    let site = Site::new();
    site.thing("sensor-1", &[]);
    let test = |action: &str, resource: &str, more: &[&str]| {
        let begin = ["policy", "test", "--thing", "sensor-1", "--action", action];
        let command = [&begin[..], &["--resource", resource], more].concat();
        site.command(&command)
    };
    for (action, resource) in [
        ("Connect", "sensor-1"),
        ("Publish", "sensor-1/a"),
        ("iot:Publish", "kinesisfirehose/message"),
        ("Publish", "iotanalytics/channels/a/messages/put"),
        ("RetainPublish", "sensor-1/a"),
        ("Subscribe", "sensor-1/#"),
        ("Receive", "kinesisfirehose/message/status"),
        ("Publish", "$aws/things/sensor-1/shadow/update"),
        ("greengrass:Discover", "sensor-1"),
    ] {
        let finished = test(action, resource, &[]);
        assert_eq!(finished.code, Some(0), "{action} {resource}: {finished:?}");
        assert!(
            finished.stdout.contains("of default allows it"),
            "{finished:?}"
        );
    }
    for (action, resource) in [
        ("Connect", "sensor-2"),
        ("Publish", "sensor-2/a"),
        ("Publish", "kinesisfirehose/message/status"),
        ("Subscribe", "#"),
        ("Receive", "sensor-2/a"),
        ("Publish", "$aws/things/sensor-2/shadow/update"),
        ("Discover", "sensor-2"),
    ] {
        let finished = test(action, resource, &[]);
        assert_eq!(finished.code, Some(1), "{action} {resource}: {finished:?}");
        assert!(finished.stdout.starts_with("not allowed: "), "{finished:?}");
        assert_eq!(finished.stderr, "");
    }
    let finished = test("Publish", "sensor-1/a", &["--client-id", "other"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("it cannot connect as other"),
        "{finished:?}"
    );
    site.succeed(&["things", "disable", "sensor-1"]);
    let finished = test("Publish", "sensor-1/a", &["--json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.starts_with("{\"allowed\":false"),
        "{finished:?}"
    );
    assert!(finished.stdout.contains("is disabled"), "{finished:?}");
}

#[test]
fn policies_that_ask_where_from_and_which_certificate_are_told() {
    let site = Site::new();
    site.write(
        "policies/careful.json",
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*",
             "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            {"Effect": "Allow", "Action": "iot:Receive",
             "Resource": "arn:aws:iot:*:*:topic/${iot:Certificate.Subject.CommonName}/a"}
        ]}"#,
    );
    site.thing("sensor-1", &["careful"]);
    let test = |action: &str, resource: &str, more: &[&str]| {
        let begin = ["policy", "test", "--thing", "sensor-1", "--action", action];
        site.command(&[&begin[..], &["--resource", resource], more].concat())
            .code
    };
    assert_eq!(test("Publish", "a", &["--source-ip", "10.1.2.3"]), Some(0));
    assert_eq!(test("Publish", "a", &["--source-ip", "192.0.2.1"]), Some(1));
    assert_eq!(test("Publish", "a", &[]), Some(1));
    // The certificate is the one that was issued for it.
    assert_eq!(test("Receive", "sensor-1/a", &[]), Some(0));
    assert_eq!(test("Receive", "sensor-2/a", &[]), Some(1));
}

#[test]
fn what_a_group_allows_is_told_not_to_count_for_discovery() {
    let site = Site::new();
    site.policy("wide", &[("*", &["*"])]);
    site.write("groups/line-3.toml", "policies = [\"wide\"]\n");
    let told = site.succeed(&["things", "add", "lamp", "--group", "line-3"]);
    assert!(!told.contains("no policies"), "{told}");
    let test = |action: &str, resource: &str| {
        let begin = ["policy", "test", "--thing", "lamp", "--action", action];
        site.command(&[&begin[..], &["--resource", resource]].concat())
    };
    let finished = test("Publish", "a");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = test("Discover", "lamp");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .stdout
            .contains("policies of its groups do not count for discovery"),
        "{finished:?}"
    );
}
