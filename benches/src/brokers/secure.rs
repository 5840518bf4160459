//! Brokers behind TLS: both show the same kind of certificate and require one of the clients.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use perennial_certs::{Authority, Directory, Issued, KeyKind, ServerName};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{Broker, Keeps, Running, Setup, config, free_address};
use crate::endpoint::{Endpoint, NAME};

/// A broker that runs and listens with TLS, too.
pub(crate) struct Secured {
    pub(crate) running: Running,
    address: SocketAddr,
    keys: Keys,
}

/// What clients need.
struct Keys {
    authority: String,
    device: Issued,
}

impl Broker {
    /// As [`start`](Self::start), with a second listener that requires certificates.
    pub(crate) fn start_secured(&self, parent: &Path) -> io::Result<Secured> {
        let address = free_address()?;
        let mut keys = None;
        let running = self.launch(parent, |plain, directory| {
            let access = Directory::new(directory.join("access"));
            keys = Some(make_keys(&access)?);
            Ok(match self {
                Self::Gateway(_, setup) => gateway(plain, address, directory, *setup, &access),
                _ => mosquitto(plain, address, directory, &access),
            })
        })?;
        Ok(Secured {
            running,
            address,
            keys: keys.ok_or_else(|| io::Error::other("no keys were made"))?,
        })
    }
}

impl Secured {
    /// How a client reaches it that has a certificate and keeps sessions of its own, if it does.
    pub(crate) fn endpoint(
        &self,
        version: &'static SupportedProtocolVersion,
        resumes: bool,
    ) -> io::Result<Endpoint> {
        let config = self.keys.client(version, resumes)?;
        Ok(Endpoint::secure(self.address, Arc::new(config)))
    }
}

impl Keys {
    fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        resumes: bool,
    ) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let added = roots.add(certificate(&self.authority)?);
        added.map_err(io::Error::other)?;
        let key = self.device.key_pem.as_deref().unwrap_or_default();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
        let chain = vec![certificate(&self.device.certificate_pem)?];
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .and_then(|client| {
                let client = client.with_root_certificates(roots);
                client.with_client_auth_cert(chain, key)
            })
            .map_err(io::Error::other)?;
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(config)
    }
}

fn certificate(pem: &str) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)
}

/// Makes an authority, a certificate for the listeners and one for the clients; the gateway lets
/// these do everything.
fn make_keys(access: &Directory) -> io::Result<Keys> {
    let wrong = |problem: perennial_certs::Problem| io::Error::other(problem.to_string());
    let authority = Authority::create(access, KeyKind::Ecdsa, "CA of the bench").map_err(wrong)?;
    let name = ServerName::Dns(NAME.to_owned());
    authority.issue_server(&[name]).map_err(wrong)?;
    let thing = "bench".parse().map_err(io::Error::other)?;
    let device = authority.issue_device(&thing, KeyKind::Ecdsa);
    let device = device.map_err(wrong)?;
    for folder in [access.things(), access.policies()] {
        fs::create_dir_all(folder)?;
    }
    let id = device.certificate.id();
    fs::write(
        access.thing(&thing),
        format!("policies = [\"all\"]\n[[certificate]]\nid = \"{id}\"\n"),
    )?;
    fs::write(
        access.policies().join("all.json"),
        r#"{"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}"#,
    )?;
    Ok(Keys {
        authority: authority.certificate_pem().to_owned(),
        device,
    })
}

fn mosquitto(
    plain: SocketAddr,
    address: SocketAddr,
    directory: &Path,
    access: &Directory,
) -> String {
    // Started by root it would become a user who may not read the key. Of itself it sends the last
    // part of an answer 40 ms late, which has nothing to do with TLS.
    format!(
        "{}user root\nset_tcp_nodelay true\nlistener {} {}\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\nuse_identity_as_username true\n",
        config::mosquitto(plain, directory, Keeps::Default),
        address.port(),
        address.ip(),
        access.authority_certificate().display(),
        access.server_certificate().display(),
        access.server_key().display(),
    )
}

fn gateway(
    plain: SocketAddr,
    address: SocketAddr,
    directory: &Path,
    setup: Setup,
    access: &Directory,
) -> String {
    format!(
        r#"{}
[access]
directory = {:?}
client_id = "any"
names = ["{NAME}"]

[[listener]]
address = "{address}"
[listener.tls]
"#,
        config::gateway(plain, directory, setup, Keeps::Default),
        access.path(),
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    use perennial_certs::{Registry, ServerCredentials, Tls, TlsSettings};
    use rustls::version::{TLS12, TLS13};
    use tempfile::TempDir;

    use super::*;

    /// Sends what one client says back to it.
    fn echo(listener: TcpListener, access: &Directory) -> io::Result<u64> {
        let files = (access.server_certificate(), access.server_key());
        let server = ServerCredentials::load(&files.0, &files.1).unwrap();
        let tls = Tls::new(&Arc::new(Registry::load(access).unwrap()), &server).unwrap();
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build()?.block_on(async {
            let socket = tokio::net::TcpStream::from_std(socket)?;
            let accepted = tls.listener(TlsSettings::default()).accept(socket).await;
            let (mut from, mut to) = tokio::io::split(accepted.unwrap().stream);
            tokio::io::copy(&mut from, &mut to).await
        })
    }

    #[test]
    fn what_is_said_comes_whole_over_a_socket_that_does_not_block() {
        for version in [&TLS12, &TLS13] {
            let folder = TempDir::new().unwrap();
            let access = Directory::new(folder.path().join("access"));
            let keys = make_keys(&access).unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let echoing = thread::spawn(move || echo(listener, &access));

            let config = Arc::new(keys.client(version, false).unwrap());
            let endpoint = Endpoint::secure(address, config);
            let socket = TcpStream::connect(address).unwrap();
            let mut stream = endpoint.open(socket).unwrap();
            stream.socket().set_nonblocking(true).unwrap();
            let said: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
            let (mut sent, mut heard) = (0, Vec::new());
            let deadline = Instant::now() + Duration::from_secs(60);
            let mut buffer = vec![0; 100_000];
            while heard.len() < said.len() {
                assert!(Instant::now() < deadline, "{} came", heard.len());
                match stream.write(&said[sent..]) {
                    Ok(written) => sent += written,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                match stream.read(&mut buffer) {
                    Ok(read) => heard.extend_from_slice(&buffer[..read]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert!(heard == said && !stream.holds_back());
            drop(stream);
            // It was cut off without a goodbye within TLS.
            assert!(echoing.join().unwrap().is_err());
        }
    }
}
