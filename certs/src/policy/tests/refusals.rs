//! What is not understood is refused, with its place and what would be right.

use super::*;
use crate::document::DocumentError;

fn error(document: &str) -> DocumentError {
    Policy::parse("test", document).expect_err(document)
}

/// The error about a document with `member` among the members of its statement, on line 5.
fn in_statement(member: &str) -> DocumentError {
    let others = [
        r#""Effect": "Allow""#,
        r#""Action": "iot:Connect""#,
        r#""Resource": "*""#,
    ];
    let is_other = |other: &&&str| !member.starts_with(other.split_once(' ').unwrap().0);
    let others: Vec<_> = others.iter().filter(is_other).copied().collect();
    error(&format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {{\n    {},\n    {member}\n  }}\n}}",
        others.join(", ")
    ))
}

#[test]
fn an_error_has_the_line_and_column_of_what_is_wrong() {
    let document = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\n    \"Effect\": \"Allow\",\n    \"Action\": [\"iot:Connect\",\n      \"iot:Pulbish\"],\n    \"Resource\": \"*\"\n  }]\n}";
    assert_eq!(
        error(document),
        DocumentError {
            line: 6,
            column: 19,
            message: "there is no action `iot:Pulbish` for devices; did you mean `iot:Publish`?"
                .to_owned(),
        }
    );
    assert_eq!(
        error("{\n  \"Version\": \"2012-10-17\",\n  \"Statments\": []\n}"),
        DocumentError {
            line: 3,
            column: 13,
            message: "`Statments` is not known here; did you mean `Statement`?".to_owned(),
        }
    );
}

