//! Whole policies as AWS's guides print them, each with what it is said to do there.

use super::*;

/// Whether each question is answered as expected, on `connection`.
#[track_caller]
fn check(document: &str, connection: &Connection<'_>, answers: &[(Action, &str, bool)]) {
    let permissions = Permissions::new(&[policy(document)], connection, &Scope::default());
    for (action, resource, expected) in answers {
        let found = permissions.decide(*action, resource);
        let is_allowed = matches!(found, crate::policy::Decision::Allowed { .. });
        assert_eq!(is_allowed, *expected, "{action:?} {resource}: {found:?}");
    }
}

/// "Basic job policy example": the actions of jobs are those of HTTP, over MQTT topics count.
#[test]
fn a_device_gets_its_jobs() {
    let document = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iot:Connect"
            ],
            "Resource": [
                "arn:aws:iot:us-west-2:123456789012:client/uniqueThingName"
            ]
        },
        {
            "Effect": "Allow",
            "Action": [
                "iot:Publish"
            ],
            "Resource": [
                "arn:aws:iot:us-west-2:123456789012:topic/test/dc/pubtopic",
                "arn:aws:iot:us-west-2:123456789012:topic/$aws/events/job/*",
                "arn:aws:iot:us-west-2:123456789012:topic/$aws/things/uniqueThingName/jobs/*"
            ]
        },
        {
            "Effect": "Allow",
            "Action": [
                "iot:Subscribe"
            ],
            "Resource": [
                "arn:aws:iot:us-west-2:123456789012:topicfilter/test/dc/subtopic",
                "arn:aws:iot:us-west-2:123456789012:topicfilter/$aws/things/uniqueThingName/jobs/*"
            ]
        },
        {
            "Effect": "Allow",
            "Action": [
                "iot:Receive"
            ],
            "Resource": [
                "arn:aws:iot:us-west-2:123456789012:topic/test/dc/subtopic",
                "arn:aws:iot:us-west-2:123456789012:topic/$aws/things/uniqueThingName/jobs/*"
            ]
        },
        {
            "Effect": "Allow",
            "Action": [
                "iotjobsdata:DescribeJobExecution",
                "iotjobsdata:GetPendingJobExecutions",
                "iotjobsdata:StartNextPendingJobExecution",
                "iotjobsdata:UpdateJobExecution"
            ],
            "Resource": [
                "arn:aws:iot:us-west-2:123456789012:thing/uniqueThingName"
            ]
        }
    ]
}"#;
    let jobs = "$aws/things/uniqueThingName/jobs/notify-next";
    check(
        document,
        &client("uniqueThingName"),
        &[
            (Action::Connect, "uniqueThingName", true),
            (
                Action::Publish,
                "$aws/things/uniqueThingName/jobs/1/update",
                true,
            ),
            (Action::Publish, "$aws/things/uniqueThingName/jobs", false),
            (Action::Publish, "$aws/things/another/jobs/1/update", false),
            (Action::RetainPublish, "test/dc/pubtopic", false),
            (Action::Subscribe, jobs, true),
            (
                Action::Subscribe,
                "$aws/things/uniqueThingName/jobs/#",
                true,
            ),
            (Action::Subscribe, "$aws/things/+/jobs/#", false),
            (Action::Receive, jobs, true),
            (Action::Receive, "test/dc/pubtopic", false),
            (Action::Discover, "uniqueThingName", false),
        ],
    );
}

/// "Minimal AWS IoT policy for the AWS IoT Greengrass Core Device" of version 1.
#[test]
fn a_core_of_greengrass_has_the_topics_of_its_shadow() {
    let document = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["iot:Connect"],
            "Resource": ["*"]
        },
        {
            "Effect": "Allow",
            "Action": ["iot:Publish", "iot:Receive"],
            "Resource": ["arn:aws:iot:us-west-2:123456789012:topic/$aws/things/core-name-*"]
        },
        {
            "Effect": "Allow",
            "Action": ["iot:Subscribe"],
            "Resource": ["arn:aws:iot:us-west-2:123456789012:topicfilter/$aws/things/core-name-*"]
        },
        {
            "Effect": "Allow",
            "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"],
            "Resource": ["arn:aws:iot:us-west-2:123456789012:thing/core-name-*"]
        },
        {
            "Effect": "Allow",
            "Action": ["greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"],
            "Resource": ["*"]
        },
        {
            "Effect": "Allow",
            "Action": ["greengrass:UpdateCoreDeploymentStatus"],
            "Resource": [
                "arn:aws:greengrass:us-west-2:123456789012:/greengrass/groups/group-id/deployments/*/cores/arn%3Aaws%3Aiot%3Aus-west-2%3A123456789012%3Athing%2Fcore-name"
            ]
        },
        {
            "Effect": "Allow",
            "Action": ["greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"],
            "Resource": ["arn:aws:iot:us-west-2:123456789012:thing/core-name"]
        }
    ]
}"#;
    let shadow = "$aws/things/core-name-gda/shadow/get";
    check(
        document,
        &client("core-name"),
        &[
            (Action::Connect, "core-name", true),
            (Action::Publish, shadow, true),
            (Action::Receive, shadow, true),
            (Action::Subscribe, shadow, true),
            (Action::Subscribe, "$aws/things/core-name/shadow/get", false),
            (Action::Discover, "core-name", false),
        ],
    );
}

