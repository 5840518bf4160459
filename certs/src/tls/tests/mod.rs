//! TLS with clients of rustls' own, over a pipe in memory.

mod clients;
mod handshakes;
mod pki;
mod sessions;

use std::{fs, io, sync::Arc};

use rustls::{
    AlertDescription, ClientConfig, Error, HandshakeKind, RootCertStore,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsConnector, client};

use self::pki::{Ca, Device, server};
use super::*;
use crate::{certificate::Certificate, directory::Directory};

/// What the server is called.
const NAME: &str = "gateway.test";

/// An access directory with an authority of its own and a server's certificate by it.
struct World {
    folder: TempDir,
    ca: Ca,
}

/// What came of a handshake on both sides.
struct Meeting {
    server: Result<Accepted<DuplexStream>, TlsError>,
    client: Result<client::TlsStream<DuplexStream>, Error>,
}

impl World {
    fn new() -> World {
        let world = World {
            folder: TempDir::new().unwrap(),
            ca: Ca::new("Own CA"),
        };
        world.write("ca.pem", &world.ca.pem());
        world.show(&world.ca);
        world
    }

    fn directory(&self) -> Directory {
        Directory::new(self.folder.path())
    }

    fn write(&self, file: &str, text: &str) {
        pki::write(&self.folder.path().join(file), text);
    }

    /// Lets the server show a new certificate by `ca`.
    fn show(&self, ca: &Ca) {
        let (chain, key) = server(ca, NAME);
        self.write("server.pem", &chain);
        self.write("server.key", &key);
    }

    /// Attaches the device's certificate to a thing.
    fn register(&self, device: &Device, status: &str) {
        let id = Certificate::from_der(device.certificate()).unwrap().id();
        let text = format!("[[certificate]]\nid = \"{id}\"\nstatus = \"{status}\"\n");
        self.write(&format!("things/{}.toml", device.name), &text);
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::new(Registry::load(&self.directory()).unwrap())
    }

    fn credentials(&self) -> ServerCredentials {
        let directory = self.directory();
        let files = (directory.server_certificate(), directory.server_key());
        ServerCredentials::load(&files.0, &files.1).unwrap()
    }

    fn tls(&self) -> Arc<Tls> {
        Tls::new(&self.registry(), &self.credentials()).unwrap()
    }

    /// Has `tls` take over what the directory holds.
    fn reload(&self, tls: &Tls) {
        tls.trust(&self.registry()).unwrap();
        tls.show(&self.credentials());
    }

    /// A listener that asks for certificates as told.
    fn listener(&self, client_certificate: ClientCertificate) -> TlsListener {
        self.tls().listener(TlsSettings {
            client_certificate,
            ..TlsSettings::default()
        })
    }

    /// A client that trusts this gateway, and shows a device's certificate if there is one.
    fn client(&self, version: TlsVersion, device: Option<&Device>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate()).unwrap();
        let versions: &[_] = match version {
            TlsVersion::V1_2 => &[&TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let client = ClientConfig::builder_with_provider(trust::provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match device {
            Some(device) => client
                .with_client_auth_cert(device.chain.clone(), device.key())
                .unwrap(),
            None => client.with_no_client_auth(),
        }
    }
}

const VERSIONS: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

/// Lets a client connect by the server's name.
async fn meet(listener: &TlsListener, client: &Arc<ClientConfig>) -> Meeting {
    meet_as(listener, client, NAME).await
}

/// Lets a client connect to `name`; both sides have heard of each other when it is over.
async fn meet_as(listener: &TlsListener, client: &Arc<ClientConfig>, name: &str) -> Meeting {
    let (here, there) = duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serving = async {
        let mut accepted = listener.accept(here).await?;
        accepted.stream.write_all(b"come in").await.unwrap();
        accepted.stream.flush().await.unwrap();
        Ok(accepted)
    };
    let connecting = async {
        let connector = TlsConnector::from(Arc::clone(client));
        let mut stream = connector.connect(name, there).await?;
        // In TLS 1.3 what the server thinks of the client comes with the first that it says.
        stream.read_exact(&mut [0; 7]).await?;
        Ok(stream)
    };
    let (server, client): (_, io::Result<_>) = tokio::join!(serving, connecting);
    Meeting {
        server,
        client: client.map_err(|error| of_rustls(&error)),
    }
}

/// What rustls has said of an error.
fn of_rustls(error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause.cloned().unwrap_or_else(|| panic!("{error}"))
}

impl Meeting {
    /// Why the server has refused the client, and what the client has heard of it.
    fn refusal(self) -> (TlsError, AlertDescription) {
        match (self.server.map(drop), self.client.map(drop)) {
            (Err(error), Err(Error::AlertReceived(alert))) => (error, alert),
            other => panic!("not refused with an alert: {other:?}"),
        }
    }

    /// The certificate that the server has seen, and whether a session was resumed.
    fn seen(&self) -> (Option<&Certificate>, bool) {
        let accepted = self.server.as_ref().map_err(ToString::to_string).unwrap();
        let (_, client) = self.client.as_ref().unwrap().get_ref();
        let is_resumed = client.handshake_kind() == Some(HandshakeKind::Resumed);
        (accepted.certificate.as_deref(), is_resumed)
    }
}
