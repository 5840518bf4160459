//! What AWS IoT calls certificates.

use std::{fmt, str::FromStr};

use ring::digest;

use super::InvalidCertificate;

/// What AWS IoT calls a certificate: the SHA-256 of its DER, as 64 hex digits in lower case.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CertificateId([u8; 32]);

impl CertificateId {
    /// The identifier of the certificate with this DER.
    pub(super) fn of(der: &[u8]) -> CertificateId {
        let mut id = [0; 32];
        id.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        CertificateId(id)
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateId({self})")
    }
}

impl FromStr for CertificateId {
    type Err = InvalidCertificate;

    /// Reads 64 hex digits; colons and upper case are taken, as `openssl x509 -fingerprint` has
    /// them.
    fn from_str(text: &str) -> Result<CertificateId, InvalidCertificate> {
        let mut digits = text.chars().filter(|digit| *digit != ':');
        let mut digit = || digits.next().and_then(|digit| digit.to_digit(16));
        let mut id = [0; 32];
        for byte in &mut id {
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(invalid());
            };
            *byte = u8::try_from(high << 4 | low).unwrap_or_default();
        }
        match digits.next() {
            None => Ok(CertificateId(id)),
            Some(_) => Err(invalid()),
        }
    }
}

fn invalid() -> InvalidCertificate {
    InvalidCertificate("the identifier of a certificate has 64 hex digits".to_owned())
}
