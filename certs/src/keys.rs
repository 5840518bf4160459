//! What a server shows: a chain of certificates and the key to the first.
//!
//! The file of the key may hold several: the one that goes with the certificate is taken. That is
//! how both files are replaced one after the other and go together at every moment in between.

pub(crate) mod private;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, SigningKey},
};

use crate::{
    authority::ServerName,
    certificate::{self, Certificate, InvalidCertificate, date},
    clock, files,
    files::problem,
    registry::Problem,
};

/// A chain of certificates and the key to the first.
pub struct ServerCredentials {
    certificate: Certificate,
    not_after: u64,
    certified: Arc<CertifiedKey>,
}

impl ServerCredentials {
    /// Reads a chain and its key.
    ///
    /// # Errors
    /// A file cannot be read, others may read the key, the key is encrypted or of another
    /// certificate, or the chain is broken or not valid at this time.
    pub fn load(certificate: &Path, key: &Path) -> Result<ServerCredentials, Problem> {
        Self::load_at(certificate, key, clock::unix_seconds())
    }

    pub(crate) fn load_at(
        path: &Path,
        key_path: &Path,
        now: u64,
    ) -> Result<ServerCredentials, Problem> {
        // The certificate first: a key that is replaced meanwhile is there beside the old one.
        let wrong = |InvalidCertificate(message)| problem(path, message);
        let chain = Certificate::read_pem(files::read(path)?).map_err(wrong)?;
        check_chain(&chain, now).map_err(|message| problem(path, message))?;
        let public_key = chain[0].0.as_slice();
        let public_key = certificate::parse(public_key).map_err(wrong)?;
        let public_key = public_key.public_key().raw;
        let key = matching(path, key_path, private::load(key_path)?, public_key)?;

        let not_after = chain.iter().map(|(_, certificate)| certificate.not_after());
        let not_after = not_after.min().unwrap_or_default();
        let certificate = chain[0].1.clone();
        let ders = chain.into_iter().map(|(der, _)| CertificateDer::from(der));
        Ok(ServerCredentials {
            certificate,
            not_after,
            certified: Arc::new(CertifiedKey::new(ders.collect(), key)),
        })
    }

    /// The first certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The last second that the chain is valid in, in seconds since the Unix epoch.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Whether the certificate is for all of these names.
    #[must_use]
    pub fn covers(&self, names: &[ServerName]) -> bool {
        let own = self.certificate.alternative_names();
        names.iter().all(|name| match name {
            ServerName::Dns(name) => own
                .dns_names
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name)),
            ServerName::Ip(address) => own.ip_addresses.contains(address),
        })
    }

    /// Whether the first certificate is issued by the one with this DER.
    pub(crate) fn is_issued_by(&self, issuer: &[u8]) -> bool {
        let own = self.certified.cert.first();
        own.is_some_and(|own| certificate::is_issued_by(own, issuer).unwrap_or(false))
    }

    /// The same as rustls wants it.
    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl fmt::Debug for ServerCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerCredentials")
            .field("certificate", &self.certificate.id())
            .finish_non_exhaustive()
    }
}

/// The key to the certificate, out of those in the file.
fn matching(
    certificate: &Path,
    path: &Path,
    keys: Vec<PrivateKeyDer<'static>>,
    public_key: &[u8],
) -> Result<Arc<dyn SigningKey>, Problem> {
    let mut unusable = None;
    for key in keys {
        match any_supported_type(&key) {
            Ok(key) if key.public_key().is_some_and(|own| *own == *public_key) => return Ok(key),
            Ok(_) => {}
            Err(error) => unusable = Some(error),
        }
    }
    let message = match unusable {
        Some(error) => format!(
            "the private key cannot be used ({error}): take RSA of 2048 to 4096 bits, ECDSA on \
             P-256 or P-384, or Ed25519"
        ),
        None => format!(
            "the private key is not the one to the certificate in {}: give the key that the \
             certificate was made with, or have a new certificate made",
            certificate.display()
        ),
    };
    Err(problem(path, message))
}

/// Whether each certificate is valid and issued by the next.
fn check_chain(chain: &[(Vec<u8>, Certificate)], now: u64) -> Result<(), String> {
    for (index, (_, certificate)) in chain.iter().enumerate() {
        let number = index + 1;
        if certificate.not_after() < now {
            let day = date(certificate.not_after());
            return Err(format!(
                "certificate {number} has expired on {day}: put a valid one in its place"
            ));
        }
        // A clock that has not been set says nothing: a gateway without a battery starts with it
        // and is right once it has the time from the network.
        if now < certificate.not_before() && clock::is_plausible(now) {
            let (from, today) = (date(certificate.not_before()), date(now));
            return Err(format!(
                "certificate {number} is valid from {from} and by the clock of this machine it \
                 is {today}: set the clock, or take a certificate that is valid"
            ));
        }
    }
    for (index, pair) in chain.windows(2).enumerate() {
        let is_issued = certificate::is_issued_by(&pair[0].0, &pair[1].0);
        if !is_issued.map_err(|InvalidCertificate(message)| message)? {
            let (number, next) = (index + 1, index + 2);
            return Err(format!(
                "certificate {number} is not issued by certificate {next}: put each certificate \
                 before that of its issuer, the server's own first"
            ));
        }
    }
    Ok(())
}
