//! TLS for the listeners: TLS 1.2 and 1.3, with what can change while connections are open.
//!
//! - What is trusted and what is shown are replaced at once for all handshakes that begin; open
//!   connections go on.
//! - A client's certificate is verified in every handshake, in those that resume a session too.
//! - All of it runs in the caller's task: a client that is silent or slow delays nobody else.
//!
//! Devices that speak nothing newer than TLS 1.1, or nothing but RSA key exchange or CBC, are not
//! served, and neither are certificates in X.509 version 1.

mod error;
mod listener;
mod protocol;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::sign::CertifiedKey;

use crate::{keys::ServerCredentials, registry::Registry};

pub use error::TlsError;
pub use listener::{Accepted, TlsListener};
pub use protocol::Alpn;
pub use stream::TlsStream;

use trust::Trust;

/// What all TLS listeners share and a reload replaces.
pub struct Tls {
    material: RwLock<Arc<Material>>,
}

/// What one listener asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TlsSettings {
    /// Whether clients show a certificate.
    pub client_certificate: ClientCertificate,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificate {
    /// All do.
    #[default]
    Required,
    /// Whoever has one does.
    Optional,
    /// None is asked for.
    None,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TlsVersion {
    #[default]
    V1_2,
    V1_3,
}

/// What handshakes are done with.
struct Material {
    trust: Arc<Trust>,
    server: Arc<CertifiedKey>,
}

impl Tls {
    /// TLS with the certificates that `registry` takes.
    ///
    /// # Errors
    /// The credentials cannot be used.
    pub fn new(registry: &Arc<Registry>, server: ServerCredentials) -> Result<Arc<Tls>, TlsError> {
        let material = RwLock::new(Material::new(registry, server)?);
        Ok(Arc::new(Tls { material }))
    }

    /// Replaces both for connections that come; those that are open go on. Sessions that were
    /// begun before are not resumed where what is trusted or shown has changed.
    ///
    /// # Errors
    /// The credentials cannot be used, and all stays as it was.
    pub fn replace(
        &self,
        registry: &Arc<Registry>,
        server: ServerCredentials,
    ) -> Result<(), TlsError> {
        let material = Material::new(registry, server)?;
        *self.material.write() = material;
        Ok(())
    }

    /// TLS for a listener.
    #[must_use]
    pub fn listener(self: &Arc<Self>, settings: TlsSettings) -> TlsListener {
        TlsListener::new(Arc::clone(self), settings)
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.material.read())
    }
}

impl Material {
    fn new(registry: &Arc<Registry>, server: ServerCredentials) -> Result<Arc<Material>, TlsError> {
        Ok(Arc::new(Material {
            trust: Arc::new(Trust::new(registry)?),
            server: Arc::clone(server.certified_key()),
        }))
    }

    /// Whether sessions that were begun with `earlier` may be resumed.
    fn resumes(&self, earlier: &Material) -> bool {
        self.server.cert == earlier.server.cert && self.trust.is_as(&earlier.trust)
    }
}
