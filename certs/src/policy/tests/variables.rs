//! Policy variables: which there are, and when they are put in.

use super::*;

/// Whether `topic/${variable}` allows publishing to `value` on `connection`.
fn is(connection: &Connection<'_>, variable: &str, value: &str) -> bool {
    let statement = allow("iot:Publish", &format!("topic/${{{variable}}}"));
    allows(&statement, connection, Action::Publish, value)
}

#[test]
fn variables_stand_for_what_is_known_of_the_connection() {
    let own = thing("lamp", Some("light"), &[("site", "A"), ("Site", "B")]);
    let shown = certificate("lamp-cert", ["Example Corp", "AnyCompany"]);
    let connection = Connection {
        client_id: Some("lamp-client"),
        source_ip: Some("::ffff:192.0.2.1".parse().unwrap()),
        thing: Some(&own),
        certificate: Some(&shown),
        is_persistent: false,
        has_will: false,
    };
    let id = shown.id().to_string();
    for (variable, value) in [
        ("iot:ClientId", "lamp-client"),
        ("IOT:CLIENTID", "lamp-client"),
        ("aws:SourceIp", "192.0.2.1"),
        ("iot:Connection.Thing.ThingName", "lamp"),
        ("iot:Connection.Thing.ThingTypeName", "light"),
        ("iot:Connection.Thing.IsAttached", "true"),
        ("iot:Connection.Thing.Attributes[site]", "A"),
        ("iot:connection.thing.attributes[Site]", "B"),
        ("iot:CertificateId", &id),
        ("iot:Certificate.SerialNumber", shown.serial_number()),
        ("iot:Certificate.Subject.CommonName", "lamp-cert"),
        ("iot:Certificate.Subject.Organization", "Example Corp"),
        ("iot:Certificate.Subject.Organization.0", "Example Corp"),
        ("iot:Certificate.Subject.Organization.1", "AnyCompany"),
        ("iot:Certificate.Issuer.CommonName", "lamp-cert"),
        (
            "iot:Certificate.Subject.AlternativeName.DNSName",
            "one.example",
        ),
        (
            "iot:Certificate.Subject.AlternativeName.DNSName.1",
            "two.example",
        ),
        (
            "iot:Certificate.Subject.AlternativeName.IPAddress",
            "192.0.2.7",
        ),
    ] {
        assert!(is(&connection, variable, value), "{variable}");
        assert!(!is(&connection, variable, "other"), "{variable}");
        assert!(!is(&client(""), variable, value), "{variable}");
    }
}

/// The certificate in "Using X.509 certificate policy variables".
#[test]
fn the_certificate_of_awss_example_has_the_values_that_are_said_of_it() {
    let pem = include_str!("../../../testdata/aws-example.pem");
    let (_, shown) = Certificate::read_pem(pem).unwrap().swap_remove(0);
    let connection = Connection {
        certificate: Some(&shown),
        ..Connection::default()
    };
    let (subject, issuer) = (
        "iot:Certificate.Subject.AlternativeName",
        "iot:Certificate.Issuer.AlternativeName",
    );
    for (names, kind, value) in [
        (subject, "DNSName", "example.com"),
        (subject, "RFC822Name", "device1@example.com"),
        (
            subject,
            "UniformResourceIdentifier",
            "ResourceIdentifier001",
        ),
        (subject, "IPAddress", "1.2.3.4"),
        (
            subject,
            "DirectoryName",
            "cn=LightBulbCert,ou=SmartHome,o=IoT,c=US",
        ),
        (issuer, "DNSName", "issuer.com"),
        (
            issuer,
            "DirectoryName",
            r"cn=Primary Issuer CA,ou=IoT Devices,o=Issuer\, Inc.,c=US",
        ),
    ] {
        let variable = format!("{names}.{kind}");
        let value = value.replace('\\', r"\\");
        let condition =
            format!(r#", "Condition": {{"StringEquals": {{"{variable}": "{value}"}}}}"#);
        let statement = statement("Allow", "iot:Publish", "topic/*", &condition);
        assert!(
            allows(&statement, &connection, Action::Publish, "x"),
            "{variable}"
        );
    }
    let number = "10525622389124227206";
    assert!(is(&connection, "iot:Certificate.SerialNumber", number));
}

#[test]
fn special_characters_in_names_of_certificates_are_escaped() {
    let shown = certificate(
        r#"a,b\c"d;e<f>g"#,
        ["Amazon.com Inc. L=Seattle", "AnyCompany"],
    );
    let connection = Connection {
        certificate: Some(&shown),
        ..Connection::default()
    };
    for (variable, value) in [
        (
            "iot:Certificate.Subject.Organization",
            r"Amazon.com Inc. L\=Seattle",
        ),
        (
            "iot:Certificate.Issuer.Organization",
            r"Amazon.com Inc. L\=Seattle",
        ),
        (
            "iot:Certificate.Subject.CommonName",
            r#"a\,b\\c\"d\;e\<f\>g"#,
        ),
    ] {
        assert!(is(&connection, variable, value), "{variable}");
    }
    let condition = r#", "Condition": {"ForAnyValue:StringEquals": {
        "iot:Certificate.Issuer.Organization.List": "Amazon.com Inc. L\\=Seattle"}}"#;
    let statement = statement("Allow", "iot:Publish", "topic/*", condition);
    assert!(allows(&statement, &connection, Action::Publish, "x"));
}

