mod logins;
mod table;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    thread,
};

use bytestring::ByteString;
use perennial_broker::Version;
use perennial_certs::{
    AccessKey, AttachedCertificate, Authority, Certificate, CertificateStatus, Directory, KeyKind,
    Thing, User,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{principals::Anonymous, *};
use crate::{
    config::{AuditConfig, Source},
    gateway,
    tls::Shown,
};

/// What devices may do as the tests' policy `own` says: connect as themselves, and send and get
/// what is under their names.
const OWN: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect",
     "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
    {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
     "Resource": "arn:aws:iot:*:*:topic/${iot:Connection.Thing.ThingName}/*"},
    {"Effect": "Allow", "Action": "iot:RetainPublish",
     "Resource": "arn:aws:iot:*:*:topic/${iot:Connection.Thing.ThingName}/kept"},
    {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "*"}
]}"#;

/// Two connectors that take the same topic, by contracts of different kinds.
const CONNECTORS: &str = r#"
    [[connector]]
    name = "firehose"
    contract = "firehose"
    upstream = "file"
    [connector.parameters]
    default_delivery_stream_arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/s"
    [connector.upstream_parameters]
    path = "firehose"
    [[connector]]
    name = "other"
    contract = "plain"
    upstream = "file"
    [connector.parameters]
    destination = "other"
    [connector.upstream_parameters]
    path = "other"
    [[rule]]
    filter = "kinesisfirehose/message"
    connector = "other"
"#;

/// How often a reading takes the place of another while decisions are asked for.
const REPLACED: usize = 20_000;

/// An access directory, and what decides by it.
struct Site {
    folder: TempDir,
    directory: Directory,
    authority: Authority,
    access: Access,
}

impl Site {
    /// A site with the things `lamp` and `meter`, configured by `lines` of `[access]`.
    fn new(lines: &str, files: &[(&str, &str)]) -> Site {
        let folder = TempDir::new().unwrap();
        let directory = Directory::new(folder.path().join("access"));
        fs::create_dir_all(directory.policies()).unwrap();
        fs::write(directory.policies().join("own.json"), OWN).unwrap();
        for (file, text) in files {
            fs::write(directory.path().join(file), text).unwrap();
        }
        let authority = Authority::create(&directory, KeyKind::Ecdsa, "Test CA").unwrap();
        for name in ["lamp", "meter"] {
            let mut thing = Thing::new(name.parse().unwrap());
            thing.policies = vec!["own".to_owned()];
            thing.add(&directory).unwrap();
        }
        let text = format!(
            "data_dir = {:?}\n[access]\ndirectory = {:?}\n{lines}\n{CONNECTORS}",
            folder.path().join("data"),
            directory.path(),
        );
        let config = Source::text("p.toml", text).read().unwrap();
        let registry = Registry::load(&directory).unwrap();
        let audit = Audit::start(AuditConfig {
            path: folder.path().join("audit.jsonl"),
            max_size: 1 << 20,
            files: 1,
        });
        let connectors: Vec<_> = config
            .connectors
            .into_iter()
            .map(gateway::connector)
            .collect();
        let rules = config.rules.into_iter();
        let rules: Vec<_> = rules.map(|rule| (rule.filter, rule.connector)).collect();
        let ingest = Arc::new(Ingest::new(&connectors, &rules));
        let config = config.access.unwrap();
        Site {
            access: Access::new(&config, Arc::new(registry), ingest, audit),
            folder,
            directory,
            authority,
        }
    }

    /// A certificate that is attached to the things of these names.
    fn certificate(&self, things: &[&str]) -> Arc<Certificate> {
        let first = things[0].parse().unwrap();
        let issued = self.authority.issue_device(&first, KeyKind::Ecdsa);
        let certificate = issued.unwrap().certificate;
        for name in things {
            self.change(name, |thing| {
                thing.certificates.push(AttachedCertificate {
                    id: certificate.id(),
                    status: CertificateStatus::Active,
                    policies: Vec::new(),
                });
            });
        }
        Arc::new(certificate)
    }

