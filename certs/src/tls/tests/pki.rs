//! Authorities and devices for the tests.

use std::os::unix::fs::PermissionsExt;
use std::{fs, ops::Range, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

/// A certificate authority.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A device with its certificate and those above it.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Ca {
    pub(super) fn new(name: &str) -> Ca {
        let key = KeyPair::generate().unwrap();
        Ca(CertifiedIssuer::self_signed(authority(name), key).unwrap())
    }

    /// An authority below this one.
    pub(super) fn issuing(&self, name: &str) -> Ca {
        let key = KeyPair::generate().unwrap();
        Ca(CertifiedIssuer::signed_by(authority(name), key, &self.0).unwrap())
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A device whose certificate is valid at this time.
    pub(super) fn device(&self, name: &str) -> Device {
        self.device_in(name, date_time_ymd(2020, 1, 1)..date_time_ymd(2099, 1, 1))
    }

    pub(super) fn device_in(&self, name: &str, validity: Range<OffsetDateTime>) -> Device {
        let key = KeyPair::generate().unwrap();
        let mut params = subject(name);
        params.not_before = validity.start;
        params.not_after = validity.end;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from_slice(name.as_bytes()));
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Device {
            name: name.to_owned(),
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// A list of what this authority has revoked.
    pub(super) fn revokes(&self, devices: &[&Device]) -> String {
        let revoked = devices.iter().map(|device| RevokedCertParams {
            serial_number: SerialNumber::from_slice(device.name.as_bytes()),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            // Nobody fetches a newer one here: it holds for as long as it lies there.
            next_update: date_time_ymd(2024, 2, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

impl Device {
    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// A server's certificate and key in PEM.
pub(super) fn server(ca: &Ca, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &ca.0).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Writes a file that nobody else may read, and its folder.
pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn authority(name: &str) -> CertificateParams {
    let mut params = subject(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn subject(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
