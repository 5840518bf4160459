//! Sessions that are resumed, and those that must not be.

use std::time::{Duration, Instant};

use rustls::client::{Resumption, Tls12Resumption};
use time::OffsetDateTime;

use super::*;
use crate::clock;

/// Clients that resume sessions in each of the ways that there are.
fn clients(world: &World, device: Option<&Device>) -> [Arc<ClientConfig>; 3] {
    let mut by_id = world.client(TlsVersion::V1_2, device);
    by_id.resumption =
        Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
    let [older, newer] = VERSIONS.map(|version| world.client(version, device));
    [by_id, older, newer].map(Arc::new)
}

fn listener(tls: &Arc<Tls>, client_certificate: ClientCertificate) -> TlsListener {
    tls.listener(TlsSettings {
        client_certificate,
        ..TlsSettings::default()
    })
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_its_session_and_is_still_known() {
    let world = World::new();
    let device = world.ca.device("lamp");
    let tls = world.tls();
    let listener = listener(&tls, ClientCertificate::Required);
    for client in clients(&world, Some(&device)) {
        let mut seen = Vec::new();
        for is_resumed in [false, true, true] {
            let meeting = meet(&listener, &client).await;
            let (certificate, resumed) = meeting.seen();
            assert_eq!(resumed, is_resumed);
            seen.push(certificate.unwrap().clone());
        }
        assert!(seen.iter().all(|certificate| *certificate == seen[0]));
    }
}

#[tokio::test]
async fn sessions_outlive_a_reload_that_changes_neither_what_is_trusted_nor_what_is_shown() {
    let world = World::new();
    let device = world.ca.device("lamp");
    let tls = world.tls();
    let listener = listener(&tls, ClientCertificate::Required);
    for client in clients(&world, Some(&device)) {
        meet(&listener, &client).await.seen();
        world.reload(&tls);
        assert!(meet(&listener, &client).await.seen().1);
        world.show(&world.ca);
        world.reload(&tls);
        assert!(!meet(&listener, &client).await.seen().1);
        assert!(meet(&listener, &client).await.seen().1);
    }
}

#[tokio::test]
async fn a_session_does_not_help_a_certificate_that_was_revoked_since() {
    for way in 0..3 {
        let world = World::new();
        let device = world.ca.device("lamp");
        let tls = world.tls();
        let listener = listener(&tls, ClientCertificate::Required);
        let client = &clients(&world, Some(&device))[way];
        meet(&listener, client).await.seen();
        world.write("crls/ca.pem", &world.ca.revokes(&[&device]));
        world.reload(&tls);
        let (error, alert) = meet(&listener, client).await.refusal();
        assert_eq!(error, TlsError::Revoked);
        assert_eq!(alert, AlertDescription::CertificateRevoked);
    }
}

#[tokio::test]
async fn a_session_does_not_help_a_certificate_that_is_registered_no_longer() {
    let world = World::new();
    let device = Ca::new("Amazon").device("lamp");
    for client in clients(&world, Some(&device)) {
        world.register(&device, "active");
        let tls = world.tls();
        let listener = listener(&tls, ClientCertificate::Required);
        meet(&listener, &client).await.seen();
        world.register(&device, "revoked");
        world.reload(&tls);
        let (error, _) = meet(&listener, &client).await.refusal();
        assert_eq!(error, TlsError::UnknownAuthority);
    }
}

#[tokio::test]
async fn a_session_does_not_help_a_certificate_that_has_expired_since() {
    let world = World::new();
    let end = clock::unix_seconds() + 2;
    let validity = OffsetDateTime::UNIX_EPOCH
        ..OffsetDateTime::from_unix_timestamp(i64::try_from(end).unwrap()).unwrap();
    let device = world.ca.device_in("lamp", validity);
    let listener = world.listener(ClientCertificate::Required);
    let clients = clients(&world, Some(&device));
    for client in &clients {
        meet(&listener, client).await.seen();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while clock::unix_seconds() <= end {
        assert!(Instant::now() < deadline, "time stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for client in &clients {
        let (here, there) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::clone(client));
        let name = ServerName::try_from(NAME).unwrap();
        let (server, _client) = tokio::join!(listener.accept(here), connector.connect(name, there));
        assert_eq!(server.map(drop).unwrap_err(), TlsError::Expired);
    }
}

#[tokio::test]
async fn a_session_without_a_certificate_does_not_help_where_one_is_required() {
    let world = World::new();
    let tls = world.tls();
    let open = listener(&tls, ClientCertificate::None);
    let closed = listener(&tls, ClientCertificate::Required);
    for client in clients(&world, None) {
        meet(&open, &client).await.seen();
        let (error, _) = meet(&closed, &client).await.refusal();
        assert_eq!(error, TlsError::NoCertificate);
    }
}
