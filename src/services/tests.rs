//! Discovery as devices ask for it, by the byte.

use std::{fs, path::PathBuf, time::Duration};

use perennial_certs::{Authority, ClientIdRule, Directory, Issued, KeyKind, Registry, ThingName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::{
    audit::Audit,
    config::{AccessConfig, AuditConfig, CoreConfig, DiscoveryConfig, Model},
    ingest::Ingest,
};

const ALLOWED: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Action": "greengrass:Discover",
    "Resource": "arn:aws:iot:*:*:thing/${iot:Connection.Thing.ThingName}"}]}"#;
const DENIED: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny",
    "Action": "greengrass:*", "Resource": "*"}]}"#;

/// An access directory with an authority, two policies and a group.
struct Site {
    folder: TempDir,
    /// For what does not belong into the directory.
    elsewhere: TempDir,
    authority: Authority,
}

impl Site {
    fn new() -> Site {
        let folder = TempDir::new().unwrap();
        let directory = Directory::new(folder.path());
        let authority = Authority::create(&directory, KeyKind::Ecdsa, "gateway").unwrap();
        for folder in [directory.things(), directory.groups(), directory.policies()] {
            fs::create_dir_all(folder).unwrap();
        }
        let site = Site {
            folder,
            elsewhere: TempDir::new().unwrap(),
            authority,
        };
        site.write("policies/allowed.json", ALLOWED);
        site.write("policies/denied.json", DENIED);
        site.write("groups/line.toml", "policies = [\"allowed\"]\n");
        site
    }

