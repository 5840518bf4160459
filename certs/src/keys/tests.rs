//! What a person can give wrongly is told with its mend.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use tempfile::TempDir;

use super::*;

const EC: &str = include_str!("../../testdata/ec.pem");
const EC_SEC1: &str = include_str!("../../testdata/ec-sec1.key");
const EC_PKCS8: &str = include_str!("../../testdata/ec-pkcs8.key");
const RSA: &str = include_str!("../../testdata/rsa.pem");
const RSA_PKCS1: &str = include_str!("../../testdata/rsa-pkcs1.key");
const P384: &str = include_str!("../../testdata/p384-pkcs8.key");
const OWN_CA: &str = include_str!("../../testdata/own-ca.pem");

/// A day on which the certificates of `testdata` are valid.
const THEN: u64 = 1_800_000_000;

struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(certificate: &str, key: &str) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let (pem, secret) = (path("server.pem"), path("server.key"));
        fs::write(&pem, certificate).unwrap();
        fs::write(&secret, key).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        Files {
            _folder: folder,
            certificate: pem,
            key: secret,
        }
    }

    fn load(&self, now: u64) -> Result<ServerCredentials, Problem> {
        ServerCredentials::load_at(&self.certificate, &self.key, now)
    }

    /// What is wrong with the certificate.
    fn wrong_certificate(&self, now: u64) -> String {
        let problem = self.load(now).unwrap_err();
        assert_eq!(problem.path, self.certificate);
        problem.message
    }

    /// What is wrong with the key.
    fn wrong_key(&self) -> String {
        let problem = self.load(THEN).unwrap_err();
        assert_eq!(problem.path, self.key);
        problem.message
    }
}

#[test]
fn keys_are_read_in_each_of_their_forms() {
    for (certificate, key) in [
        (EC, EC_SEC1),
        (EC, EC_PKCS8),
        (RSA, RSA_PKCS1),
        (OWN_CA, P384),
    ] {
        let loaded = Files::new(certificate, key).load(THEN).unwrap();
        let (_, first) = Certificate::read_pem(certificate).unwrap().swap_remove(0);
        assert_eq!(*loaded.certificate(), first);
        assert_eq!(loaded.not_after(), first.not_after());
        loaded.certified_key().keys_match().unwrap();
    }
}

#[test]
fn the_key_that_goes_with_the_certificate_is_taken_out_of_several() {
    for keys in [[RSA_PKCS1, P384, EC_SEC1], [EC_SEC1, P384, RSA_PKCS1]] {
        Files::new(EC, &keys.concat()).load(THEN).unwrap();
    }
}

#[test]
fn the_key_to_another_certificate_is_refused() {
    let files = Files::new(EC, &[RSA_PKCS1, P384].concat());
    let expected = format!(
        "the private key is not the one to the certificate in {}",
        files.certificate.display()
    );
    assert!(files.wrong_key().starts_with(&expected));
}

#[test]
fn an_encrypted_key_is_refused_with_how_to_decrypt_it() {
    for encrypted in [
        include_str!("../../testdata/enc8.key"),
        include_str!("../../testdata/enc1.key"),
        &include_str!("../../testdata/enc1.key").replace('\n', "\r\n"),
    ] {
        let message = Files::new(RSA, encrypted).wrong_key();
        assert!(message.contains("is encrypted"), "{message}");
        assert!(message.contains("`openssl pkey -in "), "{message}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let files = Files::new(EC, EC_SEC1);
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
    let message = files.wrong_key();
    assert!(message.contains("(mode 640)"), "{message}");
    assert!(message.contains(&format!("`chmod 600 {}`", files.key.display())));
}

#[test]
fn what_is_no_key_is_refused_with_what_it_is() {
    for (text, message) in [
        ("", "the file is empty"),
        ("key", "the file holds no `-----BEGIN PRIVATE KEY-----`"),
        (EC, "the file holds a certificate, not a private key"),
    ] {
        assert_eq!(Files::new(EC, text).wrong_key(), message);
    }
    let broken = EC_PKCS8.replacen("MI", "MA", 1);
    assert!(
        Files::new(EC, &broken)
            .wrong_key()
            .starts_with("the private key cannot be used")
    );
}

#[test]
fn files_that_are_not_there_are_named() {
    let files = Files::new(EC, EC_SEC1);
    fs::remove_file(&files.key).unwrap();
    assert_eq!(files.wrong_key(), "there is no such file");
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(files.wrong_certificate(THEN), "there is no such file");
}

#[test]
fn a_chain_that_is_not_valid_at_the_time_is_refused() {
    let files = Files::new(EC, EC_SEC1);
    let (_, certificate) = Certificate::read_pem(EC).unwrap().swap_remove(0);
    files.load(certificate.not_before()).unwrap();
    files.load(certificate.not_after()).unwrap();
    let early = files.wrong_certificate(certificate.not_before() - 1);
    assert!(early.contains("is valid from 2026-11-21"), "{early}");
    assert!(early.contains("set the clock"), "{early}");
    let late = files.wrong_certificate(certificate.not_after() + 1);
    assert!(
        late.starts_with("certificate 1 has expired on 2126-10-28"),
        "{late}"
    );
}

#[test]
fn a_clock_that_was_never_set_does_not_keep_a_gateway_from_starting() {
    Files::new(EC, EC_SEC1).load(60).unwrap();
}

#[test]
fn a_chain_in_which_a_certificate_is_not_issued_by_the_next_is_refused() {
    let message = Files::new(&[EC, RSA].concat(), EC_SEC1).wrong_certificate(THEN);
    assert!(
        message.starts_with("certificate 1 is not issued by certificate 2"),
        "{message}"
    );
}
