//! The subscription table.

use super::*;

/// A subscription table: `lamp` speaks to `meter`, to the Firehose connector and to the cloud.
const TABLE: &str = include_str!("../../../tests/whole/subscriptions.json");

#[tokio::test]
async fn by_the_subscription_table_nothing_flows_without_an_entry() {
    let files = [("subscriptions.json", TABLE)];
    let site = Site::new("model = \"subscriptions\"", &files);
    let lamp = site.device("lamp").await;
    let meter = site.device("meter").await;
    // Of two connectors that have a rule for the topic one has an entry.
    assert_eq!(site.intakes(&lamp, "kinesisfirehose/message"), Ok(1));
    assert_eq!(site.intakes(&meter, "kinesisfirehose/message"), Ok(0));
    let retains = |client, to| site.access.retain(client, &topic(to)).is_ok();
    assert!(retains(&lamp, "light/1") && !retains(&meter, "light/1"));
    let told = Client {
        version: Version::V5,
        ..meter.clone()
    };
    assert_eq!(site.intakes(&told, "light/1"), Err(Reason::NotAuthorized));

    assert!(
        site.subscribes(&meter, "#"),
        "it does not widen what it gets"
    );
    let (status, itself) = ("kinesisfirehose/message/status", gateway_itself());
    let free = site.connect(&client("local", anonymous(None)), None).await;
    let free = free.unwrap();
    for (target, on, publisher, expected) in [
        (&meter, "light/1", Some(&lamp), true),
        (&meter, "light/1", None, true),
        (&meter, "light/1", Some(&meter), false),
        (&meter, "light/1", Some(&itself), false),
        (&meter, "light/1/2", Some(&lamp), false),
        (&lamp, "light/1", Some(&lamp), false),
        (&lamp, status, Some(&itself), true),
        (&meter, status, Some(&itself), false),
        (&meter, "dark", None, false),
        (&meter, "dark", Some(&free), true),
        (&free, "dark", Some(&lamp), true),
    ] {
        let sees = site.sees(target, on, publisher);
        assert_eq!(sees, expected, "{} {on} {publisher:?}", target.id);
    }
    // Nobody but things comes in, as on a V1 core.
    User::add(
        &site.directory,
        "ann",
        b"secret",
        vec!["own".to_owned()],
        None,
    )
    .unwrap();
    site.reload();
    let ann = Client {
        user_name: Some("ann".to_owned()),
        ..client("ann", None)
    };
    let connected = site.connect(&ann, Some("secret")).await;
    assert_eq!(connected.err(), Some(Reason::NotAuthorized));
}

/// Two readings that refuse the same, each for a reason of its own: what one of them knows of
/// the things and the other of the table would let it pass.
#[tokio::test]
async fn a_decision_by_the_table_is_that_of_one_reading() {
    let files = [("subscriptions.json", TABLE)];
    let site = Site::new("model = \"subscriptions\"", &files);
    let [lamp, meter] = [site.device("lamp").await, site.device("meter").await];
    let told = |client: &Client| Client {
        version: Version::V5,
        ..client.clone()
    };
    for disabled in ["lamp", "meter"] {
        let without = Arc::new(Registry::load(&site.directory).unwrap());
        site.write("subscriptions.json", &TABLE.replace("light/+", "dark"));
        site.change(disabled, |thing| thing.is_disabled = true);
        let with = Arc::new(Registry::load(&site.directory).unwrap());
        let sender = told(&lamp);
        site.while_replaced([&without, &with], || {
            assert!(!site.sees(&meter, "dark", Some(&lamp)));
            assert!(disabled != "lamp" || site.intakes(&sender, "dark").is_err());
        });
        site.write("subscriptions.json", TABLE);
        site.change(disabled, |thing| thing.is_disabled = false);
    }
}

#[tokio::test]
async fn by_the_table_a_thing_that_is_away_since_a_restart_gets_what_it_would_get_here() {
    let to_meter = |source: &str| {
        format!(
            r#"{{"Id": "{source}", "Source": "arn:aws:iot:us-east-1:123456789012:thing/{source}",
                 "Subject": "light/+", "Target": "arn:aws:iot:us-east-1:123456789012:thing/meter"}}"#
        )
    };
    let table = format!(r#"{{"Subscriptions": [{}]}}"#, to_meter("lamp"));
    let files = [("subscriptions.json", &*table)];
    let site = Site::new("model = \"subscriptions\"", &files);
    let lamp = site.device("lamp").await;
    let mut other = Thing::new("other".parse().unwrap());
    other.policies = Vec::new();
    other.add(&site.directory).unwrap();
    let other = site.device("other").await;
    let away = |id| Client {
        peer: Peer::Away,
        ..client(id, None)
    };
    for (target, publisher, expected) in [
        ("meter", &lamp, true),
        ("meter", &other, false),
        ("other", &lamp, false),
        // It may be a client of this machine, which sees everything.
        ("stranger", &lamp, true),
    ] {
        let keeps = site.sees(&away(target), "light/1", Some(publisher));
        assert_eq!(keeps, expected, "{target} of {}", publisher.id);
    }
}
