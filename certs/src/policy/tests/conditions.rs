//! Conditions: operators, keys and what a missing value means.

use super::*;

/// Whether a statement with this condition holds on `connection`.
fn holds(operator: &str, key: &str, values: &str, connection: &Connection<'_>) -> bool {
    let condition = format!(r#", "Condition": {{"{operator}": {{"{key}": {values}}}}}"#);
    let statement = statement("Allow", "iot:Publish", "topic/*", &condition);
    allows(&statement, connection, Action::Publish, "x")
}

#[test]
fn texts_are_compared_as_the_operator_says() {
    let connection = client("Lamp1");
    for (operator, values, expected) in [
        ("StringEquals", r#""Lamp1""#, true),
        ("StringEquals", r#"["a", "Lamp1"]"#, true),
        ("StringEquals", r#""lamp1""#, false),
        ("StringEquals", r#""Lamp*""#, false),
        ("StringNotEquals", r#""Lamp1""#, false),
        ("StringNotEquals", r#"["a", "Lamp1"]"#, false),
        ("StringNotEquals", r#"["a", "b"]"#, true),
        ("StringEqualsIgnoreCase", r#""lAMP1""#, true),
        ("StringNotEqualsIgnoreCase", r#""lAMP1""#, false),
        ("StringLike", r#""L?mp*""#, true),
        ("StringLike", r#""l*""#, false),
        ("StringNotLike", r#""L*""#, false),
        ("StringNotLike", r#""x*""#, true),
        ("StringLike", r#""Lamp${*}""#, false),
        ("StringEquals", r#""${iot:ClientId}""#, true),
        ("StringLike", r#""${iot:ClientId}*""#, true),
        (
            "StringEquals",
            r#""${iot:Connection.Thing.ThingName}""#,
            false,
        ),
    ] {
        let found = holds(operator, "iot:ClientId", values, &connection);
        assert_eq!(found, expected, "{operator} {values}");
        let found = holds(operator, "IOT:CLIENTID", values, &connection);
        assert_eq!(found, expected, "{operator} {values}, another case");
    }
}

#[test]
fn without_a_value_a_condition_fails_unless_it_is_negative_or_asks_if_it_exists() {
    let nobody = Connection::default();
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("StringNotEquals", true),
        ("StringNotLike", true),
        ("StringEqualsIfExists", true),
        ("StringLikeIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        let found = holds(operator, "iot:ClientId", r#""x""#, &nobody);
        assert_eq!(found, expected, "{operator}");
    }
    assert!(holds("Null", "iot:ClientId", "true", &nobody));
    assert!(!holds("Null", "iot:ClientId", r#""false""#, &nobody));
    assert!(holds("Null", "iot:ClientId", "[false]", &client("x")));
    assert!(!holds(
        "StringEqualsIfExists",
        "iot:ClientId",
        r#""x""#,
        &client("y")
    ));
}

#[test]
fn all_values_of_a_list_are_looked_at() {
    let shown = certificate("lamp", ["Example Corp", "AnyCompany"]);
    let connection = Connection {
        certificate: Some(&shown),
        ..Connection::default()
    };
    let key = "iot:Certificate.Subject.Organization.List";
    for (operator, values, expected) in [
        (
            "ForAllValues:StringEquals",
            r#"["Example Corp", "AnyCompany"]"#,
            true,
        ),
        (
            "ForAllValues:StringEquals",
            r#"["Example Corp", "Third"]"#,
            false,
        ),
        (
            "ForAnyValue:StringEquals",
            r#"["Third", "AnyCompany"]"#,
            true,
        ),
        ("ForAnyValue:StringEquals", r#"["Third"]"#, false),
        ("ForAllValues:StringNotEquals", r#"["Third"]"#, true),
        ("ForAllValues:StringNotEquals", r#"["AnyCompany"]"#, false),
        ("ForAnyValue:StringNotEquals", r#"["AnyCompany"]"#, true),
        ("ForAllValues:StringLike", r#"["*Comp*", "* Corp"]"#, true),
    ] {
        let found = holds(operator, key, values, &connection);
        assert_eq!(found, expected, "{operator} {values}");
    }
    let first = "iot:Certificate.Subject.Organization";
    assert!(holds(
        "StringEquals",
        first,
        r#""Example Corp""#,
        &connection
    ));
    assert!(!holds(
        "StringEquals",
        first,
        r#""AnyCompany""#,
        &connection
    ));
}

#[test]
fn addresses_are_compared_by_their_first_bits() {
    for (network, address, expected) in [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.77/24", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "203.0.113.9", false),
        ("::/0", "2001:db8::1", true),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
    ] {
        let connection = Connection {
            source_ip: Some(address.parse().unwrap()),
            ..Connection::default()
        };
        let values = format!(r#"["198.51.100.1", "{network}"]"#);
        let found = holds("IpAddress", "aws:SourceIp", &values, &connection);
        assert_eq!(found, expected, "{network} {address}");
        let found = holds("NotIpAddress", "aws:SourceIp", &values, &connection);
        assert_eq!(found, !expected, "not {network} {address}");
    }
    let values = r#""0.0.0.0/0""#;
    assert!(!holds("IpAddress", "aws:SourceIp", values, &client("x")));
    assert!(holds("NotIpAddress", "aws:SourceIp", values, &client("x")));
}

#[test]
fn a_client_without_a_thing_is_not_attached() {
    let own = thing("lamp", None, &[]);
    let attached = Connection {
        thing: Some(&own),
        ..Connection::default()
    };
    let key = "iot:Connection.Thing.IsAttached";
    for yes in [r#""true""#, r#"["true"]"#, "true", r#"["True"]"#] {
        assert!(holds("Bool", key, yes, &attached), "{yes}");
        assert!(!holds("Bool", key, yes, &client("lamp")), "{yes}");
    }
    assert!(holds("Bool", key, "false", &client("lamp")));
}

#[test]
fn all_operators_and_keys_of_a_condition_have_to_hold() {
    let condition = r#", "Condition": {
        "StringEquals": {"iot:ClientId": "a", "iot:Connection.Thing.ThingName": "lamp"},
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}
    }"#;
    let statement = statement("Allow", "iot:Publish", "topic/*", condition);
    let own = thing("lamp", None, &[]);
    let right = Connection {
        source_ip: Some("192.0.2.1".parse().unwrap()),
        thing: Some(&own),
        ..client("a")
    };
    let elsewhere = Connection {
        source_ip: Some("198.51.100.1".parse().unwrap()),
        ..right
    };
    let other = Connection {
        client_id: Some("b"),
        ..right
    };
    let nobody = Connection {
        thing: None,
        ..right
    };
    let allows = |connection| allows(&statement, &connection, Action::Publish, "x");
    assert!(allows(right));
    assert!(!allows(elsewhere) && !allows(other) && !allows(nobody));
}
