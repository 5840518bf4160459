//! What a decision says about its reason.

use super::*;
use crate::policy::{Decision, NearMiss};

fn near(statements: &str, connection: &Connection<'_>, action: Action) -> Vec<NearMiss> {
    match permissions(statements, connection).decide(action, "a/b") {
        Decision::NotAllowed { near } => near,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_decision_names_the_statement() {
    let statements = [
        allow("iot:Publish", "topic/*"),
        statement("Deny", "iot:Publish", "topic/a/*", r#", "Sid": "NotA""#),
    ];
    let permissions = permissions(&statements.join(","), &Connection::default());
    assert_eq!(
        permissions.decide(Action::Publish, "b"),
        Decision::Allowed {
            policy: "test".to_owned(),
            statement: "1".to_owned(),
        }
    );
    assert_eq!(
        permissions.decide(Action::Publish, "a/b"),
        Decision::Denied {
            policy: "test".to_owned(),
            statement: "2 (NotA)".to_owned(),
        }
    );
}

#[test]
fn what_is_not_allowed_says_which_resources_would_be() {
    let missed = near(
        &allow("iot:Publish", "topic/c"),
        &client("x"),
        Action::Publish,
    );
    assert_eq!(
        missed[0].to_string(),
        "test, statement 1: `topic/a/b` is none of its resources: \
         `arn:aws:iot:us-east-1:123456789012:topic/c`"
    );
}

#[test]
fn what_is_not_allowed_says_which_variable_has_no_value() {
    let statement = allow("iot:Publish", "topic/${iot:Connection.Thing.ThingName}/b");
    let missed = near(&statement, &client("a"), Action::Publish);
    let reason = "; there is no value to put in for `${iot:Connection.Thing.ThingName}`";
    assert!(missed[0].reason.ends_with(reason), "{missed:?}");
}

#[test]
fn what_is_not_allowed_says_which_value_is_not_put_in() {
    let statement = allow("iot:Publish", "topic/${iot:ClientId}/b");
    let missed = near(&statement, &client("a+"), Action::Publish);
    let reason = "; the value of `${iot:ClientId}` is not put in: it has more than 1024 \
                  characters or one of `* $ + ? #`";
    assert!(missed[0].reason.ends_with(reason), "{missed:?}");
}

#[test]
fn what_is_not_allowed_says_which_resources_are_of_another_region_or_account() {
    let scope = Scope {
        region: Some("eu-west-1".to_owned()),
        account: None,
    };
    let policies = [policy(&document(&allow("iot:Publish", "topic/*")))];
    let permissions = Permissions::new(&policies, &client("a"), &scope);
    let Decision::NotAllowed { near } = permissions.decide(Action::Publish, "b") else {
        panic!("it is of another region");
    };
    assert_eq!(
        near[0].reason,
        "`topic/b` is none of its resources: `arn:aws:iot:us-east-1:123456789012:topic/*`; \
         those of other regions or accounts than the configured ones do not count"
    );
}

#[test]
fn what_is_not_allowed_says_which_condition_fails() {
    let condition = r#", "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}"#;
    let statement = statement("Allow", "iot:Publish", "topic/*", condition);
    let missed = near(&statement, &client("a"), Action::Publish);
    assert_eq!(
        missed[0].reason,
        "its condition `Bool` on `iot:Connection.Thing.IsAttached` does not hold"
    );
}

#[test]
fn what_is_not_allowed_says_all_that_a_statement_lacks() {
    let condition = r#", "Condition": {
        "Bool": {"iot:Connection.Thing.IsAttached": "true"},
        "StringEquals": {"iot:ClientId": ["a", "b"]},
        "Null": {"aws:SourceIp": "false"}}"#;
    let statement = statement("Allow", "iot:Publish", "topic/c", condition);
    let missed = near(&statement, &client("a"), Action::Publish);
    assert_eq!(
        missed[0].reason,
        "`topic/a/b` is none of its resources: `arn:aws:iot:us-east-1:123456789012:topic/c`; \
         its condition `Bool` on `iot:Connection.Thing.IsAttached` does not hold; \
         its condition `Null` on `aws:SourceIp` does not hold"
    );
}

#[test]
fn what_is_not_allowed_says_which_action_is_missing() {
    let missed = near(
        &allow("iot:Publish", "topic/a/*"),
        &client("a"),
        Action::Receive,
    );
    assert_eq!(missed[0].reason, "its actions do not include `iot:Receive`");
}

#[test]
fn statements_about_something_else_are_not_near() {
    let statements = [
        allow("iot:Subscribe", "topicfilter/a/*"),
        allow("iot:Connect", "client/*"),
        statement("Deny", "iot:Publish", "topic/c", ""),
        statement(
            "Deny",
            "iot:Publish",
            "topic/a/b",
            r#", "Condition": {"StringEquals": {"iot:ClientId": "b"}}"#,
        ),
        statement(
            "Allow",
            "iot:Receive",
            "topic/a/b",
            r#", "Condition": {"StringEquals": {"iot:ClientId": "b"}}"#,
        ),
    ];
    let missed = near(&statements.join(","), &client("a"), Action::Publish);
    assert_eq!(missed, []);
}
