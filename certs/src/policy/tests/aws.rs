//! Cases from the developer guide of AWS IoT: policy actions, publish/subscribe policy
//! examples, connect policy examples.

use super::*;

const NOBODY: Connection<'static> = Connection {
    client_id: None,
    source_ip: None,
    thing: None,
    certificate: None,
    is_persistent: false,
    has_will: false,
};

#[test]
fn an_action_is_allowed_on_its_own_kind_of_resource_alone() {
    let kinds = ["client", "topic", "topicfilter", "thing"];
    for action in Action::ALL {
        for kind in kinds {
            let expected = match action {
                Action::Connect => kind == "client",
                Action::Publish | Action::RetainPublish | Action::Receive => kind == "topic",
                Action::Subscribe => kind == "topicfilter",
                Action::Discover => kind == "thing",
            };
            let statement = allow(action.name(), &format!("{kind}/*"));
            let found = allows(&statement, &NOBODY, action, "x");
            assert_eq!(found, expected, "{action:?} on {kind}");
        }
    }
}

#[test]
fn one_action_does_not_allow_another() {
    for granted in Action::ALL {
        let statement = format!(
            r#"{{"Effect": "Allow", "Action": "{}", "Resource": "*"}}"#,
            granted.name()
        );
        for asked in Action::ALL {
            let found = allows(&statement, &NOBODY, asked, "x");
            assert_eq!(found, asked == granted, "{granted:?}, {asked:?}");
        }
    }
}

#[test]
fn wildcards_in_actions_mean_the_actions_that_they_match() {
    let meant = |action: &str| -> Vec<_> {
        let statement = format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"*"}}"#);
        let permissions = permissions(&statement, &NOBODY);
        let all = Action::ALL.into_iter();
        all.filter(|action| permissions.allows(*action, "x"))
            .collect()
    };
    assert_eq!(meant("*"), Action::ALL);
    assert_eq!(meant("iot:*"), Action::ALL[..5]);
    assert_eq!(meant("greengrass:*"), [Action::Discover]);
    assert_eq!(meant("iot:Re*"), [Action::RetainPublish, Action::Receive]);
    assert_eq!(
        meant("iot:*Publish"),
        [Action::Publish, Action::RetainPublish]
    );
    assert_eq!(meant("IOT:publish"), [Action::Publish]);
    assert_eq!(meant("iot:?ublish"), [Action::Publish]);
    assert_eq!(meant("iot:GetThingShadow"), []);
    assert_eq!(meant("iot:*Shadow"), []);
    assert_eq!(meant("iotjobsdata:*"), []);
}

/// Policy resource, then what is asked for: the table of wildcards and what stands around it.
#[test]
fn wildcards_in_resources_are_those_of_policies_and_not_those_of_mqtt() {
    let cases = [
        (
            Action::Subscribe,
            "topicfilter/some/*/topic",
            "some/a/topic",
            true,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/*/topic",
            "some/a/b/topic",
            true,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/*/topic",
            "some/+/topic",
            true,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/*/topic",
            "some/topic",
            false,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/?????/topic",
            "some/topic/topic",
            true,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/?????/topic",
            "some/top/topic",
            false,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/+/topic",
            "some/+/topic",
            true,
        ),
        (
            Action::Subscribe,
            "topicfilter/some/+/topic",
            "some/a/topic",
            false,
        ),
        (Action::Subscribe, "topicfilter/some/#", "some/#", true),
        (Action::Subscribe, "topicfilter/some/#", "some/a", false),
        (Action::Subscribe, "topicfilter/some/*", "some/#", true),
        (Action::Subscribe, "topicfilter/some/*", "#", false),
        (
            Action::Subscribe,
            "topicfilter/some/*",
            "$share/g/some/a",
            false,
        ),
        (
            Action::Subscribe,
            "topicfilter/$share/g/some/*",
            "$share/g/some/a",
            true,
        ),
        (Action::Publish, "topic/some/#", "some/a", false),
        (Action::Publish, "topic/some/*", "some/a/b", true),
        (Action::Publish, "topic/some/*", "some", false),
        (Action::Publish, "topic/some*", "something/else", true),
        (Action::Publish, "topic*", "anything", true),
        (Action::Subscribe, "topic*", "anything", true),
        (Action::Connect, "topic*", "anything", false),
        (Action::Connect, "client/client?", "client1", true),
        (Action::Connect, "client/client?", "client12", false),
        (Action::Connect, "*", "anything", true),
        (Action::Connect, "*/client1", "client1", true),
        (Action::Publish, "topic/Some", "some", false),
        (Action::Publish, "topic/a:b", "a:b", true),
    ];
    for (action, resource, asked, expected) in cases {
        let found = allows(&allow("*", resource), &NOBODY, action, asked);
        assert_eq!(found, expected, "{action:?} {resource} {asked}");
    }
}

#[test]
fn a_deny_on_a_topic_filter_does_not_stop_a_wider_filter_but_receive_does() {
    let statements = [
        allow("*", "*"),
        statement("Deny", "iot:Subscribe", "topicfilter/a/restricted/*", ""),
        statement("Deny", "iot:Receive", "topic/a/restricted/*", ""),
    ];
    let permissions = permissions(&statements.join(","), &NOBODY);
    assert!(!permissions.allows(Action::Subscribe, "a/restricted/#"));
    assert!(permissions.allows(Action::Subscribe, "a/#"));
    assert!(permissions.allows(Action::Receive, "a/open"));
    assert!(!permissions.allows(Action::Receive, "a/restricted/secret"));
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let allow = allow("iot:Publish", "topic/*");
    let deny = statement("Deny", "iot:Publish", "topic/client1/bar", "");
    for statements in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        let permissions = permissions(&statements, &NOBODY);
        assert!(permissions.allows(Action::Publish, "client1/foo"));
        assert!(!permissions.allows(Action::Publish, "client1/bar"));
    }
    let policies = [allow, deny].map(|statement| policy(&document(&statement)));
    let permissions = Permissions::new(&policies, &NOBODY, &Scope::default());
    assert!(!permissions.allows(Action::Publish, "client1/bar"));
}

