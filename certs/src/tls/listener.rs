//! TLS on one listener: from a connection to what is said within, and by whom.

use std::{io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::{
    HandshakeKind, ServerConfig, ServerConnection,
    server::{NoClientAuth, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Alpn, ClientCertificate, Material, Tls, TlsError, TlsSettings, TlsStream, TlsVersion,
    sessions::Sessions, stream::Watched, trust::provider, verifier::ClientVerifier,
};
use crate::certificate::Certificate;

/// How long a client that was refused may take to hear why.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much of what a refused client has sent already is read, so that it hears why: a connection
/// that is closed with bytes unread is reset, and the alert is lost with it.
const MAX_UNHEARD: u64 = 64 * 1024;

/// TLS on one listener.
pub struct TlsListener {
    tls: Arc<Tls>,
    settings: TlsSettings,
    ready: Mutex<Option<Ready>>,
}

/// What handshakes need, made of `material`.
#[derive(Clone)]
struct Ready {
    material: Arc<Material>,
    sessions: Sessions,
    acceptor: TlsAcceptor,
}

/// A connection after its handshake.
pub struct Accepted<S> {
    /// What is said within.
    pub stream: TlsStream<S>,
    /// The certificate that the client has shown, verified.
    pub certificate: Option<Arc<Certificate>>,
    /// What the client has chosen to speak.
    pub alpn: Option<Alpn>,
}

impl TlsListener {
    pub(super) fn new(tls: Arc<Tls>, settings: TlsSettings) -> TlsListener {
        TlsListener {
            tls,
            settings,
            ready: Mutex::default(),
        }
    }

    /// Does the server's side of a handshake; it is the caller who sees to it that it ends.
    ///
    /// # Errors
    /// What was wrong; the client has been told what it may know.
    pub async fn accept<S>(&self, stream: S) -> Result<Accepted<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let ready = self.ready()?;
        let handshake = ready.acceptor.accept(Watched::new(stream));
        let mut stream = match handshake.into_fallible().await {
            Ok(stream) => stream,
            Err((error, mut stream)) => {
                part(&mut stream).await;
                return Err(TlsError::in_handshake(&error, stream.first()));
            }
        };
        let (_, session) = stream.get_ref();
        match self.look_at(session, &ready.material) {
            Ok(certificate) => Ok(Accepted {
                certificate,
                alpn: session.alpn_protocol().and_then(Alpn::from_name),
                stream: TlsStream::new(stream),
            }),
            Err(error) => {
                part(&mut stream).await;
                Err(error)
            }
        }
    }

    /// Finds out who the client is by its certificate.
    fn look_at(
        &self,
        session: &ServerConnection,
        material: &Material,
    ) -> Result<Option<Arc<Certificate>>, TlsError> {
        let chain = session.peer_certificates().unwrap_or_default();
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return match self.settings.client_certificate {
                ClientCertificate::Required => Err(TlsError::NoCertificate),
                ClientCertificate::Optional | ClientCertificate::None => Ok(None),
            };
        };
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            // It was verified when the session began.
            material.trust.verify(end_entity, intermediates)?;
        }
        let certificate = Certificate::from_der(end_entity);
        let certificate = certificate.map_err(|error| TlsError::BadCertificate(error.0))?;
        Ok(Some(Arc::new(certificate)))
    }

    /// What handshakes need that begin.
    fn ready(&self) -> Result<Ready, TlsError> {
        let material = self.tls.material();
        let mut ready = self.ready.lock();
        if let Some(ready) = &*ready
            && Arc::ptr_eq(&ready.material, &material)
        {
            return Ok(ready.clone());
        }
        let sessions = match &*ready {
            Some(earlier) if material.resumes(&earlier.material) => earlier.sessions.clone(),
            _ => Sessions::new()?,
        };
        let config = self.config(&material, &sessions)?;
        let made = Ready {
            material,
            sessions,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        *ready = Some(made.clone());
        Ok(made)
    }

    fn config(&self, material: &Material, sessions: &Sessions) -> Result<ServerConfig, TlsError> {
        let versions: &[_] = match self.settings.min_version {
            TlsVersion::V1_2 => &[&TLS12, &TLS13],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let verifier = |is_mandatory| -> Arc<dyn ClientCertVerifier> {
            Arc::new(ClientVerifier::new(
                Arc::clone(&material.trust),
                is_mandatory,
            ))
        };
        let verifier = match self.settings.client_certificate {
            ClientCertificate::Required => verifier(true),
            ClientCertificate::Optional => verifier(false),
            ClientCertificate::None => Arc::new(NoClientAuth),
        };
        // The same for every name that a client asks for, and for those that name none.
        let server = SingleCertAndKey::from(Arc::clone(&material.server));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(server));
        config.alpn_protocols = Alpn::names();
        sessions.install(&mut config);
        Ok(config)
    }
}

/// Lets a client that is refused hear why.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let hearing = async {
        stream.shutdown().await?;
        let mut unheard = stream.take(MAX_UNHEARD);
        tokio::io::copy(&mut unheard, &mut tokio::io::sink()).await
    };
    // Whether it has listened makes no difference.
    let _: Option<io::Result<u64>> = timeout(FAREWELL, hearing).await.ok();
}