    fn directory(&self) -> Directory {
        Directory::new(self.folder.path())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// A thing with these lines in its file and a certificate with those.
    fn thing(&self, name: &str, lines: &str, of_certificate: &str) -> Arc<Certificate> {
        let issued = self.issued(name);
        let id = issued.certificate.id();
        let text = format!("{lines}\n[[certificate]]\nid = \"{id}\"\n{of_certificate}\n");
        self.write(&format!("things/{name}.toml"), &text);
        Arc::new(issued.certificate)
    }

    fn issued(&self, name: &str) -> Issued {
        let name = name.parse().unwrap();
        self.authority.issue_device(&name, KeyKind::Ecdsa).unwrap()
    }

    fn access(&self, model: Model) -> AccessConfig {
        AccessConfig {
            directory: self.folder.path().to_owned(),
            region: Some("eu-west-1".to_owned()),
            account: Some("123456789012".to_owned()),
            client_id: ClientIdRule::ThingName,
            model,
            names: Vec::new(),
            certificate: None,
        }
    }

    fn services(&self) -> Services {
        self.services_with(config(), Model::Policies)
    }

    /// Call it inside a tokio runtime.
    fn services_with(&self, config: DiscoveryConfig, model: Model) -> Services {
        let access = self.access(model);
        let discovery = Discovery::new(config, &access).unwrap();
        let registry = Arc::new(Registry::load(&self.directory()).unwrap());
        let audit = Audit::start(AuditConfig {
            path: self.elsewhere.path().join("audit.jsonl"),
            max_size: 1 << 20,
            files: 0,
        });
        let ingest = Arc::new(Ingest::new(&[], &[]));
        let access = Access::new(&access, registry, ingest, audit);
        Services::new(Arc::new(access), discovery)
    }

    fn pem(&self) -> String {
        let pem = fs::read_to_string(self.directory().authority_certificate()).unwrap();
        pem.replace("\r\n", "\n")
    }
}

fn config() -> DiscoveryConfig {
    DiscoveryConfig {
        group: Some("group-1".to_owned()),
        core: Some("core-1".to_owned()),
        addresses: vec![("192.168.1.5".to_owned(), 8883)],
        cores: Vec::new(),
    }
}

/// What comes back for `request` by whoever has this certificate, until the end.
async fn answered(
    services: &Services,
    certificate: Option<&Arc<Certificate>>,
    request: &str,
) -> String {
    let (mut client, server) = duplex(64 * 1024);
    let principal = certificate.map(|one| Arc::new(Shown(Arc::clone(one))) as Arc<dyn Principal>);
    let talk = async {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        drop(client);
        bytes
    };
    let serving = services.serve(Box::new(server), Peer::Unix, principal);
    let ((), bytes) = tokio::join!(serving, talk);
    String::from_utf8(bytes).unwrap()
}

/// The status and the body of the answer to who asks about `asked`.
async fn discovered(
    services: &Services,
    certificate: Option<&Arc<Certificate>>,
    asked: &str,
) -> (u16, Value) {
    let request = format!("GET /greengrass/discover/thing/{asked} HTTP/1.1\r\n\r\n");
    read_by_hand(&answered(services, certificate, &request).await)
}

/// Why and how often discovery was refused.
fn refusals(services: &Services) -> Vec<(&'static str, u64)> {
    let counts = services.access.audit().counts();
    let discovery = counts.filter(|(action, _, count)| *action == "Discover" && *count > 0);
    discovery
        .map(|(_, reason, count)| (reason, count))
        .collect()
}

/// Reads an answer as AWSIoTPythonSDK and the SDK for C++ do: the status behind the literal
/// version, the length behind the literal name in lower case, that much and no more.
fn read_by_hand(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap();
    assert!(
        !status.starts_with("200") || status.starts_with("200 OK\r\n"),
        "{head}"
    );
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    assert!(length > 0 && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(body.len(), length);
    let body = serde_json::from_str(&body[..length]).unwrap();
    (status[..3].parse().unwrap(), body)
}

#[tokio::test]
async fn a_thing_is_told_its_core_in_the_words_of_aws() {
    let site = Site::new();
    let certificate = site.thing("sensor", "policies = [\"allowed\"]", "");
    let services = site.services();
    let request = "GET /greengrass/discover/thing/sensor HTTP/1.1\r\n\r\n";
    let answer = answered(&services, Some(&certificate), request).await;

    let pem = serde_json::to_string(&site.pem()).unwrap();
    let body = format!(
        "{{\"GGGroups\":[{{\"GGGroupId\":\"group-1\",\"Cores\":[{{\
         \"thingArn\":\"arn:aws:iot:eu-west-1:123456789012:thing/core-1\",\
         \"Connectivity\":[{{\"Id\":\"192.168.1.5_1\",\"HostAddress\":\"192.168.1.5\",\
         \"PortNumber\":8883,\"Metadata\":\"\"}}]}}],\"CAs\":[{pem}]}}]}}"
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n",
        body.len()
    );
    assert!(answer.starts_with(&head), "{answer}");
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body);
    assert_eq!(refusals(&services), []);
}

#[tokio::test]
async fn whoever_may_not_ask_is_told_so_and_no_more() {
    let site = Site::new();
    let allowed = "policies = [\"allowed\"]";
    let good = site.thing("good", allowed, "");
    site.thing("other", allowed, "");
    let by_certificate = site.thing("by-certificate", "", allowed);
    let none = site.thing("no-policy", "", "");
    let by_group = site.thing("by-group", "groups = [\"line\"]", "");
    let denied = site.thing("denied", "policies = [\"allowed\", \"denied\"]", "");
    let disabled = site.thing("disabled", &format!("disabled = true\n{allowed}"), "");
    let revoked = site.thing("revoked", allowed, "status = \"revoked\"");
    let unknown = Arc::new(site.issued("good").certificate);
    let services = site.services();

    for (certificate, asked, status, reason) in [
        (Some(&good), "good", 200, ""),
        (Some(&by_certificate), "by-certificate", 200, ""),
        (None, "good", 401, "no_identity"),
        (Some(&unknown), "good", 401, "unknown_certificate"),
        (Some(&disabled), "disabled", 401, "disabled_thing"),
        (Some(&revoked), "revoked", 401, "inactive_certificate"),
        (Some(&none), "no-policy", 403, "policy"),
        (Some(&by_group), "by-group", 403, "policy"),
        (Some(&denied), "denied", 403, "policy"),
        (Some(&good), "other", 403, "other_thing"),
        (Some(&good), "nobody", 403, "other_thing"),
    ] {
        let before = refusals(&services);
        let (found, body) = discovered(&services, certificate, asked).await;
        assert_eq!(found, status, "{asked}: {body}");
        let refused: Vec<_> = refusals(&services)
            .into_iter()
            .filter(|now| !before.contains(now))
            .collect();
        if status == 200 {
            assert_eq!(refused, []);
            continue;
        }
        let message = if status == 401 {
            "Unauthorized"
        } else {
            "Forbidden"
        };
        assert_eq!(body, json!({ "message": message }), "{asked}");
        let reasons: Vec<_> = refused.iter().map(|(reason, _)| *reason).collect();
        assert_eq!(reasons, [reason], "{asked}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_a_bad_request_however_it_is_written() {
    let site = Site::new();
    let certificate = site.thing("line:1", "policies = [\"allowed\"]", "");
    let services = site.services();
    for asked in ["line:1", "line%3A1", "line%3a1", "%6Cine:1"] {
        let (status, body) = discovered(&services, Some(&certificate), asked).await;
        assert_eq!(status, 200, "{asked}: {body}");
    }
    let long = "x".repeat(129);
    for asked in [
        "",
        "/",
        "/line:1",
        "line:1/",
        "line:1/.",
        "../thing/line:1",
        "x/../line:1",
        "..",
        "%2e%2e",
        "%2e%2e%2fline:1",
        "x%2Fline:1",
        "line:1%2F",
        "line:1%00",
        "line:1%0d%0a",
        "line%253A1",
        "line:1%",
        "line:1%2",
        "line:1%zz",
        "line:1%ff",
        "line:1?",
        "line:1?x=y",
        "*",
        "+",
        "#",
        "line.1",
        "l%C3%ADne",
        &long,
    ] {
        let (status, body) = discovered(&services, Some(&certificate), asked).await;
        assert_eq!(
            (status, body),
            (400, json!({"message": "Bad Request"})),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn other_requests_are_not_for_discovery() {
    let site = Site::new();
    let certificate = site.thing("sensor", "policies = [\"allowed\"]", "");
    let services = site.services();
    for (line, status) in [
        ("PUT /greengrass/discover/thing/other", 405),
        ("POST /greengrass/discover/thing/sensor", 405),
        ("DELETE /greengrass/discover/thing/sensor", 405),
        ("GET https://gateway/greengrass/discover/thing/sensor", 400),
        ("GET /", 404),
        ("GET /greengrass/discover/thing", 404),
        ("GET /greengrass/discover/things/sensor", 404),
        ("GET //greengrass/discover/thing/sensor", 404),
        ("GET /x/../greengrass/discover/thing/sensor", 404),
        ("GET /greengrass%2Fdiscover%2Fthing%2Fsensor", 404),
        ("GET /GREENGRASS/discover/thing/sensor", 404),
        ("OPTIONS *", 404),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: gateway\r\n\r\n");
        let answer = answered(&services, Some(&certificate), &request).await;
        assert_eq!(read_by_hand(&answer).0, status, "{line}");
        assert_eq!(
            answer.contains("\r\nallow: GET\r\n"),
            status == 405,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_thing_that_asks_all_the_time_is_told_to_wait() {
    let site = Site::new();
    let eager = site.thing("eager", "policies = [\"allowed\"]", "");
    let calm = site.thing("calm", "policies = [\"allowed\"]", "");
    let services = site.services();
    tokio::time::pause();
    for _ in 0..10 {
        assert_eq!(discovered(&services, Some(&eager), "eager").await.0, 200);
    }
    let (status, body) = discovered(&services, Some(&eager), "eager").await;
    assert_eq!(
        (status, body),
        (429, json!({"message": "Too Many Requests"}))
    );
    assert_eq!(refusals(&services), [("rate", 1)]);
    assert_eq!(discovered(&services, Some(&calm), "calm").await.0, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(discovered(&services, Some(&eager), "eager").await.0, 200);
}

#[tokio::test]
async fn in_a_group_with_subscriptions_every_thing_may_find_its_core() {
    let site = Site::new();
    let certificate = site.thing("sensor", "", "");
    site.thing("other", "", "");
    site.write("subscriptions.json", "{\"Subscriptions\": []}");
    let services = site.services_with(config(), Model::Subscriptions);
    assert_eq!(
        discovered(&services, Some(&certificate), "sensor").await.0,
        200
    );
    assert_eq!(
        discovered(&services, Some(&certificate), "other").await.0,
        403
    );
    assert_eq!(discovered(&services, None, "sensor").await.0, 401);
}

#[tokio::test]
async fn without_addresses_it_is_those_of_the_listener_and_without_any_nothing_is_found() {
    let site = Site::new();
    let certificate = site.thing("sensor", "policies = [\"allowed\"]", "");
    let bare = DiscoveryConfig::default();
    let services = site.services_with(bare, Model::Policies);
    let (status, body) = discovered(&services, Some(&certificate), "sensor").await;
    assert_eq!((status, body), (404, json!({"message": "Not Found"})));
    services.open("192.168.7.7:18883".parse().unwrap());
    let (status, body) = discovered(&services, Some(&certificate), "sensor").await;
    assert_eq!(status, 200);
    let group = &body["GGGroups"][0];
    let wanted = json!([{"Id": "AUTOIP_192.168.7.7_1", "HostAddress": "192.168.7.7",
                         "PortNumber": 18883, "Metadata": ""}]);
    assert_eq!(group["Cores"][0]["Connectivity"], wanted);
    // The name of this machine, and an identifier that stays as long as the authority does.
    let arn = group["Cores"][0]["thingArn"].as_str().unwrap();
    let name = arn
        .strip_prefix("arn:aws:iot:eu-west-1:123456789012:thing/")
        .unwrap();
    assert!(name.parse::<ThingName>().is_ok(), "{name}");
    let id = group["GGGroupId"].as_str().unwrap().to_owned();
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    let again = discovered(&services, Some(&certificate), "sensor").await.1;
    assert_eq!(again["GGGroups"][0]["GGGroupId"], id);
}

#[tokio::test]
async fn several_cores_have_their_own_addresses_and_all_their_authorities() {
    let site = Site::new();
    let certificate = site.thing("sensor", "policies = [\"allowed\"]", "");
    let elsewhere = TempDir::new().unwrap();
    let other = Directory::new(elsewhere.path());
    Authority::create(&other, KeyKind::Ecdsa, "other").unwrap();
    let theirs = fs::read_to_string(other.authority_certificate()).unwrap();
    // Theirs and ours, with lines as Windows ends them and words around them.
    let file = elsewhere.path().join("both.pem");
    let both = format!("the other one\n{theirs}\nand\n{}", site.pem());
    fs::write(&file, both.replace('\n', "\r\n")).unwrap();
    let core = |name: &str, hosts: &[&str], authorities: PathBuf| CoreConfig {
        name: name.to_owned(),
        addresses: hosts.iter().map(|host| ((*host).to_owned(), 443)).collect(),
        authorities,
    };
    let config = DiscoveryConfig {
        cores: vec![
            core("core-2", &["192.168.1.5", "gw.example"], file.clone()),
            core("core-3", &["192.168.1.5"], other.authority_certificate()),
        ],
        ..config()
    };
    let services = site.services_with(config, Model::Policies);
    let (status, body) = discovered(&services, Some(&certificate), "sensor").await;
    assert_eq!(status, 200);
    let group = &body["GGGroups"][0];
    let cores = group["Cores"].as_array().unwrap();
    let names = cores.iter().map(|core| core["thingArn"].as_str().unwrap());
    let names: Vec<_> = names.map(|arn| arn.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["core-1", "core-2", "core-3"]);
    let entries = cores
        .iter()
        .flat_map(|core| core["Connectivity"].as_array().unwrap());
    let entries: Vec<_> = entries
        .map(|entry| {
            (
                entry["Id"].as_str().unwrap(),
                entry["PortNumber"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("192.168.1.5_1", 8883),
        ("192.168.1.5_2", 443),
        ("gw.example_3", 443),
        ("192.168.1.5_4", 443),
    ];
    assert_eq!(entries, wanted);
    assert_eq!(
        group["CAs"],
        json!([site.pem(), theirs.replace("\r\n", "\n")])
    );
}

#[test]
fn the_authorities_of_another_core_must_be_there_and_be_certificates() {
    let site = Site::new();
    let access = site.access(Model::Policies);
    let new = |text: Option<&str>| {
        let file = site.folder.path().join("core-2.pem");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let core = CoreConfig {
            name: "core-2".to_owned(),
            addresses: vec![("192.168.1.6".to_owned(), 8883)],
            authorities: file,
        };
        let config = DiscoveryConfig {
            cores: vec![core],
            ..config()
        };
        Discovery::new(config, &access).map(drop)
    };
    let missing = new(None).unwrap_err();
    assert!(
        matches!(missing, AuthorityError::Unreadable { .. }),
        "{missing}"
    );
    let cut = site.pem();
    let cut = cut.rsplit_once("-----END").unwrap().0;
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "nothing", cut, garbage] {
        let error = new(Some(text)).unwrap_err();
        let is_named = matches!(error, AuthorityError::NoCertificate { .. });
        assert!(
            is_named && error.to_string().contains("core-2.pem"),
            "{error}"
        );
    }
    assert!(new(Some(&site.pem())).is_ok());
}

#[tokio::test]
async fn a_certificate_from_elsewhere_brings_the_authority_at_the_end_of_its_chain() {
    let site = Site::new();
    let certificate = site.thing("sensor", "policies = [\"allowed\"]", "");
    let elsewhere = TempDir::new().unwrap();
    let other = Directory::new(elsewhere.path());
    let other_authority = Authority::create(&other, KeyKind::Ecdsa, "other").unwrap();
    let server = other_authority.issue_device(&"server".parse().unwrap(), KeyKind::Ecdsa);
    let theirs = fs::read_to_string(other.authority_certificate()).unwrap();
    let chain = elsewhere.path().join("chain.pem");
    let text = format!("{}{theirs}", server.unwrap().certificate_pem);
    fs::write(&chain, text).unwrap();
    let access = AccessConfig {
        certificate: Some((chain.clone(), chain)),
        ..site.access(Model::Policies)
    };
    let mut services = site.services();
    services.discovery = Discovery::new(config(), &access).unwrap();
    let body = discovered(&services, Some(&certificate), "sensor").await.1;
    let wanted = json!([site.pem(), theirs.replace("\r\n", "\n")]);
    assert_eq!(body["GGGroups"][0]["CAs"], wanted);
}
