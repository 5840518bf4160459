//! What policies can ask about a connection: policy variables and condition keys.
//!
//! The names are AWS IoT's ("AWS IoT Core policy variables" in its developer guide); as in IAM
//! their case does not count.

use std::borrow::Cow;

use crate::{
    certificate::{AlternativeNames, Certificate, Name, NameAttribute},
    document,
    policy::Connection,
};

/// A certificate's fields with several values have at most this many; others are not seen.
const MAX_VALUES: usize = 5;

/// Something with at most one value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Variable {
    ClientId,
    SourceIp,
    ThingName,
    ThingTypeName,
    ThingAttribute(Box<str>),
    IsAttached,
    CertificateId,
    SerialNumber,
    /// The value at this index.
    Certificate(Field, usize),
}

/// Something that a condition looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    One(Variable),
    /// `PersistentConnect` and `LastWill`, as far as the CONNECT asks for them.
    ConnectAttributes,
    /// All values of a certificate's field.
    All(Field),
}

/// What a certificate can have several values of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Subject(NameAttribute),
    Issuer(NameAttribute),
    SubjectAlternative(Alternative),
    IssuerAlternative(Alternative),
}

/// A kind of alternative name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alternative {
    Rfc822Name,
    DnsName,
    DirectoryName,
    Uri,
    IpAddress,
}

const SIMPLE: [(&str, Variable); 7] = [
    ("iot:ClientId", Variable::ClientId),
    ("aws:SourceIp", Variable::SourceIp),
    ("iot:Connection.Thing.ThingName", Variable::ThingName),
    (
        "iot:Connection.Thing.ThingTypeName",
        Variable::ThingTypeName,
    ),
    ("iot:Connection.Thing.IsAttached", Variable::IsAttached),
    ("iot:CertificateId", Variable::CertificateId),
    ("iot:Certificate.SerialNumber", Variable::SerialNumber),
];

const ATTRIBUTES: &str = "iot:Connection.Thing.Attributes[";
const CONNECT_ATTRIBUTES: &str = "iot:ConnectAttributes";

const NAME_ATTRIBUTES: [(&str, NameAttribute); 13] = [
    (
        "DistinguishedNameQualifier",
        NameAttribute::DistinguishedNameQualifier,
    ),
    ("Country", NameAttribute::Country),
    ("Organization", NameAttribute::Organization),
    ("OrganizationalUnit", NameAttribute::OrganizationalUnit),
    ("State", NameAttribute::State),
    ("CommonName", NameAttribute::CommonName),
    ("SerialNumber", NameAttribute::SerialNumber),
    ("Title", NameAttribute::Title),
    ("Surname", NameAttribute::Surname),
    ("GivenName", NameAttribute::GivenName),
    ("Initials", NameAttribute::Initials),
    ("Pseudonym", NameAttribute::Pseudonym),
    ("GenerationQualifier", NameAttribute::GenerationQualifier),
];

const ALTERNATIVES: [(&str, Alternative); 5] = [
    ("RFC822Name", Alternative::Rfc822Name),
    ("DNSName", Alternative::DnsName),
    ("DirectoryName", Alternative::DirectoryName),
    ("UniformResourceIdentifier", Alternative::Uri),
    ("IPAddress", Alternative::IpAddress),
];

/// Names of AWS that nothing here can answer, and why.
const ELSEWHERE: [(&str, &str); 5] = [
    (
        "iot:Thing.",
        "AWS knows it in some examples only; it would be `iot:Connection.Thing.ThingName`",
    ),
    (
        "iot:LastWillTopic",
        "whether a will may be published is up to iot:Publish on its topic",
    ),
    (
        "iot:DomainName",
        "the gateway has no domains of its own to tell apart",
    ),
    (
        "iot:Certificate.AvailableKeys",
        "AWS does not say in which form it has the names",
    ),
    (
        "cognito-identity.amazonaws.com:",
        "there are no Cognito identities here",
    ),
];

impl Variable {
    /// The variable with this name, as it stands between `${` and `}`.
    pub(super) fn parse(name: &str) -> Result<Variable, String> {
        match Key::parse(name)? {
            Key::One(variable) => Ok(variable),
            Key::ConnectAttributes | Key::All(_) => Err(format!(
                "`{name}` has several values, so it can only be the key of a condition"
            )),
        }
    }

    /// Its value, if there is one.
    pub(super) fn value<'a>(&self, connection: &Connection<'a>) -> Option<Cow<'a, str>> {
        let thing = connection.thing;
        let certificate = connection.certificate;
        match self {
            Variable::ClientId => connection.client_id.map(Cow::Borrowed),
            Variable::SourceIp => {
                let address = connection.source_ip?.to_canonical();
                Some(address.to_string().into())
            }
            Variable::ThingName => Some(thing?.name.as_str().into()),
            Variable::ThingTypeName => Some(thing?.thing_type.as_deref()?.into()),
            Variable::ThingAttribute(name) => Some(thing?.attributes.get(&**name)?.as_str().into()),
            Variable::IsAttached => Some(if thing.is_some() { "true" } else { "false" }.into()),
            Variable::CertificateId => Some(certificate?.id().to_string().into()),
            Variable::SerialNumber => Some(certificate?.serial_number().into()),
            Variable::Certificate(field, index) => {
                field.values(certificate?).into_iter().nth(*index)
            }
        }
    }
}

