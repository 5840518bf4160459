//! A broker behind TLS, with clients of rustls' own.

use std::{future::ready, net::SocketAddr, sync::Mutex, time::Duration};

use perennial_broker::{
    Broker, Client, Connecting, Gate, Hooks, Intakes, Limits, ListenAddress, ListenerConfig,
    Reason,
    store::{Durability, Store, StoreConfig},
};
use perennial_certs::{
    Authority, Directory, Issued, KeyKind, Registry, ServerCredentials, ServerName, Tls,
    TlsSettings,
};
use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{self, CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::*;

const NAME: &str = "gateway.test";

/// No client has a reason to wait for this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// Lets everybody do everything, and remembers who has connected.
#[derive(Default)]
struct Guests(Mutex<Vec<(String, Option<Arc<Certificate>>)>>);

impl Hooks for Guests {
    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        let client = connecting.client;
        let shown = client.principal.as_ref().map(|principal| {
            let Shown(certificate) = principal.downcast_ref().unwrap();
            Arc::clone(certificate)
        });
        self.0.lock().unwrap().push((client.id.to_string(), shown));
        Box::pin(ready(Ok(client.principal.clone())))
    }

    fn publish(&self, _: &Client, _: &TopicName) -> Result<Intakes, Reason> {
        Ok(Intakes::new())
    }

    fn retain(&self, _: &Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &Client, _: &TopicFilter) -> Result<(), Reason> {
        Ok(())
    }

    fn deliver(&self, _: &Client, _: &TopicName, _: Option<&Client>) -> bool {
        true
    }
}

/// A broker that listens with TLS and requires certificates.
struct Served {
    guests: Arc<Guests>,
    broker: Broker,
    address: SocketAddr,
    authority: Authority,
    _folder: TempDir,
}

impl Served {
    async fn new() -> Served {
        let folder = TempDir::new().unwrap();
        let directory = Directory::new(folder.path().join("access"));
        let authority = Authority::create(&directory, KeyKind::Ecdsa, "Test CA").unwrap();
        let name = ServerName::Dns(NAME.to_owned());
        authority.issue_server(&[name]).unwrap();
        let files = (directory.server_certificate(), directory.server_key());
        let server = ServerCredentials::load(&files.0, &files.1).unwrap();
        let registry = Arc::new(Registry::load(&directory).unwrap());
        let tls = Tls::new(&registry, &server).unwrap();

        let store = Store::open(StoreConfig {
            path: folder.path().join("store"),
            durability: Durability::Os,
            memory: StoreConfig::MEMORY,
        });
        let guests = Arc::new(Guests::default());
        let hooks = Arc::clone(&guests) as Arc<dyn Hooks>;
        let mut broker = Broker::open(Limits::default(), hooks, store.unwrap()).unwrap();
        let config = ListenerConfig::new(ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()));
        let gate = Gate {
            secure: Some(Arc::new(TlsGate(tls.listener(TlsSettings::default())))),
            ..Gate::default()
        };
        let bound = broker.listen(config, gate).await.unwrap();
        Served {
            guests,
            broker,
            address: bound.tcp().unwrap(),
            authority,
            _folder: folder,
        }
    }

    fn device(&self, name: &str) -> Issued {
        let thing = name.parse().unwrap();
        self.authority.issue_device(&thing, KeyKind::Ecdsa).unwrap()
    }

    /// What a client with this certificate says hello with.
    fn client(&self, device: &Issued) -> Arc<ClientConfig> {
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate(self.authority.certificate_pem()))
            .unwrap();
        let key = device.key_pem.as_ref().unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate(&device.certificate_pem)],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            );
        Arc::new(config.unwrap())
    }

    /// Connects, with MQTT too.
    async fn connect(
        &self,
        config: &Arc<ClientConfig>,
        client_id: &str,
    ) -> client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let name = pki_types::ServerName::try_from(NAME).unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(&connect(client_id)).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
        stream
    }
}

/// CONNECT of MQTT 3.1.1 with a clean session.
fn connect(client_id: &str) -> Vec<u8> {
    let length = client_id.len() as u8;
    let mut packet = vec![0x10, 12 + length, 0, 4];
    packet.extend_from_slice(b"MQTT\x04\x02\0\0\0");
    packet.push(length);
    packet.extend_from_slice(client_id.as_bytes());
    packet
}

#[tokio::test]
async fn a_client_is_who_its_certificate_says() {
    let served = Served::new().await;
    let device = served.device("lamp");
    let _stream = served.connect(&served.client(&device), "lamp").await;
    let guests = served.guests.0.lock().unwrap();
    let (client_id, certificate) = &guests[0];
    assert_eq!(client_id, "lamp");
    assert_eq!(**certificate.as_ref().unwrap(), device.certificate);
}

#[tokio::test]
async fn clients_that_are_silent_or_stop_halfway_delay_nobody() {
    let served = Served::new().await;
    let mut others = Vec::new();
    for number in 0..500 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a ClientHello of 512 bytes.
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        }
        others.push(stream);
    }
    let client = served.client(&served.device("lamp"));
    let connecting = async {
        for number in 0..20 {
            served.connect(&client, &format!("lamp-{number}")).await;
        }
    };
    timeout(Duration::from_secs(5), connecting).await.unwrap();
    assert_eq!(served.guests.0.lock().unwrap().len(), 20);
    // They were there all the time.
    assert!(
        others
            .iter()
            .all(|stream| stream.try_read(&mut [0]).is_err())
    );
    assert_eq!(served.broker.counters().tls_handshakes_failed, 0);
}

#[tokio::test]
async fn a_handshake_that_fails_is_counted_and_harms_nobody() {
    let served = Served::new().await;
    let client = served.client(&served.device("lamp"));
    let mut lamp = served.connect(&client, "lamp").await;
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(&connect("plain")).await.unwrap();
    plain.shutdown().await.unwrap();
    let mut alert = Vec::new();
    let closing = plain.read_to_end(&mut alert);
    timeout(DEADLINE, closing).await.unwrap().unwrap();
    let counting = async {
        while served.broker.counters().tls_handshakes_failed != 1 {
            yield_now().await;
        }
    };
    timeout(DEADLINE, counting).await.unwrap();

    lamp.write_all(&[0xC0, 0]).await.unwrap();
    let mut answer = [0; 2];
    let answering = lamp.read_exact(&mut answer);
    timeout(DEADLINE, answering).await.unwrap().unwrap();
    assert_eq!(answer, [0xD0, 0]);
}

#[tokio::test]
async fn a_broker_that_stops_says_goodbye_within_tls() {
    let served = Served::new().await;
    let mut lamp = served
        .connect(&served.client(&served.device("lamp")), "lamp")
        .await;
    served.broker.stop().await;
    let mut rest = Vec::new();
    let reading = lamp.read_to_end(&mut rest);
    assert_eq!(timeout(DEADLINE, reading).await.unwrap().unwrap(), 0);
}
