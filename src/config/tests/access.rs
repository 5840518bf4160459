//! What is wrong with `[access]` and `[audit]`.

use perennial_certs::{ClientIdRule, ServerName};

use super::*;

#[test]
fn an_access_directory_is_enough() {
    let access = read("data_dir = \"/data\"\n[access]\ndirectory = \"access\"").access;
    let expected = AccessConfig {
        directory: PathBuf::from("/data/access"),
        region: None,
        account: None,
        client_id: ClientIdRule::ThingName,
        model: Model::Policies,
        names: Vec::new(),
        certificate: None,
    };
    assert_eq!(access, Some(expected));
}

#[test]
fn every_value_about_access_arrives() {
    let config = read(
        r#"
data_dir = "/data"
[access]
directory = "/etc/perennial/access"
region = "eu-west-1"
account = "123456789012"
client_id = "any"
model = "subscriptions"
names = ["Gateway.local", "192.168.1.5", "fd00::1"]
certificate = "/etc/server.pem"
key = "server.key"
[audit]
path = "refusals.jsonl"
max_size = "1MiB"
files = 0
"#,
    );
    let expected = AccessConfig {
        directory: PathBuf::from("/etc/perennial/access"),
        region: Some("eu-west-1".to_owned()),
        account: Some("123456789012".to_owned()),
        client_id: ClientIdRule::Any,
        model: Model::Subscriptions,
        names: vec![
            ServerName::Dns("gateway.local".to_owned()),
            ServerName::Ip("192.168.1.5".parse().unwrap()),
            ServerName::Ip("fd00::1".parse().unwrap()),
        ],
        certificate: Some(("/etc/server.pem".into(), "/data/server.key".into())),
    };
    assert_eq!(config.access, Some(expected));
    let audit = AuditConfig {
        path: PathBuf::from("/data/refusals.jsonl"),
        max_size: 1 << 20,
        files: 0,
    };
    assert_eq!(config.audit, audit);
}

#[test]
fn what_is_wrong_about_access_is_told_at_its_place() {
    for (text, told) in [
        (
            "region = \"EU\"",
            "`region`: a region is written as \"eu-west-1\", found \"EU\"",
        ),
        (
            "account = \"12\"",
            "`account`: an account has 12 digits, found \"12\"",
        ),
        (
            "client_id = \"name\"",
            "`client_id` takes one of \"thing-name\", \"any\", found the text \"name\"",
        ),
        (
            "model = \"table\"",
            "`model` takes one of \"policies\", \"subscriptions\", found the text \"table\"",
        ),
    ] {
        let begin = text.find('\"').unwrap() + 1;
        assert_eq!(
            problems(&format!("[access]\ndirectory = \"/a\"\n{text}")),
            format!("p.toml:3:{begin}: {told}")
        );
    }
    for name in [
        "gateway.local:8883",
        "",
        "a..b",
        "192.168.1",
        "a b",
        "a.*.local",
    ] {
        assert_eq!(
            problems(&format!(
                "[access]\ndirectory = \"/a\"\nnames = [\"{name}\"]"
            )),
            format!(
                "p.toml:3:9: `names`: a name is a host name or an address without a port, such \
                 as \"gateway.local\" or \"192.168.1.5\"; found {name:?}"
            )
        );
    }
}

#[test]
fn a_directory_is_needed_and_so_are_both_halves_of_a_certificate() {
    assert_eq!(
        problems("[access]"),
        "p.toml:1:1: `directory` is missing in `access`; right would be: \
         directory = \"/etc/perennial/access\""
    );
    let half = |key: &str| problems(&format!("[access]\ndirectory = \"/a\"\n{key} = \"/b\""));
    assert_eq!(
        half("certificate"),
        "p.toml:1:1: `key` is missing in `access`; right would be: \
         key = \"/etc/perennial/server.key\""
    );
    assert_eq!(
        half("key"),
        "p.toml:1:1: `certificate` is missing in `access`; right would be: \
         certificate = \"/etc/perennial/server.pem\""
    );
}

#[test]
fn an_audit_needs_identities() {
    let needs = "it means something with [access] only, where identities come from";
    assert_eq!(problems("[audit]"), format!("p.toml:1:1: `audit`: {needs}"));
    assert_eq!(
        problems("[discovery]"),
        format!("p.toml:1:1: `discovery`: {needs}")
    );
}
