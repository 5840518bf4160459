//! The certificate that the listeners show: where it lies, and when another one is due.

use std::{
    fs,
    path::{Path, PathBuf},
};

use perennial_certs::{Authority, Certificate, Directory, Problem, ServerCredentials, ServerName};

use crate::addresses;

/// Where the certificate of the listeners comes from.
#[derive(Debug)]
pub(super) enum Server {
    /// This gateway's authority issues it, for these names and those of the machine.
    Own(Vec<ServerName>),
    /// Somebody else puts it there, and its key.
    Foreign(PathBuf, PathBuf),
}

impl Server {
    /// The files with the certificate and its key.
    pub(super) fn files(&self, directory: &Directory) -> (PathBuf, PathBuf) {
        match self {
            Server::Own(_) => (directory.server_certificate(), directory.server_key()),
            Server::Foreign(certificate, key) => (certificate.clone(), key.clone()),
        }
    }

    /// Reads the certificate and its key.
    pub(super) fn load(&self, directory: &Directory) -> Result<ServerCredentials, Problem> {
        let (certificate, key) = self.files(directory);
        ServerCredentials::load(&certificate, &key)
    }

    /// Issues the next certificate if it is due; whether it was.
    pub(super) fn renew(&self, directory: &Directory, now: u64) -> Result<bool, Problem> {
        let Some((authority, names)) = self.due(directory, now)? else {
            return Ok(false);
        };
        authority.issue_server(&names)?;
        Ok(true)
    }

    /// Who issues the next certificate and for which names, if it is due.
    pub(super) fn due(
        &self,
        directory: &Directory,
        now: u64,
    ) -> Result<Option<(Authority, Vec<ServerName>)>, Problem> {
        let Server::Own(configured) = self else {
            return Ok(None);
        };
        let names = addresses::server_names(configured);
        let file = directory.server_certificate();
        let (is_missing, found) = (!file.exists(), self.load(directory));
        if found.is_err() && !is_missing && !is_untimely(&file, now) {
            // Whoever reads it next says what is wrong with it.
            return Ok(None);
        }
        if found.is_ok() && !directory.authority_key().exists() {
            // The authority is kept elsewhere, and so is who renews what it issues.
            return Ok(None);
        }
        let authority = Authority::open(directory)?;
        let is_due = found.map_or(true, |found| authority.is_due(&found, &names, now));
        Ok(is_due.then_some((authority, names)))
    }
}

/// Whether a certificate is not valid at this time: it has ended, or it is of a clock that was ahead.
fn is_untimely(file: &Path, now: u64) -> bool {
    let pem = fs::read(file).unwrap_or_default();
    let chain = Certificate::read_pem(pem).unwrap_or_default();
    chain
        .first()
        .is_some_and(|(_, certificate)| certificate.is_untimely(now))
}

#[cfg(test)]
mod tests {
    use perennial_certs::{
        KeyKind,
        files::{self, Readers},
    };
    use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_certificate_of_another_time_is_replaced_and_one_that_is_wrong_is_not() {
        let folder = TempDir::new().unwrap();
        let directory = Directory::new(folder.path());
        let authority = Authority::create(&directory, KeyKind::Ecdsa, "Test CA").unwrap();
        let key = fs::read_to_string(directory.authority_key()).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(authority.certificate_pem(), key).unwrap();
        let server = Server::Own(Vec::new());
        let now = crate::clock::unix_millis() / 1_000;
        for (from, to) in [(2020, 2021), (2090, 2091)] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
            let issued = params.signed_by(&key, &issuer).unwrap().pem();
            let put = |path: PathBuf, text: String| {
                files::replace(&path, text.as_bytes(), Readers::Owner).unwrap();
            };
            put(directory.server_certificate(), issued);
            put(directory.server_key(), key.serialize_pem());
            assert_eq!(server.renew(&directory, 60), Ok(false), "no clock");
            assert_eq!(server.renew(&directory, now), Ok(true), "{from}");
            server.load(&directory).unwrap();
            assert_eq!(server.renew(&directory, now), Ok(false));
        }
        fs::write(directory.server_certificate(), "").unwrap();
        assert_eq!(server.renew(&directory, now), Ok(false));
    }
}
