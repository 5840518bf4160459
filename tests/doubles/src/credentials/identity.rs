//! The CA, the server's certificate and the client's, made for one double.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

/// A CA and what it signed; the files go with it.
pub(super) struct Identity {
    authority: Authority,
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) private_key: PathBuf,
    _folder: TempDir,
}

impl Identity {
    /// Makes all of it, in a temporary folder.
    pub(super) fn create() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let identity = Self {
            authority: Authority::create()?,
            ca: folder.path().join("ca.pem"),
            certificate: folder.path().join("certificate.pem"),
            private_key: folder.path().join("private-key.pem"),
            _folder: folder,
        };
        fs::write(&identity.ca, &identity.authority.pem)?;
        identity.renew()?;
        Ok(identity)
    }

    /// Writes a new certificate for the client.
    pub(super) fn renew(&self) -> io::Result<()> {
        self.write_client(&self.authority)
    }

    /// Writes a certificate for the client that looks alike and is not good.
    pub(super) fn forge(&self) -> io::Result<()> {
        self.write_client(&Authority::create()?)
    }

    /// The server's side of TLS: clients need a certificate of the CA.
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let (certificate, key) = self
            .authority
            .sign("localhost", ExtendedKeyUsagePurpose::ServerAuth)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.der.clone())
            .map_err(io::Error::other)?;
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn write_client(&self, authority: &Authority) -> io::Result<()> {
        let (certificate, key) = authority.sign("device", ExtendedKeyUsagePurpose::ClientAuth)?;
        replace(&self.certificate, &certificate.pem())?;
        replace(&self.private_key, &key.serialize_pem())
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn create() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "a CA for a test");
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    fn sign(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> io::Result<(rcgen::Certificate, KeyPair)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.extended_key_usages = vec![purpose];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok((certificate, key))
    }
}

/// Whoever reads the file meanwhile sees the old one or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}