    /// Changes a thing and reads everything again.
    fn change(&self, thing: &str, change: impl FnOnce(&mut Thing)) {
        Thing::change(&self.directory, &thing.parse().unwrap(), change).unwrap();
        self.reload();
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.directory.path().join(file), text).unwrap();
        self.reload();
    }

    fn reload(&self) {
        let registry = Registry::load(&self.directory).unwrap();
        self.access.replace(Arc::new(registry));
    }

    /// Does `ask` while readings take each other's place, and once when they have stopped to.
    fn while_replaced(&self, readings: [&Arc<Registry>; 2], mut ask: impl FnMut()) {
        thread::scope(|scope| {
            let replacing = scope.spawn(|| {
                for reading in readings.into_iter().cycle().take(REPLACED) {
                    self.access.replace(Arc::clone(reading));
                }
            });
            while !replacing.is_finished() {
                ask();
            }
            ask();
        });
    }

    /// What becomes of a CONNECT.
    async fn connect(&self, client: &Client, password: Option<&str>) -> Result<Client, Reason> {
        let connecting = Connecting {
            client,
            password: password.map(str::as_bytes),
            is_persistent: false,
            has_will: false,
        };
        let principal = self.access.connect(connecting).await?;
        Ok(Client {
            principal,
            ..client.clone()
        })
    }

    /// A client that is admitted by a certificate of its thing.
    async fn device(&self, thing: &str) -> Client {
        let shown = Shown(self.certificate(&[thing]));
        let client = client(thing, Some(Arc::new(shown)));
        self.connect(&client, None).await.unwrap()
    }

    fn intakes(&self, client: &Client, to: &str) -> Result<usize, Reason> {
        let intakes = self.access.publish(client, &topic(to));
        intakes.map(|intakes| intakes.len())
    }

    fn sees(&self, client: &Client, on: &str, publisher: Option<&Client>) -> bool {
        self.access.deliver(client, &topic(on), publisher)
    }

    fn subscribes(&self, client: &Client, filter: &str) -> bool {
        let filter: TopicFilter = filter.parse().unwrap();
        self.access.subscribe(client, &filter).is_ok()
    }

    /// What the audit log says: the action, the client and the reason of each line.
    async fn audited(&self) -> Vec<[String; 3]> {
        self.access.audit.stop().await;
        let path = self.folder.path().join("audit.jsonl");
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            ["action", "client", "reason"].map(|key| line[key].as_str().unwrap().to_owned())
        });
        lines.collect()
    }
}

fn client(id: &str, principal: Option<Arc<dyn Principal>>) -> Client {
    Client {
        id: ByteString::from(id),
        user_name: Some("?SDK=Python&Version=1.5.5".to_owned()),
        peer: Peer::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 1234))),
        version: Version::V311,
        principal,
    }
}

fn anonymous(policies: Option<&[&str]>) -> Option<Arc<dyn Principal>> {
    let policies = policies.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Some(Arc::new(Anonymous { policies }))
}

/// The gateway itself, as it publishes statuses.
fn gateway_itself() -> Client {
    Client {
        peer: Peer::Away,
        ..client("", None)
    }
}

fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

