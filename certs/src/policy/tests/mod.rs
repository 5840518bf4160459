//! What policies mean, and what of them is refused.

mod aws;
mod conditions;
mod decisions;
mod examples;
mod naive;
mod refusals;
mod variables;

use std::{collections::BTreeMap, sync::Arc};

use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use crate::{
    certificate::Certificate,
    policy::{Action, Connection, Permissions, Policy, Scope},
    thing::Thing,
};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012";

fn policy(document: &str) -> Arc<Policy> {
    Arc::new(Policy::parse("test", document).unwrap())
}

/// A document with these statements.
fn document(statements: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#)
}

/// A statement on `resource`, with `more` members behind its own.
fn statement(effect: &str, action: &str, resource: &str, more: &str) -> String {
    format!(
        r#"{{"Effect": "{effect}", "Action": "{action}", "Resource": "{ARN}:{resource}"{more}}}"#
    )
}

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource, "")
}

fn permissions(statements: &str, connection: &Connection<'_>) -> Permissions {
    Permissions::new(
        &[policy(&document(statements))],
        connection,
        &Scope::default(),
    )
}

fn allows(statements: &str, connection: &Connection<'_>, action: Action, resource: &str) -> bool {
    permissions(statements, connection).allows(action, resource)
}

fn thing(name: &str, thing_type: Option<&str>, attributes: &[(&str, &str)]) -> Thing {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Thing {
        name: name.parse().unwrap(),
        thing_type: thing_type.map(str::to_owned),
        attributes: attributes.collect::<BTreeMap<_, _>>(),
        groups: Vec::new(),
        policies: Vec::new(),
        is_disabled: false,
        certificates: Vec::new(),
    }
}

/// A certificate with two organizations, the second in a type of its own for rcgen, and no country.
fn certificate(common_name: &str, organizations: [&str; 2]) -> Certificate {
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, common_name);
    name.push(DnType::OrganizationName, organizations[0]);
    name.push(DnType::CustomDnType(vec![2, 5, 4, 10]), organizations[1]);
    params.subject_alt_names = vec![
        SanType::DnsName("one.example".try_into().unwrap()),
        SanType::DnsName("two.example".try_into().unwrap()),
        SanType::IpAddress([192, 0, 2, 7].into()),
    ];
    params.serial_number = Some(vec![0x0A, 0xBC].into());
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Certificate::from_der(certificate.der()).unwrap()
}

fn client(client_id: &str) -> Connection<'_> {
    Connection {
        client_id: Some(client_id),
        ..Connection::default()
    }
}
