//! Certificates of authorities in PEM, each as a text of its own, as discovery hands them on.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use perennial_certs::{Certificate, InvalidCertificate};

/// The most bytes that a file with authorities has.
const MAX_FILE: u64 = 256 * 1024;

/// Characters in a line of PEM (RFC 7468, 2).
const LINE: usize = 64;

/// A certificate, as a rule of an authority.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) certificate: Certificate,
    /// The same alone in PEM.
    pub(super) pem: String,
}

impl Authority {
    /// An identifier of a group in the form of a UUID, which stays as long as the authority does.
    pub(super) fn as_uuid(&self) -> String {
        let id = self.certificate.id().to_string();
        let part = |range| id.get(range).unwrap_or_default();
        let parts = [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ];
        parts.join("-")
    }
}

/// The certificates in the file at `path`, at least one.
///
/// # Errors
/// The file cannot be read or has something else in it.
pub(super) fn from_file(path: &Path) -> Result<Vec<Authority>, AuthorityError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut text))
        .map_err(|source| AuthorityError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    from_pem(&text).map_err(|source| AuthorityError::NoCertificate {
        path: path.to_owned(),
        source,
    })
}

/// The certificates in `text`, at least one; what stands around them is left out.
pub(super) fn from_pem(text: &[u8]) -> Result<Vec<Authority>, InvalidCertificate> {
    let certificates = Certificate::read_pem(text)?.into_iter();
    let authority = |(der, certificate)| Authority {
        certificate,
        pem: pem(der),
    };
    Ok(certificates.map(authority).collect())
}

fn pem(der: Vec<u8>) -> String {
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (at, character) in BASE64_STANDARD.encode(der).char_indices() {
        if at > 0 && at % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}

/// The authorities of a core are not known.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file cannot be read.
    #[error("cannot read the certificates of authorities in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file has something else in it.
    #[error("{} has to hold the certificates of authorities in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: InvalidCertificate,
    },
}
