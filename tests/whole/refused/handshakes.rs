//! Certificates that do not get a client through the handshake.

use rustls::{
    AlertDescription::{
        self, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        DecryptError, HandshakeFailure, NoApplicationProtocol, UnknownCA,
    },
    version::{TLS12, TLS13},
};

use super::{ACCEPTED, assert_served, connack_as, seen, watcher};
use crate::support::{
    authority::{Authority, Issued},
    site::{Device, Site},
    tls::{TlsClient, VERSIONS},
};

/// The alerts in TLS 1.2 and 1.3 at the listener that wants a certificate.
#[track_caller]
fn alerts(site: &Site, client: &TlsClient) -> [AlertDescription; 2] {
    VERSIONS.map(|version| client.clone().only(version).refusal(site.addresses().mqtt))
}

fn showing(device: &Device, issued: &Issued) -> TlsClient {
    TlsClient::of(device).showing(&issued.certificate, &issued.key)
}

#[test]
fn a_client_without_a_certificate_gets_nowhere_where_one_is_required() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let client = TlsClient::anonymous(&device.ca);
    let mqtt = site.addresses().mqtt;
    // The alert for it is of TLS 1.3; some use it before.
    let alert = client.clone().only(&TLS12).refusal(mqtt);
    assert!(
        [HandshakeFailure, BadCertificate, CertificateRequired].contains(&alert),
        "{alert:?}"
    );
    assert_eq!(client.only(&TLS13).refusal(mqtt), CertificateRequired);
    assert_served(&site, &device);
}

#[test]
fn a_certificate_of_an_unknown_authority_gets_nowhere_whatever_name_it_has() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let stranger = Authority::new("a stranger").issue("sensor", site.folder());
    let client = showing(&device, &stranger);
    assert_eq!(alerts(&site, &client), [UnknownCA; 2]);
    // Where a certificate is optional, a wrong one is still wrong.
    for address in [site.addresses().https, site.addresses().shared] {
        assert_eq!(client.refusal(address), UnknownCA);
    }
    assert_served(&site, &device);
}

#[test]
fn a_certificate_that_is_forged_in_the_name_of_the_authority_gets_nowhere() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let forged = Authority::forging(&device.ca).issue("sensor", site.folder());
    let alerts = alerts(&site, &showing(&device, &forged));
    let refused = [UnknownCA, BadCertificate, DecryptError];
    assert!(
        alerts.iter().all(|alert| refused.contains(alert)),
        "{alerts:?}"
    );
    assert_served(&site, &device);
}

#[test]
fn certificates_of_a_trusted_authority_are_taken_until_they_expire_or_are_revoked() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    let authority = Authority::new("a trusted one");
    let path = authority.write(site.folder());
    site.succeed(&["certs", "trust", &path.display().to_string()]);
    let good = authority.issue("sensor", site.folder());
    let expired = authority.issue_expired("sensor", site.folder());
    let revoked = authority.issue("revoked", site.folder());
    site.write("crls/trusted.pem", &authority.revoke(&revoked));
    site.start();

    let mqtt = site.addresses().mqtt;
    assert_eq!(
        connack_as(&showing(&device, &good), mqtt, "sensor"),
        ACCEPTED
    );
    let expired = showing(&device, &expired);
    assert_eq!(alerts(&site, &expired), [CertificateExpired; 2]);
    let revoked = showing(&device, &revoked);
    assert_eq!(alerts(&site, &revoked), [CertificateRevoked; 2]);
    assert_served(&site, &device);
}

#[test]
fn a_certificate_that_was_revoked_or_whose_thing_was_removed_gets_nowhere() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    let [revoked, removed] = ["revoked", "removed"].map(|name| site.thing(name, &["default"]));
    site.succeed(&["certs", "revoke", "revoked"]);
    site.succeed(&["things", "remove", "removed"]);
    site.start();
    for device in [&revoked, &removed] {
        assert_eq!(
            alerts(&site, &TlsClient::of(device)),
            [CertificateRevoked; 2]
        );
    }
    assert_served(&site, &device);
    assert!(seen(&mut watcher(&site)).is_empty());
}

#[test]
fn a_client_that_speaks_something_else_is_not_served() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let client = TlsClient::of(&device).speaking("h2");
    let mqtt = site.addresses().mqtt;
    assert_eq!(
        client.clone().only(&TLS12).refusal(mqtt),
        NoApplicationProtocol
    );
    // In TLS 1.3 the alert may be lost behind the first half of the handshake.
    client.only(&TLS13).failure(mqtt);
    assert_served(&site, &device);
}
