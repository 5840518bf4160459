//! Certificate authorities that are not the gateway's.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use perennial::clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};

/// An authority that issues certificates to anybody.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and the key to it, in files.
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    serial: SerialNumber,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    /// One that pretends to be the authority whose certificate is at `path`, without its key.
    pub(crate) fn forging(path: &Path) -> Self {
        let certificate = fs::read_to_string(path).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).expect("a certificate");
        Self {
            issuer,
            certificate,
        }
    }

    /// Writes its own certificate into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        fs::write(&path, &self.certificate).expect("a file");
        path
    }

    /// Issues a certificate for the common name `name`, which is valid for decades.
    pub(crate) fn issue(&self, name: &str, folder: &Path) -> Issued {
        self.issue_until(2090, name, folder)
    }

    /// The same, valid to the end of 2020.
    pub(crate) fn issue_expired(&self, name: &str, folder: &Path) -> Issued {
        self.issue_until(2021, name, folder)
    }

    /// The same, valid for as long as `left` from here on.
    pub(crate) fn issue_for(&self, left: Duration, name: &str, folder: &Path) -> Issued {
        let now = Duration::from_millis(clock::unix_millis());
        let end = |params: &mut CertificateParams| {
            params.not_after = date_time_ymd(1970, 1, 1) + now + left;
        };
        self.issue_with(end, &format!("{name}-short"), name, folder)
    }

    fn issue_until(&self, year: i32, name: &str, folder: &Path) -> Issued {
        let end = |params: &mut CertificateParams| params.not_after = date_time_ymd(year, 1, 1);
        self.issue_with(end, &format!("{name}-{year}"), name, folder)
    }

    fn issue_with(
        &self,
        end: impl FnOnce(&mut CertificateParams),
        stem: &str,
        name: &str,
        folder: &Path,
    ) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        end(&mut params);
        let key = KeyPair::generate().expect("a key");
        // As long as others, and unlike them: it is made of the key.
        let serial = SerialNumber::from_slice(&key.public_key_raw()[1..17]);
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let issued = Issued {
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}.key")),
            serial,
        };
        fs::write(&issued.certificate, certificate.pem()).expect("a file");
        fs::write(&issued.key, key.serialize_pem()).expect("a file");
        issued
    }

    /// A list that says that `issued` was revoked.
    pub(crate) fn revoke(&self, issued: &Issued) -> String {
        let revoked = RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: date_time_ymd(2020, 6, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 6, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        list.pem().expect("a list in PEM")
    }
}
