//! Which certificates are taken from clients.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::date_time_ymd;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring::sign::any_supported_type,
    sign::{CertifiedKey, SingleCertAndKey},
};

use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The common name of the certificate that the server has seen.
fn name(meeting: &Meeting) -> &str {
    let certificate = meeting.seen().0.unwrap();
    let mut names = certificate
        .subject()
        .values(crate::certificate::NameAttribute::CommonName);
    names.next().unwrap()
}

/// What comes of it when `device` connects to a listener that requires a certificate.
async fn refusal(world: &World, device: &Device) -> (TlsError, AlertDescription) {
    let listener = world.listener(ClientCertificate::Required);
    let client = Arc::new(world.client(TlsVersion::V1_3, Some(device)));
    let refusal = meet(&listener, &client).await.refusal();
    let client = Arc::new(world.client(TlsVersion::V1_2, Some(device)));
    assert_eq!(meet(&listener, &client).await.refusal(), refusal);
    refusal
}

#[tokio::test]
async fn a_certificate_of_the_own_or_a_trusted_authority_is_taken() {
    let world = World::new();
    let other = Ca::new("Other CA");
    world.write("trusted/other.pem", &other.pem());
    let listener = world.listener(ClientCertificate::Required);
    let issuing = other.issuing("Issuing CA");
    let mut below = issuing.device("below");
    below.chain.push(issuing.certificate());
    for device in [world.ca.device("lamp"), other.device("fan"), below] {
        for version in VERSIONS {
            let client = Arc::new(world.client(version, Some(&device)));
            assert_eq!(name(&meet(&listener, &client).await), device.name);
        }
    }
}

#[tokio::test]
async fn a_registered_certificate_is_taken_whoever_has_issued_it() {
    let world = World::new();
    let device = Ca::new("Amazon").device("lamp");
    let unknown = (TlsError::UnknownAuthority, AlertDescription::UnknownCA);
    assert_eq!(refusal(&world, &device).await, unknown);

    world.register(&device, "active");
    let listener = world.listener(ClientCertificate::Required);
    for version in VERSIONS {
        let client = Arc::new(world.client(version, Some(&device)));
        assert_eq!(name(&meet(&listener, &client).await), "lamp");
    }
    world.register(&device, "revoked");
    assert_eq!(refusal(&world, &device).await, unknown);
}

#[tokio::test]
async fn a_gateway_without_any_authority_takes_registered_certificates() {
    let world = World::new();
    let device = Ca::new("Amazon").device("lamp");
    world.register(&device, "active");
    fs::remove_file(world.directory().authority_certificate()).unwrap();
    let listener = world.listener(ClientCertificate::Required);
    let client = Arc::new(world.client(TlsVersion::V1_3, Some(&device)));
    assert_eq!(name(&meet(&listener, &client).await), "lamp");
    let (error, _) = refusal(&world, &world.ca.device("fan")).await;
    assert_eq!(error, TlsError::UnknownAuthority);
}

#[tokio::test]
async fn a_certificate_is_taken_in_its_time_only_even_if_it_is_registered() {
    let world = World::new();
    let foreign = Ca::new("Amazon");
    let (past, now) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let future = date_time_ymd(2098, 1, 1)..date_time_ymd(2099, 1, 1);
    let expired = (TlsError::Expired, AlertDescription::CertificateExpired);
    for ca in [&world.ca, &foreign] {
        let device = ca.device_in("old", past..now);
        world.register(&device, "active");
        assert_eq!(refusal(&world, &device).await, expired);
        let device = ca.device_in("young", future.clone());
        world.register(&device, "active");
        let (error, _) = refusal(&world, &device).await;
        assert_eq!(error, TlsError::NotValidYet);
    }
}

