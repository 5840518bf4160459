//! What a subscription table lets through, and what of it is refused.

use super::*;

const LAMP: &str = "arn:aws:iot:us-west-2:123456789012:thing/lamp";
const SWITCH: &str = "arn:aws:iot:us-west-2:123456789012:thing/switch";
const FIREHOSE: &str = "arn:aws:greengrass:us-west-2::/connectors/KinesisFirehose/versions/5";

fn entry(id: &str, source: &str, subject: &str, target: &str) -> String {
    format!(
        r#"{{"Id": "{id}", "Source": "{source}", "Subject": "{subject}", "Target": "{target}"}}"#
    )
}

fn document(entries: &[String]) -> String {
    format!(r#"{{"Subscriptions": [{}]}}"#, entries.join(",\n"))
}

fn table(entries: &[String]) -> SubscriptionTable {
    SubscriptionTable::parse(&document(entries)).unwrap()
}

#[test]
fn messages_flow_from_source_to_target_and_not_back() {
    let table = table(&[entry("1", LAMP, "lamp/state", SWITCH)]);
    let (lamp, switch) = (Party::Thing("lamp"), Party::Thing("switch"));
    assert!(table.permits(lamp, "lamp/state", switch));
    assert!(!table.permits(switch, "lamp/state", lamp));
    assert!(!table.permits(lamp, "lamp/state", lamp));
    assert!(!table.permits(lamp, "lamp/other", switch));
    assert!(!table.permits(lamp, "lamp/state", Party::Gateway));
    assert!(!table.permits(Party::Thing("stranger"), "lamp/state", switch));
    assert!(table.may_publish(lamp, "lamp/state"));
    assert!(!table.may_publish(lamp, "lamp/other"));
    assert!(!table.may_publish(switch, "lamp/state"));
    assert!(table.may_receive("lamp/state", switch));
    assert!(!table.may_receive("lamp/other", switch));
    assert!(!table.may_receive("lamp/state", lamp));
}

#[test]
fn nothing_flows_by_an_empty_table() {
    let table = table(&[]);
    let lamp = Party::Thing("lamp");
    assert!(!table.permits(lamp, "a", lamp));
    assert!(!table.may_publish(lamp, "a"));
}

#[test]
fn every_kind_of_party_is_told_apart() {
    let parties = [
        (LAMP, Party::Thing("lamp")),
        (SWITCH, Party::Thing("switch")),
        (FIREHOSE, Party::Connector("firehose")),
        (
            "arn:aws:greengrass:eu-west-1::/connectors/IoTAnalytics/versions/1",
            Party::Connector("iot-analytics"),
        ),
        (
            "arn:aws:greengrass:eu-west-1::/connectors/ModbusRTU/versions/2",
            Party::Connector("modbusrtu"),
        ),
        (
            "arn:aws:lambda:us-west-2:123456789012:function:lamp:3",
            Party::Lambda("lamp"),
        ),
        (
            "arn:aws:lambda:us-west-2:123456789012:function:switch",
            Party::Lambda("switch"),
        ),
        ("cloud", Party::Gateway),
    ];
    for (text, source) in parties {
        let table = table(&[entry("1", text, "a", "GGShadowService")]);
        for (_, other) in parties {
            let found = table.permits(other, "a", Party::Gateway);
            assert_eq!(found, other == source, "{text} {other}");
        }
    }
}

#[test]
fn subjects_match_as_topic_filters_do() {
    for (subject, topic, expected) in [
        ("a/b", "a/b", true),
        ("a/b", "a", false),
        ("a/b", "a/b/c", false),
        ("a/b", "a/b/", false),
        ("a/+", "a/b", true),
        ("a/+", "a/", true),
        ("a/+", "a", false),
        ("a/+", "a/b/c", false),
        ("+/+", "a/b", true),
        ("+/b/+", "a/b/c", true),
        ("a/#", "a/b/c", true),
        ("a/#", "a", true),
        ("a/#", "ab", false),
        ("#", "a/b", true),
        ("#", "$aws/things", false),
        ("+/things", "$aws/things", false),
        ("$aws/#", "$aws/things", true),
        (
            "$aws/things/+/shadow/update",
            "$aws/things/lamp/shadow/update",
            true,
        ),
        ("/a", "/a", true),
        ("/a", "a", false),
    ] {
        let table = table(&[entry("1", LAMP, subject, "cloud")]);
        let lamp = Party::Thing("lamp");
        assert_eq!(
            table.may_publish(lamp, topic),
            expected,
            "{subject} {topic}"
        );
        let found = table.permits(lamp, topic, Party::Gateway);
        assert_eq!(found, expected, "{subject} {topic}");
    }
}

#[test]
fn the_answer_of_aws_is_read_as_it_is() {
    let definition = document(&[entry("1", LAMP, "a", FIREHOSE)]);
    let answer = format!(
        r#"{{"Arn": "arn:aws:greengrass:x", "CreationTimestamp": "2020-01-01T00:00:00.000Z",
            "Definition": {definition}, "Id": "b-c", "NextToken": null, "Version": "d-e"}}"#
    );
    let table = SubscriptionTable::parse(&answer).unwrap();
    assert!(table.permits(Party::Thing("lamp"), "a", Party::Connector("firehose")));
}