/// "Policies to publish, subscribe and receive messages": the examples with a thing's name, and
/// the one that denies a topic of them.
#[test]
fn a_thing_has_the_topics_of_its_name_but_one() {
    let statements = [
        allow("iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
        allow("iot:Publish", "topic/${iot:Connection.Thing.ThingName}/*"),
        statement(
            "Deny",
            "iot:Publish",
            "topic/${iot:Connection.Thing.ThingName}/bar",
            "",
        ),
        allow(
            "iot:Subscribe",
            "topicfilter/${iot:Connection.Thing.ThingName}/room*",
        ),
        allow(
            "iot:Receive",
            "topic/${iot:Connection.Thing.ThingName}/room*",
        ),
    ];
    let own = thing("thing1", None, &[]);
    let connection = Connection {
        thing: Some(&own),
        ..client("thing1")
    };
    let document = document(&statements.join(","));
    check(
        &document,
        &connection,
        &[
            (Action::Connect, "thing1", true),
            (Action::Connect, "thing2", false),
            (Action::Publish, "thing1/foo", true),
            (Action::Publish, "thing1/bar", false),
            (Action::Publish, "thing1/bar/baz", true),
            (Action::Publish, "thing2/foo", false),
            (Action::Subscribe, "thing1/room1", true),
            (Action::Subscribe, "thing1/room/+", true),
            (Action::Subscribe, "thing1/#", false),
            (Action::Receive, "thing1/room1", true),
            (Action::Receive, "thing1/foo", false),
        ],
    );
    // Without the thing no variable is put in, also not in what is denied.
    let nobody = [
        (Action::Connect, "thing1", false),
        (Action::Publish, "thing1/foo", false),
    ];
    check(&document, &client("thing1"), &nobody);
}

/// "Certificate policy examples" and "Using X.509 certificate policy variables".
#[test]
fn a_certificate_says_what_its_bearer_may() {
    let shown = certificate("Administrator", ["Example Corp", "AnyCompany"]);
    let connection = Connection {
        certificate: Some(&shown),
        ..client("2748")
    };
    let condition = |operator: &str, keys: &str| {
        let more = format!(r#", "Condition": {{"{operator}": {{{keys}}}}}"#);
        document(&statement("Allow", "iot:Publish", "topic/admin/*", &more))
    };
    for (operator, keys, expected) in [
        (
            "StringEquals",
            r#""iot:Certificate.Subject.CommonName.2": "Administrator""#,
            false,
        ),
        (
            "ForAnyValue:StringEquals",
            r#""iot:Certificate.Subject.CommonName.List": "Administrator""#,
            true,
        ),
        (
            "ForAllValues:StringEquals",
            r#""iot:Certificate.Subject.Organization.List": ["Example Corp", "AnyCompany"]"#,
            true,
        ),
        (
            "Null",
            r#""iot:Certificate.SerialNumber": "false",
               "iot:Certificate.Subject.CommonName": "false""#,
            true,
        ),
        (
            "Null",
            r#""iot:Certificate.SerialNumber": "false",
               "iot:Certificate.Subject.Country": "false""#,
            false,
        ),
    ] {
        let asked = [(Action::Publish, "admin/a", expected)];
        check(&condition(operator, keys), &connection, &asked);
    }
    let own = [
        allow("iot:Connect", "client/${iot:Certificate.SerialNumber}"),
        allow(
            "iot:Publish",
            "topic/${iot:Certificate.Subject.Organization}/device-stats/${iot:ClientId}/*",
        ),
    ];
    check(
        &document(&own.join(",")),
        &connection,
        &[
            (Action::Connect, "2748", true),
            (Action::Connect, "0abc", false),
            (Action::Publish, "Example Corp/device-stats/2748/a", true),
            (Action::Publish, "AnyCompany/device-stats/2748/a", false),
        ],
    );
}