impl Key {
    /// The key with this name.
    pub(super) fn parse(name: &str) -> Result<Key, String> {
        if let Some((_, variable)) = find(&SIMPLE, name) {
            return Ok(Key::One(variable));
        }
        if name.eq_ignore_ascii_case(CONNECT_ATTRIBUTES) {
            return Ok(Key::ConnectAttributes);
        }
        if let Some(attribute) = without_prefix(name, ATTRIBUTES) {
            return match attribute.strip_suffix(']') {
                Some(attribute) if !attribute.is_empty() => {
                    Ok(Key::One(Variable::ThingAttribute(attribute.into())))
                }
                _ => Err(format!(
                    "`{name}` is not ended: it would be `{ATTRIBUTES}name]`"
                )),
            };
        }
        if let Some(key) = Key::of_certificate(name) {
            return key;
        }
        let elsewhere = ELSEWHERE
            .iter()
            .find(|(other, _)| without_prefix(name, other).is_some());
        Err(match elsewhere {
            Some((_, reason)) => format!("`{name}` cannot be decided here: {reason}"),
            None => {
                let simple = SIMPLE.iter().map(|(name, _)| *name);
                let known =
                    simple.chain([CONNECT_ATTRIBUTES, "iot:Certificate.Subject.CommonName"]);
                let instead = document::instead(name, known);
                format!("nothing here is called `{name}`; {instead}")
            }
        })
    }

    /// `iot:Certificate.Subject.Country`, `.Country.1`, `.Country.List` and the like.
    fn of_certificate(name: &str) -> Option<Result<Key, String>> {
        let path = without_prefix(name, "iot:Certificate.")?;
        if let Some(field) = Field::parse(path) {
            return Some(Ok(Key::One(Variable::Certificate(field, 0))));
        }
        let (path, suffix) = path.rsplit_once('.')?;
        let field = Field::parse(path)?;
        if suffix.eq_ignore_ascii_case("List") {
            return Some(Ok(Key::All(field)));
        }
        Some(match suffix.parse() {
            Ok(index) if index < MAX_VALUES => Ok(Key::One(Variable::Certificate(field, index))),
            _ => Err(format!(
                "`{name}` does not end as it may: with `.List` or with an index from `.0` to `.{}`",
                MAX_VALUES - 1
            )),
        })
    }

    /// Whether it can have more than one value.
    pub(super) fn has_many(&self) -> bool {
        !matches!(self, Key::One(_))
    }

    /// Its values, of which there may be none.
    pub(super) fn values<'a>(&self, connection: &Connection<'a>) -> Vec<Cow<'a, str>> {
        match self {
            Key::One(variable) => variable.value(connection).into_iter().collect(),
            Key::ConnectAttributes => {
                let persistent = connection.is_persistent.then_some("PersistentConnect");
                let will = connection.has_will.then_some("LastWill");
                persistent
                    .into_iter()
                    .chain(will)
                    .map(Cow::Borrowed)
                    .collect()
            }
            Key::All(field) => match connection.certificate {
                Some(certificate) => field.values(certificate),
                None => Vec::new(),
            },
        }
    }
}

impl Field {
    fn parse(path: &str) -> Option<Field> {
        if let Some(kind) = without_prefix(path, "Subject.AlternativeName.") {
            return find(&ALTERNATIVES, kind).map(|(_, kind)| Field::SubjectAlternative(kind));
        }
        if let Some(kind) = without_prefix(path, "Issuer.AlternativeName.") {
            return find(&ALTERNATIVES, kind).map(|(_, kind)| Field::IssuerAlternative(kind));
        }
        if let Some(attribute) = without_prefix(path, "Subject.") {
            return find(&NAME_ATTRIBUTES, attribute).map(|(_, name)| Field::Subject(name));
        }
        let attribute = without_prefix(path, "Issuer.")?;
        find(&NAME_ATTRIBUTES, attribute).map(|(_, name)| Field::Issuer(name))
    }

    /// Its values, of which there may be none.
    fn values<'a>(self, certificate: &'a Certificate) -> Vec<Cow<'a, str>> {
        let escaped = |name: &Name, attribute| -> Vec<_> {
            let values = name.escaped_values(attribute).take(MAX_VALUES);
            values.map(Cow::Owned).collect()
        };
        match self {
            Field::Subject(attribute) => escaped(certificate.subject(), attribute),
            Field::Issuer(attribute) => escaped(certificate.issuer(), attribute),
            Field::SubjectAlternative(kind) => kind.values(certificate.alternative_names()),
            Field::IssuerAlternative(kind) => kind.values(certificate.issuer_alternative_names()),
        }
    }
}

impl Alternative {
    fn values(self, names: &AlternativeNames) -> Vec<Cow<'_, str>> {
        let texts = match self {
            Alternative::IpAddress => {
                let addresses = names.ip_addresses.iter().take(MAX_VALUES);
                return addresses
                    .map(|address| address.to_string().into())
                    .collect();
            }
            Alternative::Rfc822Name => &names.rfc822_names,
            Alternative::DnsName => &names.dns_names,
            Alternative::DirectoryName => &names.directory_names,
            Alternative::Uri => &names.uris,
        };
        let texts = texts.iter().take(MAX_VALUES);
        texts.map(|text| text.as_str().into()).collect()
    }
}

fn find<T: Clone>(table: &[(&'static str, T)], name: &str) -> Option<(&'static str, T)> {
    let found = table
        .iter()
        .find(|(other, _)| name.eq_ignore_ascii_case(other));
    found.cloned()
}

/// What follows `prefix`, whose case does not count.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