#[tokio::test]
async fn what_an_authority_has_revoked_is_refused_even_if_it_is_registered() {
    let world = World::new();
    let other = Ca::new("Other CA");
    world.write("trusted/other.pem", &other.pem());
    let devices = [world.ca.device("lamp"), other.device("fan")];
    for device in &devices {
        world.register(device, "active");
    }
    world.write("crls/ca.pem", &world.ca.revokes(&[&devices[0]]));
    let revoked = (TlsError::Revoked, AlertDescription::CertificateRevoked);
    assert_eq!(refusal(&world, &devices[0]).await, revoked);
    // There is no list of the other authority, which says nothing against its certificates.
    let listener = world.listener(ClientCertificate::Required);
    let client = Arc::new(world.client(TlsVersion::V1_3, Some(&devices[1])));
    assert_eq!(name(&meet(&listener, &client).await), "fan");

    world.write("crls/other.pem", &other.revokes(&[&devices[1]]));
    assert_eq!(refusal(&world, &devices[1]).await, revoked);
}

#[tokio::test]
async fn a_certificate_is_required_or_optional_or_not_asked_for() {
    let world = World::new();
    let device = world.ca.device("lamp");
    for version in VERSIONS {
        let without = Arc::new(world.client(version, None));
        let with = Arc::new(world.client(version, Some(&device)));
        let listener = world.listener(ClientCertificate::Required);
        let (error, alert) = meet(&listener, &without).await.refusal();
        assert_eq!(error, TlsError::NoCertificate);
        assert_eq!(alert, AlertDescription::CertificateRequired);
        assert_eq!(name(&meet(&listener, &with).await), "lamp");

        let listener = world.listener(ClientCertificate::Optional);
        assert_eq!(meet(&listener, &without).await.seen().0, None);
        assert_eq!(name(&meet(&listener, &with).await), "lamp");

        let listener = world.listener(ClientCertificate::None);
        assert_eq!(meet(&listener, &with).await.seen().0, None);
    }
}

#[tokio::test]
async fn a_bad_certificate_is_refused_where_none_would_do() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::Optional);
    let device = Ca::new("Amazon").device("lamp");
    let client = Arc::new(world.client(TlsVersion::V1_3, Some(&device)));
    let (error, _) = meet(&listener, &client).await.refusal();
    assert_eq!(error, TlsError::UnknownAuthority);
}

#[tokio::test]
async fn a_certificate_is_worth_nothing_without_its_key() {
    let world = World::new();
    let (owner, thief) = (world.ca.device("lamp"), world.ca.device("thief"));
    world.register(&owner, "active");
    let listener = world.listener(ClientCertificate::Required);
    for version in VERSIONS {
        let mut client = world.client(version, None);
        let key = any_supported_type(&thief.key()).unwrap();
        let stolen = CertifiedKey::new(owner.chain.clone(), key);
        client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(stolen));
        let (error, alert) = meet(&listener, &Arc::new(client)).await.refusal();
        assert_eq!(error, TlsError::BadSignature);
        assert_eq!(alert, AlertDescription::DecryptError);
    }
}

#[tokio::test]
async fn a_refused_client_hears_why_even_if_it_has_said_more_already() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::Required);
    let client = Arc::new(world.client(TlsVersion::V1_3, None));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = async {
        let there = TcpStream::connect(socket.local_addr().unwrap()).await?;
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(client).connect(name, there).await?;
        stream.write_all(&[0; 20_000]).await?;
        stream.flush().await?;
        let alert = stream.read(&mut [0]).await.unwrap_err();
        // A connection that was reset would have lost the alert on other systems than this.
        let end = stream.get_mut().0.read(&mut [0]).await?;
        Ok((of_rustls(&alert), end))
    };
    let serving = async {
        let (here, _) = socket.accept().await.unwrap();
        listener.accept(here).await.map(drop)
    };
    let (server, client): (_, io::Result<_>) = tokio::join!(serving, connecting);
    assert_eq!(server, Err(TlsError::NoCertificate));
    let alert = Error::AlertReceived(AlertDescription::CertificateRequired);
    assert_eq!(client.unwrap(), (alert, 0));
}

/// Counts the names of authorities that the server asks for.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.fetch_add(1 + hints.len(), Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_client_is_not_told_whose_certificates_are_taken() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::Optional);
    for version in VERSIONS {
        let asked = Arc::new(Asked::default());
        let mut client = world.client(version, None);
        client.client_auth_cert_resolver = Arc::clone(&asked) as _;
        meet(&listener, &Arc::new(client)).await.seen();
        assert_eq!(asked.0.load(Ordering::Relaxed), 1);
    }
}