#[test]
fn entries_that_mean_the_same_here_are_entries_of_their_own() {
    let shadow = "$aws/things/lamp/shadow/update";
    let version =
        |number: u32| format!("arn:aws:lambda:us-west-2:123456789012:function:f:{number}");
    let table = table(&[
        entry("1", LAMP, shadow, "GGShadowService"),
        entry("2", LAMP, shadow, "cloud"),
        entry("3", &version(1), "a", LAMP),
        entry("4", &version(2), "a", LAMP),
    ]);
    assert!(table.permits(Party::Thing("lamp"), shadow, Party::Gateway));
    assert!(table.permits(Party::Lambda("f"), "a", Party::Thing("lamp")));
}

#[test]
fn who_does_not_exist_here_is_listed_once_with_an_entry() {
    let table = table(&[
        entry("1", LAMP, "a", FIREHOSE),
        entry("2", SWITCH, "a", FIREHOSE),
        entry("3", SWITCH, "b", "cloud"),
    ]);
    let known = |party: Party<'_>| matches!(party, Party::Thing("lamp") | Party::Gateway);
    let strangers: Vec<_> = table.strangers(known).collect();
    assert_eq!(
        strangers,
        [
            (Party::Connector("firehose"), "1"),
            (Party::Thing("switch"), "2"),
        ]
    );
}

#[test]
fn wrong_tables_are_refused_with_their_place_and_the_reason() {
    let long = "x".repeat(257);
    for (entry, expected) in [
        (entry("", LAMP, "a", "cloud"), "`` is no identifier"),
        (entry("a b", LAMP, "a", "cloud"), "`a b` is no identifier"),
        (
            entry("ok", LAMP, "a", "cloud"),
            "another entry has the identifier `ok`",
        ),
        (
            entry("1", LAMP, "ok", "cloud"),
            "same source, subject and target",
        ),
        (entry("1", LAMP, "", "cloud"), "`` is no topic filter"),
        (entry("1", LAMP, &long, "cloud"), "from 1 to 256 bytes"),
        (
            entry("1", LAMP, "#/a", "cloud"),
            "`#` is not the last level",
        ),
        (
            entry("1", LAMP, "a+/b", "cloud"),
            "`a+` in `a+/b` is not whole",
        ),
        (entry("1", LAMP, "a#", "cloud"), "is not whole"),
        (
            entry("1", "lamp", "a", "cloud"),
            "`lamp` is nobody; it would be the ARN",
        ),
        (entry("1", "Cloud", "a", "cloud"), "did you mean `cloud`?"),
        (
            entry("1", LAMP, "a", "GGShadowservice"),
            "did you mean `GGShadowService`?",
        ),
        (
            entry("1", "arn:aws:iot:a:1:thing/a b", "a", "cloud"),
            "is nobody",
        ),
        (
            entry("1", "arn:aws:iot:a:1:thinggroup/a", "a", "cloud"),
            "is nobody",
        ),
        (
            entry("1", "arn:aws:lambda:a:1:function:", "a", "cloud"),
            "is nobody",
        ),
        (
            entry(
                "1",
                "arn:aws:greengrass:a::/connectors/X/versions/",
                "a",
                "cloud",
            ),
            "is nobody",
        ),
        (
            r#"{"Id": "1", "Source": "cloud", "Subject": "a"}"#.to_owned(),
            "`Target` is missing",
        ),
        (
            r#"{"Id": "1", "Sorce": "cloud"}"#.to_owned(),
            "did you mean `Source`?",
        ),
        (
            r#"{"Id": "1", "Id": "2"}"#.to_owned(),
            "`Id` stands here twice",
        ),
    ] {
        let document = document(&[self::entry("ok", LAMP, "ok", "cloud"), entry]);
        let error = SubscriptionTable::parse(&document).expect_err(&document);
        assert_eq!(error.line, 2, "{document}: {error}");
        assert!(error.message.contains(expected), "{document}: {error}");
    }
    for (document, expected) in [
        ("{}", "`Subscriptions` is missing"),
        (r#"{"Definition": {}}"#, "`Subscriptions` is missing"),
        (r#"{"Subscription": []}"#, "did you mean `Subscriptions`?"),
        (
            r#"{"Subscriptions": [], "NextToken": "x"}"#,
            "the table goes on",
        ),
    ] {
        let error = SubscriptionTable::parse(document).expect_err(document);
        assert!(error.message.contains(expected), "{document}: {error}");
    }
}

#[test]
fn a_table_has_at_most_ten_thousand_entries() {
    let topic = |number: usize| format!("a/{number}");
    let mut entries: Vec<_> = (0..10_000)
        .map(|number| entry(&number.to_string(), LAMP, &topic(number), FIREHOSE))
        .collect();
    let table = table(&entries);
    assert!(table.permits(Party::Thing("lamp"), "a/9999", Party::Connector("firehose")));
    entries.push(entry("10000", LAMP, "a/10000", FIREHOSE));
    let error = SubscriptionTable::parse(&document(&entries)).unwrap_err();
    assert_eq!(error.line, 10_001);
    assert!(error.message.contains("more than 10000 entries"));
}