#[test]
fn a_variable_without_a_value_matches_nothing_not_even_itself() {
    let own = thing("lamp", None, &[("empty", "")]);
    let shown = certificate("lamp", ["a", "b"]);
    let connection = Connection {
        thing: Some(&own),
        certificate: Some(&shown),
        ..Connection::default()
    };
    for variable in [
        "iot:ClientId",
        "aws:SourceIp",
        "iot:Connection.Thing.ThingTypeName",
        "iot:Connection.Thing.Attributes[site]",
        "iot:Connection.Thing.Attributes[empty]",
        "iot:Certificate.Subject.Country",
        "iot:Certificate.Subject.Organization.2",
    ] {
        for topic in ["", "lamp", &format!("${{{variable}}}")] {
            assert!(!is(&connection, variable, topic), "{variable} {topic}");
        }
        let any = allow("iot:Publish", &format!("topic/${{{variable}}}*"));
        assert!(
            !allows(&any, &connection, Action::Publish, "x"),
            "{variable}"
        );
    }
}

#[test]
fn a_value_with_a_special_character_is_not_put_in() {
    for client_id in ["+", "#", "*", "a+b", "a/#", "$share", "what?"] {
        let connection = client(client_id);
        let filter = allow("iot:Subscribe", "topicfilter/my/${iot:ClientId}/topic");
        let asked = format!("my/{client_id}/topic");
        assert!(
            !allows(&filter, &connection, Action::Subscribe, &asked),
            "{client_id}"
        );
        assert!(!allows(
            &filter,
            &connection,
            Action::Subscribe,
            "my/x/topic"
        ));
        let connect = allow("iot:Connect", "client/${iot:ClientId}");
        assert!(!allows(&connect, &connection, Action::Connect, client_id));
    }
}

#[test]
fn nobody_gets_past_a_deny_by_a_strange_name() {
    let statements = [
        allow("*", "*"),
        statement("Deny", "iot:Publish", "topic/private/${iot:ClientId}", ""),
    ];
    for client_id in ["plain", "a+b", "*", "what?", &"x".repeat(1025)] {
        let permissions = permissions(&statements.join(","), &client(client_id));
        assert!(!permissions.allows(Action::Publish, &format!("private/{client_id}")));
        assert!(permissions.allows(Action::Publish, "private/other"));
    }
}

#[test]
fn a_value_is_put_in_up_to_1024_characters() {
    let long = "ß".repeat(1024);
    assert!(is(&client(&long), "iot:ClientId", &long));
    let longer = "ß".repeat(1025);
    assert!(!is(&client(&longer), "iot:ClientId", &longer));
}

#[test]
fn a_certificate_has_at_most_five_values_of_a_kind() {
    let statement = allow(
        "iot:Publish",
        "topic/${iot:Certificate.Subject.Organization.4}",
    );
    policy(&document(&statement));
    let statement = allow(
        "iot:Publish",
        "topic/${iot:Certificate.Subject.Organization.5}",
    );
    assert!(Policy::parse("test", &document(&statement)).is_err());
}

#[test]
fn one_statement_without_a_value_does_not_disturb_the_others() {
    let statements = [
        allow("iot:Publish", "topic/${iot:Connection.Thing.ThingName}/a"),
        allow("iot:Publish", "topic/b"),
    ];
    let permissions = permissions(&statements.join(","), &client("x"));
    assert!(permissions.allows(Action::Publish, "b"));
    assert!(!permissions.allows(Action::Publish, "/a"));
}

#[test]
fn escapes_stand_for_the_characters_themselves() {
    for (escape, character) in [("${*}", "*"), ("${?}", "?"), ("${$}", "$")] {
        let statement = allow("iot:Subscribe", &format!("topicfilter/a{escape}"));
        let nobody = Connection::default();
        let asked = format!("a{character}");
        assert!(allows(&statement, &nobody, Action::Subscribe, &asked));
        assert!(!allows(&statement, &nobody, Action::Subscribe, "ab"));
    }
}

#[test]
fn documents_of_2008_have_no_variables_wherever_the_version_stands() {
    let statement = allow("iot:Publish", "topic/${iot:ClientId}");
    for (version, own, literal) in [("2012-10-17", true, false), ("2008-10-17", false, true)] {
        let version = format!(r#""Version": "{version}""#);
        let statements = format!(r#""Statement": {statement}"#);
        for document in [
            format!("{{{version}, {statements}}}"),
            format!("{{{statements}, {version}}}"),
        ] {
            let policies = [policy(&document)];
            let permissions = Permissions::new(&policies, &client("me"), &Scope::default());
            assert_eq!(permissions.allows(Action::Publish, "me"), own);
            let text = "${iot:ClientId}";
            assert_eq!(permissions.allows(Action::Publish, text), literal);
        }
    }
}

#[test]
fn statements_without_variables_are_shared_by_all_connections() {
    let statements = [
        allow("iot:Publish", "topic/a/*"),
        allow("iot:Publish", "topic/${iot:ClientId}"),
    ];
    let policies = [policy(&document(&statements.join(",")))];
    let [one, other] = ["one", "other"]
        .map(|client_id| Permissions::new(&policies, &client(client_id), &Scope::default()));
    let fixed = policies[0].statements[0].fixed.as_ref().unwrap();
    assert_eq!(Arc::strong_count(fixed), 3);
    assert!(one.allows(Action::Publish, "one") && !one.allows(Action::Publish, "other"));
    assert!(other.allows(Action::Publish, "other") && other.allows(Action::Publish, "a/b"));
}
