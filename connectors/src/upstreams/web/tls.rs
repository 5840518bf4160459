//! Whom a TLS connection trusts, and as whom it goes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use crate::chain::chain;

/// The files of a TLS client; they are read for each client anew, so that renewed
/// certificates are picked up.
#[derive(Clone, Debug)]
pub(in crate::upstreams) struct TlsFiles {
    pub(in crate::upstreams) trust: Trust,
    /// The certificate in PEM, with its chain, that the client shows, and its private key.
    pub(in crate::upstreams) identity: Option<(PathBuf, PathBuf)>,
}

/// The certificates that are trusted.
#[derive(Clone, Debug)]
pub(in crate::upstreams) enum Trust {
    /// None: no connection is one of TLS.
    Nobody,
    /// Those of the system.
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
}

/// What is wrong with the files, worded for a person.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} has no {wanted} in PEM")]
    Pem {
        path: PathBuf,
        wanted: &'static str,
        source: pem::Error,
    },
    #[error("{path} has a certificate that cannot be trusted")]
    Ca {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("the system has no certificates to trust; name them with `{key}`: {problems}")]
    NoRoots { key: &'static str, problems: String },
    #[error("{certificate} and {key} are not a certificate and its private key")]
    Identity {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
    #[error("TLS cannot be set up")]
    Versions(#[source] rustls::Error),
}

impl TlsFiles {
    /// Reads the files; `ca_key` is the parameter that names the trusted certificates.
    pub(super) fn load(&self, ca_key: &'static str) -> Result<ClientConfig, TlsError> {
        let roots = match &self.trust {
            Trust::Nobody => RootCertStore::empty(),
            Trust::System => system_roots(ca_key)?,
            Trust::File(path) => roots_in(path)?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        builder
            .with_client_auth_cert(certificates_in(certificate)?, key_in(key)?)
            .map_err(|source| TlsError::Identity {
                certificate: certificate.clone(),
                key: key.clone(),
                source,
            })
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(path)? {
        roots.add(certificate).map_err(|source| TlsError::Ca {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

fn system_roots(key: &'static str) -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let problems: Vec<_> = found.errors.iter().map(|error| chain(error)).collect();
        return Err(TlsError::NoRoots {
            key,
            problems: problems.join("; "),
        });
    }
    Ok(roots)
}

/// At least one certificate.
fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let wrong = |source| TlsError::Pem {
        path: path.to_owned(),
        wanted: "certificate",
        source,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(source) => Err(wrong(source)),
    }
}

fn key_in(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        wanted: "private key",
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}