#[test]
fn nothing_is_allowed_without_a_statement() {
    let permissions = Permissions::new(&[], &NOBODY, &Scope::default());
    for action in Action::ALL {
        assert!(!permissions.allows(action, "x"));
        assert!(!permissions.allows(action, "*"));
    }
}

#[test]
fn region_and_account_count_only_where_they_are_given() {
    let here = |region: Option<&str>, account: Option<&str>| Scope {
        region: region.map(str::to_owned),
        account: account.map(str::to_owned),
    };
    let cases = [
        (
            "arn:aws:iot:us-east-1:123456789012:topic/a",
            None,
            None,
            true,
        ),
        (
            "arn:aws:iot:us-east-1:123456789012:topic/a",
            Some("us-east-1"),
            None,
            true,
        ),
        (
            "arn:aws:iot:us-east-1:123456789012:topic/a",
            Some("eu-west-1"),
            None,
            false,
        ),
        (
            "arn:aws:iot:us-east-1:123456789012:topic/a",
            None,
            Some("123456789012"),
            true,
        ),
        (
            "arn:aws:iot:us-east-1:123456789012:topic/a",
            None,
            Some("210987654321"),
            false,
        ),
        (
            "arn:aws:iot:us-*:*:topic/a",
            Some("us-west-2"),
            Some("210987654321"),
            true,
        ),
        ("arn:aws:iot:us-*:*:topic/a", Some("eu-west-1"), None, false),
        (
            "arn:aws-cn:iot:cn-north-1:123456789012:topic/a",
            None,
            None,
            true,
        ),
        (
            "arn:aws:iot:*",
            Some("eu-west-1"),
            Some("210987654321"),
            true,
        ),
        ("arn:aws:iot:us-east-1:*", Some("eu-west-1"), None, false),
        ("*", Some("eu-west-1"), Some("210987654321"), true),
        (
            "arn:aws:greengrass:us-east-1:123456789012:*",
            None,
            None,
            false,
        ),
    ];
    for (resource, region, account, expected) in cases {
        for resource in [
            resource.to_owned(),
            resource.replace("topic/a", "topic/${iot:ClientId}"),
        ] {
            let statement =
                format!(r#"{{"Effect":"Allow","Action":"iot:Publish","Resource":"{resource}"}}"#);
            let permissions = Permissions::new(
                &[policy(&document(&statement))],
                &client("a"),
                &here(region, account),
            );
            let found = permissions.allows(Action::Publish, "a");
            assert_eq!(found, expected, "{resource} {region:?} {account:?}");
        }
    }
}

/// The connect policy examples, each with what it lets connect: nothing asked for, a persistent
/// session, a will, both.
#[test]
fn connect_attributes_are_as_in_the_connect_policy_examples() {
    let condition = |operator: &str, values: &str| {
        format!(r#", "Condition": {{"{operator}": {{"iot:ConnectAttributes": [{values}]}}}}"#)
    };
    let one = |effect: &str, operator: &str, values: &str| {
        statement(
            effect,
            "iot:Connect",
            "client/*",
            &condition(operator, values),
        )
    };
    let both = r#""PersistentConnect", "LastWill""#;
    let (persistent, will) = (r#""PersistentConnect""#, r#""LastWill""#);
    let all = allow("iot:Connect", "client/*");
    let (every, any) = ("ForAllValues:StringEquals", "ForAnyValue:StringEquals");
    let cases = [
        (vec![all.clone()], [true, true, true, true]),
        (
            vec![one("Allow", every, persistent)],
            [true, true, false, false],
        ),
        (
            vec![one("Allow", "ForAllValues:StringNotEquals", persistent)],
            [true, false, true, false],
        ),
        (
            vec![all, one("Deny", any, persistent)],
            [true, false, true, false],
        ),
        (vec![one("Allow", every, both)], [true, true, true, true]),
        (vec![one("Allow", every, will)], [true, false, true, false]),
        (vec![one("Allow", every, "")], [true, false, false, false]),
        (
            vec![one("Allow", any, persistent)],
            [false, true, false, true],
        ),
        (
            vec![
                one("Allow", every, both),
                one("Deny", every, persistent),
                one("Deny", every, will),
                one("Deny", every, ""),
            ],
            [false, false, false, true],
        ),
        (
            vec![one("Deny", any, persistent), one("Allow", every, will)],
            [true, false, true, false],
        ),
    ];
    for (statements, expected) in cases {
        let asked = [(false, false), (true, false), (false, true), (true, true)];
        for ((is_persistent, has_will), expected) in asked.into_iter().zip(expected) {
            let connection = Connection {
                is_persistent,
                has_will,
                ..client("client1")
            };
            let found = allows(
                &statements.join(","),
                &connection,
                Action::Connect,
                "client1",
            );
            let asked = (is_persistent, has_will);
            assert_eq!(found, expected, "{statements:?} {asked:?}");
        }
    }
}

#[test]
fn a_device_that_discovers_itself_discovers_no_other() {
    let own = thing("lamp", None, &[]);
    let connection = Connection {
        thing: Some(&own),
        ..NOBODY
    };
    let statement = allow(
        "greengrass:Discover",
        "thing/${iot:Connection.Thing.ThingName}",
    );
    assert!(allows(&statement, &connection, Action::Discover, "lamp"));
    assert!(!allows(&statement, &connection, Action::Discover, "lamp2"));
}
