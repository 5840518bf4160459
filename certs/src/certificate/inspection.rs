//! A certificate, told to a person.

use std::fmt;

use x509_parser::{
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519},
    public_key::PublicKey,
    x509::{SubjectPublicKeyInfo, X509Name},
};

use super::{Certificate, CertificateId, InvalidCertificate, names, parse};
use crate::clock;

const DAY: u64 = 24 * 60 * 60;

/// What there is to know about a certificate; as text, a line for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inspection {
    /// Whom it is about, as `CN=lamp, O=Perennial`.
    pub subject: String,
    /// Who has issued it.
    pub issuer: String,
    /// The other names of whom it is about, each with its kind.
    pub names: Vec<String>,
    /// The serial number in hex digits, as `openssl x509` shows it.
    pub serial_number: String,
    /// When it begins to be valid, in seconds since the Unix epoch.
    pub not_before: u64,
    /// The last second that it is valid in, in seconds since the Unix epoch.
    pub not_after: u64,
    /// The days that are left, rounded down; negative where it has expired.
    pub days_left: i64,
    /// The kind and size of the key.
    pub key: String,
    /// Whether it is an authority's.
    pub is_authority: bool,
    /// Its identifier in AWS IoT, which is its fingerprint by SHA-256.
    pub id: CertificateId,
}

impl Inspection {
    /// Looks at a certificate in DER.
    ///
    /// # Errors
    /// It is none.
    pub fn of(der: &[u8]) -> Result<Inspection, InvalidCertificate> {
        let certificate = Certificate::from_der(der)?;
        let parsed = parse(der)?;
        Ok(Inspection {
            subject: name(parsed.subject()),
            issuer: name(parsed.issuer()),
            names: alternative_names(&certificate),
            serial_number: hex(&parsed.serial.to_bytes_be()),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            days_left: days_left(certificate.not_after, clock::unix_seconds()),
            key: key(parsed.public_key()),
            is_authority: certificate.is_authority,
            id: certificate.id,
        })
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label, value: &str| writeln!(formatter, "{label:<12} {value}");
        line("subject", &self.subject)?;
        line("issuer", &self.issuer)?;
        if !self.names.is_empty() {
            line("names", &self.names.join(", "))?;
        }
        line("serial", &self.serial_number)?;
        let left = match self.days_left {
            ..=-1 => "expired".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        let (from, to) = (date(self.not_before), date(self.not_after));
        line("valid", &format!("{from} to {to}, {left}"))?;
        line("key", &self.key)?;
        line("authority", if self.is_authority { "yes" } else { "no" })?;
        write!(formatter, "{:<12} {}", "id", self.id)
    }
}

/// The day in UTC, as `2026-11-20`.
pub(crate) fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).map(time::OffsetDateTime::from_unix_timestamp);
    match time {
        Ok(Ok(time)) => time.date().to_string(),
        _ => "a day without a number".to_owned(),
    }
}

fn days_left(not_after: u64, now: u64) -> i64 {
    match not_after.checked_sub(now) {
        Some(left) => i64::try_from(left / DAY).unwrap_or(i64::MAX),
        None => -1 - i64::try_from((now - not_after) / DAY).unwrap_or(i64::MAX - 1),
    }
}

fn name(name: &X509Name<'_>) -> String {
    if name.iter_attributes().next().is_none() {
        return "nobody".to_owned();
    }
    printable(&names::readable(name))
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// A certificate from elsewhere must not write to the terminal what it likes.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn alternative_names(certificate: &Certificate) -> Vec<String> {
    let names = &certificate.alternative_names;
    let kinds = [
        ("DNS", &names.dns_names),
        ("mail", &names.rfc822_names),
        ("URI", &names.uris),
        ("name", &names.directory_names),
    ];
    let texts = kinds
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind} {name}")));
    let addresses = names.ip_addresses.iter().map(|ip| format!("IP {ip}"));
    texts
        .chain(addresses)
        .map(|name| printable(&name))
        .collect()
}

fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    if key.algorithm.algorithm == OID_SIG_ED25519 {
        return "Ed25519".to_owned();
    }
    match key.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA, {} bits", key.key_size()),
        Ok(PublicKey::EC(_)) => {
            let parameters = key.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
            match curve {
                Some(curve) if curve == OID_EC_P256 => "ECDSA, P-256".to_owned(),
                Some(curve) if curve == OID_NIST_EC_P384 => "ECDSA, P-384".to_owned(),
                Some(curve) if curve == OID_NIST_EC_P521 => "ECDSA, P-521".to_owned(),
                Some(curve) => format!("ECDSA, curve {curve}"),
                None => "ECDSA".to_owned(),
            }
        }
        _ => format!("of another kind ({})", key.algorithm.algorithm),
    }
}
