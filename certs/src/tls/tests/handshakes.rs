//! Versions, names and what is not TLS at all.

use rustls::CertificateError;

use super::*;

#[tokio::test]
async fn every_alpn_name_is_chosen_and_none_is_none() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    let names = [
        ("x-amzn-mqtt-ca", Alpn::AwsMqtt),
        ("mqtt", Alpn::Mqtt),
        ("x-amzn-http-ca", Alpn::AwsHttp),
        ("http/1.1", Alpn::Http),
    ];
    for version in VERSIONS {
        for (name, alpn) in names {
            let mut client = world.client(version, None);
            client.alpn_protocols = vec![b"spdy/3".to_vec(), name.into()];
            let meeting = meet(&listener, &Arc::new(client)).await;
            assert_eq!(meeting.server.unwrap().alpn, Some(alpn));
            let client = meeting.client.unwrap();
            assert_eq!(client.get_ref().1.alpn_protocol(), Some(name.as_bytes()));
        }
        let client = Arc::new(world.client(version, None));
        assert_eq!(meet(&listener, &client).await.server.unwrap().alpn, None);
    }
}

#[tokio::test]
async fn a_client_that_offers_unknown_names_only_is_refused() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    let mut client = world.client(TlsVersion::V1_3, None);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let refusal = meet(&listener, &Arc::new(client)).await.refusal();
    let alert = AlertDescription::NoApplicationProtocol;
    assert_eq!(refusal, (TlsError::NoAlpn, alert));
}

#[tokio::test]
async fn the_certificate_is_the_same_whatever_name_is_asked_for_or_none() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    let client = Arc::new(world.client(TlsVersion::V1_2, None));
    let mut shown = Vec::new();
    for name in [NAME, "127.0.0.1"] {
        let meeting = meet_as(&listener, &client, name).await;
        let session = meeting.client.unwrap();
        shown.extend_from_slice(session.get_ref().1.peer_certificates().unwrap());
    }
    assert_eq!(shown[0], shown[1]);

    // A name that it does not cover gets it, too; it is the client who objects.
    let meeting = meet_as(&listener, &client, "elsewhere.test").await;
    let error = meeting.client.map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
        ),
        "{error}"
    );
    let error = meeting.server.map(drop).unwrap_err();
    assert!(matches!(error, TlsError::Distrusted(_)), "{error}");
}

#[tokio::test]
async fn both_versions_are_spoken_unless_the_older_is_switched_off() {
    let world = World::new();
    let listener = world.tls().listener(TlsSettings {
        client_certificate: ClientCertificate::None,
        min_version: TlsVersion::V1_3,
    });
    let client = Arc::new(world.client(TlsVersion::V1_3, None));
    meet(&listener, &client).await.seen();

    let client = Arc::new(world.client(TlsVersion::V1_2, None));
    let (error, alert) = meet(&listener, &client).await.refusal();
    assert_eq!(error, TlsError::NothingInCommon("versions of TLS"));
    assert_eq!(alert, AlertDescription::ProtocolVersion);
    let listener = world.listener(ClientCertificate::None);
    meet(&listener, &client).await.seen();
}

#[tokio::test]
async fn what_is_said_arrives_and_the_end_is_said_too() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    for version in VERSIONS {
        let client = Arc::new(world.client(version, None));
        let meeting = meet(&listener, &client).await;
        let mut server = meeting.server.unwrap().stream;
        let mut client = meeting.client.unwrap();
        let much = vec![b'm'; 100_000];
        let mut arrived = vec![0; much.len()];
        let (sent, received) = tokio::join!(
            async {
                client.write_all(&much).await?;
                client.flush().await
            },
            server.read_exact(&mut arrived)
        );
        sent.unwrap();
        received.unwrap();
        assert!(arrived == much);

        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_stream_that_was_cut_off_does_not_look_as_if_it_had_ended() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    let client = Arc::new(world.client(TlsVersion::V1_3, None));
    let meeting = meet(&listener, &client).await;
    drop(meeting.client.unwrap().into_inner());
    let read = meeting.server.unwrap().stream.read(&mut [0]).await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_not_tls_is_called_by_its_name() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::Required);
    let speaks = [
        (
            &b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0"[..],
            TlsError::PlainMqtt,
        ),
        (b"GET /mqtt HTTP/1.1\r\n\r\n", TlsError::PlainHttp),
        (b"\0\0\0\0\0\0\0\0", TlsError::NotTls),
        (b"", TlsError::Lost),
    ];
    for (said, error) in speaks {
        let (here, mut there) = duplex(1024);
        there.write_all(said).await.unwrap();
        drop(there);
        assert_eq!(listener.accept(here).await.map(drop).unwrap_err(), error);
    }
}

#[tokio::test]
async fn a_client_that_does_not_know_the_authority_is_said_to_need_it() {
    let world = World::new();
    let listener = world.listener(ClientCertificate::None);
    let elsewhere = World {
        ca: Ca::new("CA of another gateway"),
        folder: TempDir::new().unwrap(),
    };
    let client = elsewhere.client(TlsVersion::V1_3, None);
    let meeting = meet(&listener, &Arc::new(client)).await;
    let error = meeting.server.map(drop).unwrap_err();
    assert_eq!(error, TlsError::Distrusted("UnknownCA".to_owned()));
}
