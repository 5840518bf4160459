//! The credential provider: who is let in, what is given out, and how it fails.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use perennial_doubles::{CredentialsAnswer, CredentialsDouble, CredentialsRequest, FirehoseDouble};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcDateTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::client::{Call, SOON, now};

const PATH: &str = "/role-aliases/gateway/credentials";

/// What a device with the client's certificate hears, or with none.
async fn get(
    provider: &CredentialsDouble,
    path: &str,
    with_certificate: bool,
) -> std::io::Result<(u16, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate_in(provider.ca_file())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = if with_certificate {
        let key = PrivateKeyDer::from_pem_file(provider.private_key_file()).unwrap();
        let certificate = certificate_in(provider.certificate_file());
        config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    } else {
        config.with_no_client_auth()
    };
    let host = provider.url().trim_start_matches("https://").to_owned();
    let stream = TcpStream::connect(&host).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nx-amzn-iot-thingname: pump\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    match stream.read_to_string(&mut text).await {
        // The double closes without the farewell of TLS.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !text.is_empty() => {}
        result => drop(result?),
    }
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, body.to_owned()))
}

async fn double() -> CredentialsDouble {
    CredentialsDouble::start().await.unwrap()
}

fn certificate_in(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

#[tokio::test]
async fn a_device_gets_credentials_that_other_doubles_accept_and_each_time_others() {
    let provider = double().await;
    let firehose = FirehoseDouble::start().await.unwrap();
    firehose.trust(provider.keys());
    for number in [0, 1] {
        let (status, body) = get(&provider, PATH, true).await.unwrap();
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        let issued = provider.issued()[number].clone();
        let expiration = body["credentials"]["expiration"].as_str().unwrap();
        let wanted = json!({"credentials": {
            "accessKeyId": issued.access_key,
            "secretAccessKey": issued.secret_key,
            "sessionToken": issued.session_token,
            "expiration": expiration,
        }});
        assert_eq!(body, wanted);
        let call = Call::put_record("s", b"a").with_credentials(&issued);
        assert_eq!(call.send(&firehose.url()).await.answer().0, 200);
    }
    let issued = provider.issued();
    assert_ne!(issued[0].access_key, issued[1].access_key);
    let request = CredentialsRequest {
        path: PATH.to_owned(),
        role_alias: Some("gateway".to_owned()),
        thing_name: Some("pump".to_owned()),
        certificate: certificate_in(provider.certificate_file()).to_vec(),
    };
    assert_eq!(provider.requests(), [request.clone(), request]);
}

#[tokio::test]
async fn credentials_end_when_their_lifetime_is_over() {
    let provider = double().await;
    let firehose = FirehoseDouble::start().await.unwrap();
    firehose.trust(provider.keys());
    provider.set_lifetime(Duration::from_secs(900));
    let (_, body) = get(&provider, PATH, true).await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = body["credentials"]["expiration"].as_str().unwrap();
    let expiration = provider.issued()[0].expiration.unwrap();
    let time = UtcDateTime::from_unix_timestamp(expiration).unwrap();
    let wanted = format!(
        "{}T{:02}:{:02}:{:02}Z",
        time.date(),
        time.hour(),
        time.minute(),
        time.second()
    );
    assert_eq!(text, wanted);
    let left = expiration - OffsetDateTime::from(now()).unix_timestamp();
    assert!((840..=900).contains(&left), "{left} s");

    provider.set_lifetime(Duration::ZERO);
    get(&provider, PATH, true).await.unwrap();
    let expired = Call::put_record("s", b"a").with_credentials(&provider.issued()[1]);
    let heard = expired.send(&firehose.url()).await;
    heard.assert_error(403, "ExpiredTokenException", "is expired");
}

#[tokio::test]
async fn who_has_no_certificate_of_the_ca_makes_no_request() {
    let provider = double().await;
    get(&provider, PATH, false).await.unwrap_err();
    provider.forge_certificate().unwrap();
    get(&provider, PATH, true).await.unwrap_err();
    assert_eq!(provider.requests(), []);

    provider.renew_certificate().unwrap();
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 200);
    let first = fs::read(provider.certificate_file()).unwrap();
    provider.renew_certificate().unwrap();
    assert_ne!(fs::read(provider.certificate_file()).unwrap(), first);
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 200);
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].certificate, requests[1].certificate);
}

#[tokio::test]
async fn refusals_are_in_the_words_of_the_service() {
    let provider = double().await;
    provider.script([
        CredentialsAnswer::access_denied(),
        CredentialsAnswer::role_alias_not_found(),
        CredentialsAnswer::internal_failure(),
        CredentialsAnswer::Body {
            status: 200,
            body: "{".to_owned(),
        },
    ]);
    for (status, body) in [
        (403, r#"{"message":"Access Denied"}"#),
        (404, r#"{"message":"Role alias does not exist"}"#),
        (500, r#"{"message":"Internal Server Error"}"#),
        (200, "{"),
    ] {
        let heard = get(&provider, PATH, true).await.unwrap();
        assert_eq!(heard, (status, body.to_owned()));
    }
    provider.answer_with(CredentialsAnswer::access_denied());
    for _ in 0..3 {
        assert_eq!(get(&provider, PATH, true).await.unwrap().0, 403);
    }
    provider.answer_with(CredentialsAnswer::Give);
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 200);
    assert_eq!((provider.requests().len(), provider.issued().len()), (8, 1));
}

#[tokio::test]
async fn a_path_that_names_no_role_alias_is_not_found() {
    let provider = double().await;
    for path in [
        "/",
        "/role-aliases//credentials",
        "/role-aliases/two%20words/credentials",
        "/role-aliases/gateway",
        "/role-aliases/a/b/credentials",
    ] {
        assert_eq!(get(&provider, path, true).await.unwrap().0, 404, "{path}");
    }
    provider.expect_role_alias("other");
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 404);
    provider.expect_role_alias("gateway");
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_provider_that_is_slow_or_away_gives_late_or_resets_or_hangs_or_refuses() {
    let mut provider = double().await;
    let delay = Duration::from_millis(200);
    provider.script([
        CredentialsAnswer::GiveAfter(delay),
        CredentialsAnswer::Reset,
        CredentialsAnswer::Hang,
    ]);
    let started = Instant::now();
    assert_eq!(get(&provider, PATH, true).await.unwrap().0, 200);
    assert!(started.elapsed() >= delay);
    let error = get(&provider, PATH, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let hanging = timeout(Duration::from_millis(500), get(&provider, PATH, true)).await;
    assert!(hanging.is_err(), "{hanging:?}");
    assert_eq!(provider.requests().len(), 3);

    provider.stop().await;
    let error = get(&provider, PATH, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    provider.restart().await.unwrap();
    let heard = timeout(SOON, get(&provider, PATH, true)).await.unwrap();
    assert_eq!(heard.unwrap().0, 200);
}