fn lines(lines: &[[&str; 3]]) -> Vec<[String; 3]> {
    let lines = lines.iter();
    lines.map(|line| line.map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_device_is_its_thing_and_may_do_what_the_policies_of_that_thing_say() {
    let site = Site::new("", &[]);
    let lamp = site.device("lamp").await;
    let meter = site.device("meter").await;
    assert!(site.access.stays(&lamp));
    assert_eq!(site.intakes(&lamp, "lamp/on"), Ok(0));
    assert_eq!(site.intakes(&lamp, "meter/on"), Err(Reason::NotAuthorized));
    let retains = |to| site.access.retain(&lamp, &topic(to)).is_ok();
    assert!(retains("lamp/kept") && !retains("lamp/on"));
    assert!(site.subscribes(&lamp, "#"));
    for publisher in [Some(&lamp), Some(&meter), Some(&gateway_itself()), None] {
        assert!(site.sees(&lamp, "lamp/x", publisher));
        assert!(!site.sees(&lamp, "meter/x", publisher));
    }
    let refused = site.access.audit.counts();
    let refused: Vec<_> = refused.filter(|(.., count)| *count > 0).collect();
    assert_eq!(
        refused,
        [
            ("Publish", "policy", 1),
            ("RetainPublish", "policy", 1),
            ("Receive", "policy", 4)
        ]
    );
    assert_eq!(
        site.audited().await,
        lines(&[
            ["Publish", "lamp", "policy"],
            ["RetainPublish", "lamp", "policy"]
        ])
    );
}

#[tokio::test]
async fn a_change_holds_for_clients_that_are_connected() {
    let site = Site::new("", &[]);
    let lamp = site.device("lamp").await;
    assert_eq!(site.intakes(&lamp, "lamp/on"), Ok(0));
    site.write("policies/own.json", &OWN.replace("topic/", "topic/new/"));
    assert_eq!(site.intakes(&lamp, "lamp/on"), Err(Reason::NotAuthorized));
    assert_eq!(site.intakes(&lamp, "new/lamp/on"), Ok(0));
    assert!(site.access.stays(&lamp), "it may still be connected");

    site.write("policies/own.json", &OWN.replace("client/", "client/new-"));
    assert!(!site.access.stays(&lamp), "it may not connect any more");
    site.write("policies/own.json", OWN);
    assert!(site.access.stays(&lamp));
    site.change("lamp", |thing| thing.is_disabled = true);
    assert!(!site.access.stays(&lamp) && !site.sees(&lamp, "lamp/x", None));
    site.change("lamp", |thing| thing.is_disabled = false);
    assert!(site.access.stays(&lamp));
    site.change("lamp", |thing| thing.certificates.clear());
    assert!(!site.access.stays(&lamp));
}

/// By the first reading it is `one/two`, by the second `two/one`, and nothing else by both.
#[tokio::test]
async fn a_decision_by_policies_is_that_of_one_reading() {
    let site = Site::new("", &[]);
    let lamp = site.device("lamp").await;
    let reading = |begin: &str, end: &str| {
        let own = OWN.replace(
            "topic/${iot:Connection.Thing.ThingName}/*",
            &format!("topic/{begin}/${{iot:Connection.Thing.Attributes[end]}}"),
        );
        site.write("policies/own.json", &own);
        site.change("lamp", |thing| {
            thing.attributes.insert("end".to_owned(), end.to_owned());
        });
        Arc::new(Registry::load(&site.directory).unwrap())
    };
    let readings = [reading("one", "two"), reading("two", "one")];
    let publishes = |to| site.intakes(&lamp, to).is_ok();
    let mut found = 0;
    site.while_replaced(readings.each_ref(), || {
        found += usize::from(publishes("one/two")) + usize::from(publishes("two/one"));
        assert!(!publishes("one/one") && !publishes("two/two"));
    });
    assert!(found > 0);
    for (reading, to) in readings.into_iter().zip(["one/two", "two/one"]) {
        site.access.replace(reading);
        assert!(
            publishes(to),
            "what is replaced decides nothing from there on"
        );
    }
}

#[tokio::test]
async fn what_is_kept_for_a_client_that_is_away_is_decided_when_it_is_back() {
    let site = Site::new("", &[]);
    let away = |id| Client {
        peer: Peer::Away,
        ..client(id, None)
    };
    assert!(site.sees(&away("lamp"), "meter/x", None));
    assert!(!site.sees(&client("lamp", None), "lamp/x", None));
    // Its will is what the thing of its name may publish.
    assert_eq!(site.intakes(&away("lamp"), "lamp/gone"), Ok(0));
    for (id, to) in [("lamp", "meter/gone"), ("stranger", "stranger/gone")] {
        assert_eq!(site.intakes(&away(id), to), Err(Reason::NotAuthorized));
    }
    site.change("lamp", |thing| thing.is_disabled = true);
    let gone = site.intakes(&away("lamp"), "lamp/gone");
    assert_eq!(gone, Err(Reason::NotAuthorized));
}

#[test]
fn a_reading_is_refused_that_lacks_what_the_configuration_names() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("access");
    fs::create_dir(&directory).unwrap();
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\npolicies = [\"watch\"]\n[access]\n\
         directory = {directory:?}\nmodel = \"subscriptions\"\n"
    );
    let config = Source::text("p.toml", text).read().unwrap();
    let reader = Reader::new(&config.access.unwrap(), &config.listeners);
    let AccessError(problems) = reader.read().whole().err().unwrap();
    let files: Vec<&Path> = problems
        .iter()
        .map(|problem| problem.path.strip_prefix(&directory).unwrap())
        .collect();
    let expected = ["policies/watch.json", "subscriptions.json"].map(Path::new);
    assert_eq!(files, expected);
}
