//! The names in certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::{
    asn1_rs::{Oid, Tag, oid},
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    objects::{oid_registry, oid2abbrev},
    x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name},
};

/// A distinguished name: its attributes, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Name(Vec<(NameAttribute, String)>);

impl Name {
    /// The values of an attribute, in their order.
    pub fn values(&self, attribute: NameAttribute) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(name, _)| *name == attribute);
        named.map(|(_, value)| value.as_str())
    }

    /// The same with special characters escaped, as policies of AWS IoT see them ("Using X.509
    /// certificate policy variables" in its developer guide).
    pub(crate) fn escaped_values(&self, attribute: NameAttribute) -> impl Iterator<Item = String> {
        self.values(attribute).map(escaped)
    }

    pub(super) fn read(name: &X509Name<'_>) -> Name {
        let known = name.iter_attributes().filter_map(|attribute| {
            let kind = NameAttribute::from_oid(attribute.attr_type())?;
            Some((kind, text(attribute)?))
        });
        Name(known.collect())
    }
}

/// The attributes of a name that policies can ask for; others are not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "they are named as in X.520 and in AWS's policy variables"
)]
pub enum NameAttribute {
    DistinguishedNameQualifier,
    Country,
    Organization,
    OrganizationalUnit,
    State,
    CommonName,
    SerialNumber,
    Title,
    Surname,
    GivenName,
    Initials,
    Pseudonym,
    GenerationQualifier,
}

impl NameAttribute {
    /// The attribute with this identifier in X.520.
    fn from_oid(id: &Oid<'_>) -> Option<NameAttribute> {
        let known = [
            (oid!(2.5.4.46), NameAttribute::DistinguishedNameQualifier),
            (oid!(2.5.4.6), NameAttribute::Country),
            (oid!(2.5.4.10), NameAttribute::Organization),
            (oid!(2.5.4.11), NameAttribute::OrganizationalUnit),
            (oid!(2.5.4.8), NameAttribute::State),
            (oid!(2.5.4.3), NameAttribute::CommonName),
            (oid!(2.5.4.5), NameAttribute::SerialNumber),
            (oid!(2.5.4.12), NameAttribute::Title),
            (oid!(2.5.4.4), NameAttribute::Surname),
            (oid!(2.5.4.42), NameAttribute::GivenName),
            (oid!(2.5.4.43), NameAttribute::Initials),
            (oid!(2.5.4.65), NameAttribute::Pseudonym),
            (oid!(2.5.4.44), NameAttribute::GenerationQualifier),
        ];
        known
            .into_iter()
            .find_map(|(known, name)| (known == *id).then_some(name))
    }
}

/// The subject's or the issuer's alternative names, by their kind.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AlternativeNames {
    /// Mail addresses.
    pub rfc822_names: Vec<String>,
    /// Host names.
    pub dns_names: Vec<String>,
    /// Distinguished names as AWS writes them: `cn=Bulb,ou=Home,o=IoT,c=US`.
    pub directory_names: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// Addresses.
    pub ip_addresses: Vec<IpAddr>,
}

impl AlternativeNames {
    pub(super) fn of_subject(certificate: &X509Certificate<'_>) -> AlternativeNames {
        Self::read(certificate, |extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
    }

    pub(super) fn of_issuer(certificate: &X509Certificate<'_>) -> AlternativeNames {
        Self::read(certificate, |extension| match extension {
            ParsedExtension::IssuerAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
    }

    fn read<'a, 'b: 'a>(
        certificate: &'a X509Certificate<'b>,
        names_of: impl Fn(&'a ParsedExtension<'b>) -> Option<&'a Vec<GeneralName<'b>>>,
    ) -> AlternativeNames {
        let extensions = certificate.iter_extensions();
        let lists = extensions.filter_map(|extension| names_of(extension.parsed_extension()));
        let mut names = AlternativeNames::default();
        for name in lists.flatten() {
            match name {
                GeneralName::RFC822Name(name) => names.rfc822_names.push((*name).to_owned()),
                GeneralName::DNSName(name) => names.dns_names.push((*name).to_owned()),
                GeneralName::DirectoryName(name) => {
                    names.directory_names.push(directory_name(name));
                }
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(octets) => names.ip_addresses.extend(ip_address(octets)),
                _ => {}
            }
        }
        names
    }
}

/// A name as AWS writes it: the most specific part first, kinds in lower case.
fn directory_name(name: &X509Name<'_>) -> String {
    let mut parts = parts(name);
    parts.reverse();
    for part in &mut parts {
        let kind = part.find('=').unwrap_or(0);
        part[..kind].make_ascii_lowercase();
    }
    parts.join(",")
}

/// A name as people read it: `C=US, O=IoT, CN=Bulb`.
pub(super) fn readable(name: &X509Name<'_>) -> String {
    parts(name).join(", ")
}

/// The parts of a name, special characters in them escaped (RFC 4514).
fn parts(name: &X509Name<'_>) -> Vec<String> {
    let pair = |attribute: &AttributeTypeAndValue<'_>| {
        let id = attribute.attr_type();
        let kind = oid2abbrev(id, oid_registry());
        let kind = kind.map_or_else(|_| id.to_id_string(), str::to_owned);
        Some(format!("{kind}={}", escaped(&text(attribute)?)))
    };
    let pairs = |part: &RelativeDistinguishedName<'_>| {
        let pairs: Vec<_> = part.iter().filter_map(pair).collect();
        pairs.join("+")
    };
    name.iter_rdn().map(pairs).collect()
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if ",\"\\+=<>;".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The text of an attribute; `None` for what is no text or in a set of characters that has gone
/// out of use.
fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let value = attribute.attr_value();
    if value.tag() == Tag::BmpString {
        let (pairs, []) = value.data.as_chunks() else {
            return None;
        };
        let units: Vec<_> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        return String::from_utf16(&units).ok();
    }
    attribute.as_str().ok().map(str::to_owned)
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).into())
}