#[test]
fn wrong_statements_are_refused_with_the_reason() {
    for (member, expected) in [
        (
            r#""NotAction": "iot:Connect""#,
            "`NotAction` is not known in policies of AWS IoT",
        ),
        (
            r#""NotResource": "*""#,
            "`NotResource` is not known in policies of AWS IoT",
        ),
        (
            r#""Principal": "*""#,
            "`Principal` is not known in policies of AWS IoT",
        ),
        (r#""Conditions": {}"#, "did you mean `Condition`?"),
        (r#""effect": "Allow""#, "did you mean `Effect`?"),
        (
            r#""Effect": "allow""#,
            "`allow` is neither `Allow` nor `Deny`",
        ),
        (r#""Action": []"#, "no `Action`"),
        (r#""Action": "Connect""#, "`Connect` is no action"),
        (r#""Action": "*:Connect""#, "`*:Connect` is no action"),
        (
            r#""Action": "s3:GetObject""#,
            "there is no action `s3:GetObject` for devices",
        ),
        (
            r#""Action": "iot:Subscibe""#,
            "did you mean `iot:Subscribe`?",
        ),
        (
            r#""Action": "greengras:Discover""#,
            "did you mean `greengrass:Discover`?",
        ),
        (
            r#""Action": "iot:Pub?*x""#,
            "there is no action `iot:Pub?*x` for devices",
        ),
        (r#""Action": 1"#, "expected a text or a list of texts"),
        (r#""Resource": []"#, "no `Resource`"),
        (r#""Resource": "topic/a""#, "`topic/a` is no ARN"),
        (
            r#""Resource": "arn:aws:iot:us-east-1:123456789012""#,
            "whose parts are six",
        ),
        (
            r#""Resource": "arn:aws:iot:us-east-1:12345678901:topic/a""#,
            "twelve digits",
        ),
        (
            r#""Resource": "arn:aws:iot:us-east-1::topic/a""#,
            "twelve digits",
        ),
        (
            r#""Resource": "arn:aws:iot:us-east-1:account:topic/a""#,
            "twelve digits",
        ),
        (
            r#""Resource": "arn:aws:iot:US:123456789012:topic/a""#,
            "`US` in",
        ),
        (
            r#""Resource": "arn:aws:iot::123456789012:topic/a""#,
            "is no region",
        ),
        (
            r#""Resource": "arn:amazon:iot:a:123456789012:topic/a""#,
            "is no ARN",
        ),
        (
            r#""Resource": "arn:aws:itt:a:123456789012:topic/a""#,
            "did you mean `iot`?",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topicfliter/a""#,
            "did you mean `topicfilter`?",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic""#,
            "no name behind `topic/`",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:ClientID2}""#,
            "did you mean `iot:ClientId`?",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:ClientId""#,
            "without its `}`",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:ConnectAttributes}""#,
            "several values",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Certificate.Subject.Country.List}""#,
            "several values",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Certificate.Subject.Country.9}""#,
            "from `.0` to `.4`",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Certificate.AvailableKeys}""#,
            "cannot be decided here",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Connection.Thing.Attributes[]}""#,
            "is not ended",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Thing.ThingName}""#,
            "it would be `iot:Connection.Thing.ThingName`",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/${iot:Thing}""#,
            "nothing here is called",
        ),
        (
            r#""Resource": "arn:aws:iot:a:123456789012:topic/$(*)""#,
            "`$(*)` would be `${*}`",
        ),
        (r#""Condition": []"#, "expected conditions"),
        (
            r#""Condition": {"StringEqual": {}}"#,
            "did you mean `StringEquals`?",
        ),
        (
            r#""Condition": {"ForAll:StringEquals": {}}"#,
            "there is no operator",
        ),
        (
            r#""Condition": {"NumericEquals": {"iot:ClientId": "1"}}"#,
            "cannot be decided here",
        ),
        (
            r#""Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}"#,
            "cannot be decided here",
        ),
        (
            r#""Condition": {"ArnEquals": {"iot:LastWillTopic": "arn:a"}}"#,
            "cannot be decided here",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:LastWillTopic": "a"}}"#,
            "is up to iot:Publish",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:DomainName": "a"}}"#,
            "cannot be decided here",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:ClientIdd": "a"}}"#,
            "did you mean `iot:ClientId`?",
        ),
        (
            r#""Condition": {"StringEquals": {"aws:CurrentTime": "a"}}"#,
            "nothing here is called",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:ConnectAttributes": "LastWill"}}"#,
            "`ForAllValues:` or `ForAnyValue:`",
        ),
        (
            r#""Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}"#,
            "no address and no network",
        ),
        (
            r#""Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.256"}}"#,
            "no address and no network",
        ),
        (
            r#""Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/x"}}"#,
            "no address and no network",
        ),
        (
            r#""Condition": {"IpAddress": {"iot:ClientId": "10.0.0.0"}}"#,
            "this operator is for `aws:SourceIp`",
        ),
        (
            r#""Condition": {"Bool": {"iot:ClientId": "true"}}"#,
            "this operator is for",
        ),
        (
            r#""Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "yes"}}"#,
            "neither `true` nor `false`",
        ),
        (
            r#""Condition": {"NullIfExists": {"iot:ClientId": "true"}}"#,
            "makes no sense",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:ClientId": "${iot:Me}"}}"#,
            "nothing here is called",
        ),
        (
            r#""Condition": {"StringEquals": {"iot:ClientId": "a", "iot:ClientId": "b"}}"#,
            "stands here twice",
        ),
        (
            r#""Effect": "Allow", "Effect": "Deny""#,
            "`Effect` stands here twice",
        ),
        (r#""Sid": 1"#, "expected a string"),
    ] {
        let DocumentError { line, message, .. } = in_statement(member);
        assert!(message.contains(expected), "{member}: {message}");
        assert!((5..=6).contains(&line), "{member}: line {line}");
    }
}

#[test]
fn wrong_documents_are_refused_with_the_reason() {
    let statement = allow("iot:Connect", "client/*");
    for (document, expected) in [
        ("", "the file is empty"),
        ("[]", "expected a policy document"),
        ("{", "EOF"),
        (r#"{"Version": "2012-10-17"}"#, "`Statement` is missing"),
        (
            r#"{"Version": "2012-10-17", "Statement": []}"#,
            "no statement",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": [{}]}"#,
            "`Action` is missing",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": ["x"]}"#,
            "expected a statement",
        ),
        (
            &format!(r#"{{"Statement": {statement}}}"#),
            "`Version` is missing",
        ),
        (
            &format!(r#"{{"Version": "2012-10-18", "Statement": {statement}}}"#),
            "there is no version `2012-10-18`",
        ),
        (
            &format!("{} x", document(&statement)),
            "trailing characters",
        ),
    ] {
        let DocumentError { message, .. } = error(document);
        assert!(message.contains(expected), "{document}: {message}");
    }
}

#[test]
fn a_document_has_at_most_2048_characters_white_space_aside() {
    let empty = document(&statement("Allow", "iot:Publish", "topic/", ""));
    let length = empty
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .count();
    let filled = |count| {
        let topic = "ß".repeat(count - length);
        document(&statement(
            "Allow",
            "iot:Publish",
            &format!("topic/{topic}"),
            "",
        ))
    };
    let spacious = filled(2048).replace(", ", ",\n\t   ");
    Policy::parse("test", &spacious).unwrap();
    let marked = format!("\u{feff}{}", filled(2048));
    Policy::parse("test", &marked).unwrap();
    let DocumentError {
        line,
        column,
        message,
    } = error(&filled(2049));
    assert_eq!(line, 1);
    assert!(column > 2048);
    assert!(message.contains("more than 2048 characters"), "{message}");
}

#[test]
fn no_damage_to_a_document_is_more_than_an_error() {
    let condition = r#", "Condition": {"ForAllValues:StringLike": {"iot:ConnectAttributes": ["L*"]},
        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Null": {"iot:Certificate.Subject.Country.List": true}}"#;
    let resource = "topic/${iot:Connection.Thing.Attributes[site]}/${*}?/*";
    let whole = document(&statement("Deny", "iot:*", resource, condition));
    Policy::parse("test", &whole).unwrap();
    for (at, _) in whole.char_indices() {
        let (before, behind) = whole.split_at(at);
        for other in ["", "ß", "$", "{", "}", "\"", "*", ":", "["] {
            let damaged = format!("{before}{other}{}", &behind[1..]);
            if let Ok(policy) = Policy::parse("test", &damaged) {
                let permissions =
                    Permissions::new(&[Arc::new(policy)], &client("x"), &Scope::default());
                assert!(!permissions.allows(Action::Publish, "a/*b/c"), "{damaged}");
            }
        }
        assert!(Policy::parse("test", before).is_err());
    }
}
