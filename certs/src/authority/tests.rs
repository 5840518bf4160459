//! What is issued is what TLS libraries and the gateway itself take.

mod devices;
mod revoking;
mod servers;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring::default_provider,
    pki_types::{self, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use x509_parser::extensions::KeyUsage;

use super::*;
use crate::certificate::NameAttribute;

const NOW: u64 = 1_800_000_000;
const EC_PKCS8: &str = include_str!("../../testdata/ec-pkcs8.key");

/// An authority in a folder of its own.
struct Place {
    _folder: TempDir,
    directory: Directory,
    authority: Authority,
}

impl Place {
    fn new() -> Place {
        Self::of(KeyKind::Ecdsa)
    }

    fn of(kind: KeyKind) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().join("access"));
        let authority = Authority::create_at(&directory, kind, "Perennial CA of gw", NOW).unwrap();
        Place {
            _folder: folder,
            directory,
            authority,
        }
    }

    fn load_server(&self) -> Result<ServerCredentials, Problem> {
        let directory = &self.directory;
        ServerCredentials::load_at(
            &directory.server_certificate(),
            &directory.server_key(),
            NOW,
        )
    }

    fn file(&self, name: &str, contents: &str, mode: u32) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn names(names: &[&str]) -> Vec<ServerName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn thing(name: &str) -> ThingName {
    name.parse().unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(der(authority.certificate_pem())).unwrap();
    Arc::new(roots)
}

fn at(now: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now))
}

fn server_is_taken(authority: &Authority, issued: &Issued, name: &str, now: u64) -> bool {
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(authority), provider);
    let name = pki_types::ServerName::try_from(name).unwrap();
    let der = der(&issued.certificate_pem);
    let verifier = verifier.build().unwrap();
    verifier
        .verify_server_cert(&der, &[], &name, &[], at(now))
        .is_ok()
}

fn device_is_taken(place: &Place, issued: &Issued) -> bool {
    let provider = Arc::new(default_provider());
    let roots = roots(&place.authority);
    let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
    if let Ok(list) = fs::read(place.directory.own_revocations()) {
        verifier =
            verifier.with_crls([CertificateRevocationListDer::from_pem_slice(&list).unwrap()]);
    }
    let der = der(&issued.certificate_pem);
    let verifier = verifier.build().unwrap();
    verifier.verify_client_cert(&der, &[], at(NOW)).is_ok()
}

fn usage(issued: &Issued) -> (KeyUsage, bool, bool) {
    let der = der(&issued.certificate_pem);
    let parsed = certificate::parse(&der).unwrap();
    let extended = parsed.extended_key_usage().unwrap().unwrap().value;
    let key_usage = *parsed.key_usage().unwrap().unwrap().value;
    (key_usage, extended.server_auth, extended.client_auth)
}

fn message<T>(result: Result<T, Problem>) -> String {
    result.err().unwrap().message
}

#[test]
fn an_authority_is_made_for_twenty_years_and_for_no_other_authority() {
    let place = Place::new();
    let directory = &place.directory;
    let certificate = place.authority.certificate();
    assert_eq!(certificate.not_before(), NOW - DAY);
    assert_eq!(certificate.not_after(), NOW + 20 * 365 * DAY);
    let der = der(&fs::read_to_string(directory.authority_certificate()).unwrap());
    let parsed = certificate::parse(&der).unwrap();
    let constraints = parsed.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(!usage.value.digital_signature());
    parsed.verify_signature(None).unwrap();
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(directory.authority_key()), 0o600);
    assert_eq!(mode(directory.authority_certificate()), 0o644);
    assert_eq!(mode(directory.path().to_owned()), 0o700);
}

#[test]
fn an_authority_is_never_made_over_another() {
    let place = Place::new();
    let before = fs::read(place.directory.authority_key()).unwrap();
    let again = Authority::create(&place.directory, KeyKind::Ecdsa, "another");
    assert_eq!(
        message(again),
        "there is an authority already; it stays as it is"
    );
    fs::remove_file(place.directory.authority_certificate()).unwrap();
    let again = Authority::create(&place.directory, KeyKind::Ecdsa, "another");
    assert_eq!(message(again), "it is there already and is not overwritten");
    assert_eq!(fs::read(place.directory.authority_key()).unwrap(), before);
}

#[test]
fn no_authority_is_made_by_a_clock_that_was_never_set() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    let made = Authority::create_at(&directory, KeyKind::Ecdsa, "name", 3600);
    assert_eq!(
        message(made),
        "by the clock of this machine it is 1970-01-01: set it first"
    );
    assert!(!directory.authority_key().exists());
}

#[test]
fn an_authority_is_what_it_was_after_it_is_opened_again() {
    let place = Place::new();
    let opened = Authority::open(&place.directory).unwrap();
    assert_eq!(opened.certificate(), place.authority.certificate());
    let issued = opened.issue_server_at(&names(&["gw"]), NOW).unwrap();
    assert!(server_is_taken(&place.authority, &issued, "gw", NOW));
}

#[test]
fn an_authority_whose_files_are_wrong_is_refused() {
    let place = Place::new();
    let open = || message(Authority::open(&place.directory));
    let (pem, key) = ("ca.pem", "ca.key");
    let good = fs::read_to_string(place.directory.authority_key()).unwrap();
    place.file(key, &good, 0o640);
    assert!(open().contains("`chmod 600 "));
    place.file(key, EC_PKCS8, 0o600);
    assert!(open().starts_with("this is not the key to "));
    place.file(key, include_str!("../../testdata/ec-sec1.key"), 0o600);
    assert!(open().starts_with("the key of an authority must be in PKCS #8"));
    place.file(pem, include_str!("../../testdata/aws-example.pem"), 0o644);
    assert_eq!(open(), "this certificate may not issue others (no CA:TRUE)");
    fs::remove_file(place.directory.authority_certificate()).unwrap();
    assert_eq!(open(), "there is no such file");
}

#[test]
fn an_authority_that_openssl_has_made_issues_as_well() {
    let place = Place::new();
    place.file(
        "ca.key",
        include_str!("../../testdata/p384-pkcs8.key"),
        0o600,
    );
    place.file("ca.pem", include_str!("../../testdata/own-ca.pem"), 0o644);
    let authority = Authority::open(&place.directory).unwrap();
    let issued = authority.issue_server_at(&names(&["gw"]), NOW).unwrap();
    assert!(server_is_taken(&authority, &issued, "gw", NOW));

    place.file(
        "ca.pem",
        include_str!("../../testdata/own-ca-ou.pem"),
        0o644,
    );
    let authority = Authority::open(&place.directory).unwrap();
    let refused = message(authority.issue_server_at(&names(&["gw"]), NOW));
    assert!(
        refused.ends_with("in which an attribute comes twice"),
        "{refused}"
    );
}
