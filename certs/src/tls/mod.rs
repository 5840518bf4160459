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
pub(crate) use trust::takes_list;

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
#[derive(Clone)]
struct Material {
    trust: Arc<Trust>,
    server: Arc<CertifiedKey>,
}

impl Tls {
    /// TLS with the certificates that `registry` takes.
    ///
    /// # Errors
    /// The credentials cannot be used.
    pub fn new(registry: &Arc<Registry>, server: &ServerCredentials) -> Result<Arc<Tls>, TlsError> {
        let material = Arc::new(Material {
            trust: Arc::new(Trust::new(registry)?),
            server: Arc::clone(server.certified_key()),
        });
        Ok(Arc::new(Tls {
            material: RwLock::new(material),
        }))
    }

    /// Takes the certificates that `registry` takes, in handshakes that begin; open connections
    /// go on. Sessions that were begun before are not resumed where that is something else.
    ///
    /// # Errors
    /// The registry's authorities or lists cannot be used, and all stays as it was.
    pub fn trust(&self, registry: &Arc<Registry>) -> Result<(), TlsError> {
        let trust = Arc::new(Trust::new(registry)?);
        self.change(|material| material.trust = trust);
        Ok(())
    }

    /// Shows `server` in handshakes that begin; open connections go on. Sessions that were begun
    /// before are not resumed where that is something else.
    pub fn show(&self, server: &ServerCredentials) {
        let server = Arc::clone(server.certified_key());
        self.change(|material| material.server = server);
    }

    /// TLS for a listener.
    #[must_use]
    pub fn listener(self: &Arc<Self>, settings: TlsSettings) -> TlsListener {
        TlsListener::new(Arc::clone(self), settings)
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.material.read())
    }

    fn change(&self, change: impl FnOnce(&mut Material)) {
        let mut latest = self.material.write();
        let mut material = Material::clone(&latest);
        change(&mut material);
        *latest = Arc::new(material);
    }
}

impl Material {
    /// Whether sessions that were begun with `earlier` may be resumed.
    fn resumes(&self, earlier: &Material) -> bool {
        self.server.cert == earlier.server.cert && self.trust.is_as(&earlier.trust)
    }
}
