//! Access directories as they should not be, and what right ones say.

mod identities;
mod writing;
mod wrong_files;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use super::*;

/// A password and its hash with little work; the other tests of hashes are in `password`.
const PASSWORD: &str = "open sesame";
const HASH: &str =
    "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$85kqDL/vtZQ2xUbR/UbqgpMwEibdFXRu7ruo6VN1cGQ";
/// A document that allows everything.
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// An access directory of a test.
struct Site {
    folder: TempDir,
    directory: Directory,
}

impl Site {
    /// One with the policies `default`, `narrow` and `wide`.
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let site = Site {
            directory: Directory::new(folder.path()),
            folder,
        };
        for policy in ["default", "narrow", "wide"] {
            site.put(&format!("policies/{policy}.json"), POLICY);
        }
        site
    }

    /// Writes a file that its owner alone may read.
    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Registry {
        Registry::load(&self.directory).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What is wrong, with paths from the folder.
    fn problems(&self) -> String {
        let error = Registry::load(&self.directory).unwrap_err().to_string();
        error.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// An authority of a test.
struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Ca {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&[name]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Ca { pem, issuer }
    }

    /// A certificate with these common names.
    fn issue(&self, names: &[&str], serial: u64) -> (Arc<Certificate>, String) {
        self.issue_until(names, serial, 2100)
    }

    fn issue_until(&self, names: &[&str], serial: u64, year: i32) -> (Arc<Certificate>, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(names);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let issued = params.signed_by(&key, &self.issuer).unwrap();
        let certificate = Certificate::from_der(issued.der()).unwrap();
        (Arc::new(certificate), issued.pem())
    }

    /// A list with these serial numbers.
    fn revoke(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn named(names: &[&str]) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // The same attribute twice: rcgen keeps one of each type.
    let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
    for (name, name_type) in names.iter().zip([DnType::CommonName, again]) {
        distinguished.push(name_type, *name);
    }
    distinguished
}

fn names_of(things: &[Arc<Thing>]) -> Vec<&str> {
    things.iter().map(|thing| thing.name.as_str()).collect()
}

fn policies_in(policies: &[Arc<Policy>]) -> Vec<&str> {
    policies.iter().map(|policy| policy.name()).collect()
}
