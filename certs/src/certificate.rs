//! X.509 certificates, as policies and people see them.

mod id;
mod inspection;
mod names;

#[cfg(test)]
mod tests;

use rustls::pki_types::pem::SectionKind;
use x509_parser::{certificate::X509Certificate, error::X509Error, prelude::FromDer};

pub(crate) use self::inspection::date;
pub use self::{
    id::CertificateId,
    inspection::Inspection,
    names::{AlternativeNames, Name, NameAttribute},
};
use crate::{clock, pem};

/// A certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    id: CertificateId,
    subject: Name,
    issuer: Name,
    alternative_names: AlternativeNames,
    issuer_alternative_names: AlternativeNames,
    serial_number: String,
    not_before: u64,
    not_after: u64,
    is_authority: bool,
    subject_der: Box<[u8]>,
    issuer_der: Box<[u8]>,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// It is none.
    pub fn from_der(der: &[u8]) -> Result<Certificate, InvalidCertificate> {
        let parsed = parse(der)?;
        let wrong =
            |what: &'static str| move |_| InvalidCertificate(format!("{what} is unreadable"));
        let constraints = parsed
            .basic_constraints()
            .map_err(wrong("its basic constraints"))?;
        Ok(Certificate {
            id: CertificateId::of(der),
            subject: Name::read(parsed.subject()),
            issuer: Name::read(parsed.issuer()),
            alternative_names: AlternativeNames::of_subject(&parsed),
            issuer_alternative_names: AlternativeNames::of_issuer(&parsed),
            serial_number: parsed.serial.to_string(),
            not_before: seconds(parsed.validity().not_before.timestamp()),
            not_after: seconds(parsed.validity().not_after.timestamp()),
            is_authority: constraints.is_some_and(|constraints| constraints.value.ca),
            subject_der: parsed.subject().as_raw().into(),
            issuer_der: parsed.issuer().as_raw().into(),
        })
    }

    /// Reads all certificates of a PEM text, each with its DER; at least one.
    ///
    /// # Errors
    /// The text holds none, or one that is wrong.
    pub fn read_pem(
        text: impl AsRef<[u8]>,
    ) -> Result<Vec<(Vec<u8>, Certificate)>, InvalidCertificate> {
        let sections = pem::sections(text.as_ref()).map_err(InvalidCertificate)?;
        let other = sections.first().map(|(kind, _)| pem::describe(*kind));
        let ders: Vec<_> = sections
            .into_iter()
            .filter_map(|(kind, der)| (kind == SectionKind::Certificate).then_some(der))
            .collect();
        if ders.is_empty() {
            return Err(InvalidCertificate(match other {
                Some(other) => format!("the file holds {other}, not a certificate"),
                None => "the file holds no `-----BEGIN CERTIFICATE-----`".to_owned(),
            }));
        }
        let is_chain = ders.len() > 1;
        let read = |(index, der): (usize, Vec<u8>)| match Certificate::from_der(&der) {
            Ok(certificate) => Ok((der, certificate)),
            Err(InvalidCertificate(message)) if is_chain => {
                let number = index + 1;
                Err(InvalidCertificate(format!(
                    "certificate {number}: {message}"
                )))
            }
            Err(error) => Err(error),
        };
        ders.into_iter().enumerate().map(read).collect()
    }

    /// Its identifier in AWS IoT.
    #[must_use]
    pub fn id(&self) -> CertificateId {
        self.id
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who has issued it.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The other names of whom it is about.
    #[must_use]
    pub fn alternative_names(&self) -> &AlternativeNames {
        &self.alternative_names
    }

    /// The other names of who has issued it.
    #[must_use]
    pub fn issuer_alternative_names(&self) -> &AlternativeNames {
        &self.issuer_alternative_names
    }

    /// The serial number as a decimal integer, as in the policies of AWS IoT.
    #[must_use]
    pub fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// When it begins to be valid, in seconds since the Unix epoch.
    #[must_use]
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// The last second that it is valid in, in seconds since the Unix epoch.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Whether it is valid at a time, in seconds since the Unix epoch.
    #[must_use]
    pub fn is_valid_at(&self, now: u64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether it is not valid at a time by the clock, in seconds since the Unix epoch: a clock that
    /// has not been set says nothing against it.
    #[must_use]
    pub fn is_untimely(&self, now: u64) -> bool {
        clock::is_plausible(now) && !self.is_valid_at(now)
    }

    /// Whether it is an authority's.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// The name of whom it is about in DER, to be compared with that of an issuer.
    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// The name of who has issued it in DER.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }
}

/// Reads a certificate for what [`Certificate`] does not keep.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, InvalidCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(InvalidCertificate(
            "there are bytes behind the certificate".to_owned(),
        )),
        Err(error) => Err(InvalidCertificate(format!("not a certificate: {error}"))),
    }
}

/// Whether a certificate names another as its issuer and is signed by its key.
pub(crate) fn is_issued_by(der: &[u8], issuer: &[u8]) -> Result<bool, InvalidCertificate> {
    let (parsed, issuer) = (parse(der)?, parse(issuer)?);
    if parsed.issuer().as_raw() != issuer.subject().as_raw() {
        return Ok(false);
    }
    Ok(match parsed.verify_signature(Some(issuer.public_key())) {
        // It is the clients who have to understand it.
        Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
        Err(_) => false,
    })
}

/// Times before 1970 are 1970.
fn seconds(timestamp: i64) -> u64 {
    timestamp.try_into().unwrap_or(0)
}

/// Not a certificate, or not the identifier of one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCertificate(pub(crate) String);
