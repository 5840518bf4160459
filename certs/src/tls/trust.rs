//! Which client certificates are taken, by one reading of the access directory.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{
    CertificateError, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::TlsError;
use crate::{certificate::Certificate, clock, registry::Registry};

/// Which client certificates are taken.
pub(super) struct Trust {
    registry: Arc<Registry>,
    /// Follows chains to the authorities; there is none without an authority.
    chains: Option<Arc<dyn ClientCertVerifier>>,
}

impl Trust {
    pub(super) fn new(registry: &Arc<Registry>) -> Result<Trust, TlsError> {
        let mut roots = RootCertStore::empty();
        for root in registry.roots() {
            roots
                .add(CertificateDer::from_slice(root))
                .map_err(|error| TlsError::Unusable(format!("the certificate of a CA: {error}")))?;
        }
        let chains = if roots.is_empty() {
            None
        } else {
            let revocations = registry.revocations().map(<[u8]>::to_vec);
            let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .with_crls(revocations.map(CertificateRevocationListDer::from))
                .allow_unknown_revocation_status()
                .build()
                .map_err(|error| TlsError::Unusable(format!("a CRL: {error}")))?;
            Some(chains)
        };
        Ok(Trust {
            registry: Arc::clone(registry),
            chains,
        })
    }

    /// Verifies all about a certificate but that its key is the client's.
    ///
    /// A certificate that is registered is taken whoever has issued it, unless its issuer is
    /// known here and has revoked it.
    pub(super) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let certificate =
            Certificate::from_der(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let now = match clock::unix_seconds() {
            now if clock::is_plausible(now) => now,
            // A clock that has not been set says nothing against a certificate.
            _ => certificate.not_before(),
        };
        let error = match self.follow(end_entity, intermediates, now) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_revoked = error == rustls::Error::from(CertificateError::Revoked);
        if is_revoked || !self.registry.is_registered(&certificate.id()) {
            Err(error)
        } else if now < certificate.not_before() {
            Err(CertificateError::NotValidYet.into())
        } else if now > certificate.not_after() {
            Err(CertificateError::Expired.into())
        } else {
            Ok(())
        }
    }

    /// Follows the chain to an authority.
    fn follow(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: u64,
    ) -> Result<(), rustls::Error> {
        let Some(chains) = &self.chains else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        chains.verify_client_cert(end_entity, intermediates, now)?;
        Ok(())
    }

    /// Whether both take the same certificates.
    pub(super) fn is_as(&self, other: &Trust) -> bool {
        self.registry.trust() == other.registry.trust()
    }
}

/// Whether TLS takes a list of what `issuer` has revoked; both in DER.
pub(crate) fn takes_list(list: &[u8], issuer: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    let issuer = roots.add(CertificateDer::from_slice(issuer));
    issuer.map_err(|error| format!("the certificate of its authority cannot be used: {error}"))?;
    let list = CertificateRevocationListDer::from(list.to_vec());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let built = verifier.with_crls([list]).build().map(drop);
    built.map_err(|error| {
        format!(
            "this list cannot be used ({error}): take one of version 2 with all that is revoked \
             (RFC 5280, section 5)"
        )
    })
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// The one implementation of cryptography in this process.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
