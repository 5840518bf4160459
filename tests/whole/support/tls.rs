//! TLS by a client of which the test decides what it shows and speaks.

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::support::{
    site::Device,
    web_socket::WebSocket,
    wire::{Wire, patient},
};

/// The versions of TLS that the gateway speaks.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A connection within TLS.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the gateway's authority.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    ca: PathBuf,
    /// The certificate that it shows, and the key to it.
    shown: Option<(PathBuf, PathBuf)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    speaks: Vec<Vec<u8>>,
}

impl TlsClient {
    /// A client that shows no certificate.
    pub(crate) fn anonymous(ca: &Path) -> Self {
        Self {
            ca: ca.to_owned(),
            shown: None,
            versions: VERSIONS.to_vec(),
            speaks: Vec::new(),
        }
    }

    /// A client that shows the certificate of `device`.
    pub(crate) fn of(device: &Device) -> Self {
        Self::anonymous(&device.ca).showing(&device.certificate, &device.key)
    }

    /// The same with another certificate.
    pub(crate) fn showing(self, certificate: &Path, key: &Path) -> Self {
        let shown = Some((certificate.to_owned(), key.to_owned()));
        Self { shown, ..self }
    }

    /// The same in one version.
    pub(crate) fn only(self, version: &'static SupportedProtocolVersion) -> Self {
        let versions = vec![version];
        Self { versions, ..self }
    }

    /// The same with a name for ALPN.
    pub(crate) fn speaking(self, protocol: &str) -> Self {
        let speaks = vec![protocol.as_bytes().to_vec()];
        Self { speaks, ..self }
    }

    /// Opens a connection for MQTT; the handshake is done when something is said.
    #[track_caller]
    pub(crate) fn open(&self, address: SocketAddr) -> Wire<Stream> {
        Wire::within(self.connect(address))
    }

    /// The same for WebSocket.
    #[track_caller]
    pub(crate) fn web(&self, address: SocketAddr) -> WebSocket<Stream> {
        WebSocket::within(self.connect(address))
    }

    /// The alert with which the gateway refuses the handshake.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub(crate) fn refusal(&self, address: SocketAddr) -> AlertDescription {
        let error = self.failure(address);
        alert(&error).unwrap_or_else(|| panic!("no alert but {error}"))
    }

    /// What the client finds that is not taken, be it an alert or the end.
    ///
    /// # Panics
    /// The gateway says something, or goes on waiting.
    #[track_caller]
    pub(crate) fn failure(&self, address: SocketAddr) -> io::Error {
        // In TLS 1.3 the client has done its part before the gateway sees its certificate.
        let read = self.connect(address).read(&mut [0]);
        let error = read.expect_err("the gateway said something instead of an alert");
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "the gateway waits");
        error
    }

    /// The certificate in DER that the gateway shows.
    #[track_caller]
    pub(crate) fn shown_by(&self, address: SocketAddr) -> Vec<u8> {
        let mut stream = self.connect(address);
        let done = stream.conn.complete_io(&mut stream.sock);
        done.expect("a handshake");
        let chain = stream.conn.peer_certificates().expect("a certificate");
        chain[0].to_vec()
    }

    #[track_caller]
    fn connect(&self, address: SocketAddr) -> Stream {
        let stream = TcpStream::connect(address).expect("the gateway takes connections");
        patient(&stream);
        let name = "localhost".try_into().expect("a host name");
        let connection = ClientConnection::new(Arc::new(self.config()), name);
        StreamOwned::new(connection.expect("a client of TLS"), stream)
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.ca));
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("versions that the provider has")
            .with_root_certificates(roots);
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                builder
                    .with_client_auth_cert(certificates(certificate), key)
                    .expect("a key that belongs to the certificate")
            }
        };
        config.alpn_protocols.clone_from(&self.speaks);
        config
    }
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .expect("a file with certificates")
        .collect::<Result<_, _>>()
        .expect("certificates")
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}
