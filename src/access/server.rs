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
        let Server::Own(configured) = self else {
            return Ok(false);
        };
        let names = addresses::server_names(configured);
        let file = directory.server_certificate();
        let (is_missing, found) = (!file.exists(), self.load(directory));
        if found.is_err() && !is_missing && !has_ended(&file, now) {
            // Whoever reads it next says what is wrong with it.
            return Ok(false);
        }
        if found.is_ok() && !directory.authority_key().exists() {
            // The authority is kept elsewhere, and so is who renews what it issues.
            return Ok(false);
        }
        let authority = Authority::open(directory)?;
        let is_due = found.map_or(true, |found| authority.is_due(&found, &names, now));
        if is_due {
            authority.issue_server(&names)?;
        }
        Ok(is_due)
    }
}

/// Whether nothing is wrong with a certificate but that its time is over.
fn has_ended(file: &Path, now: u64) -> bool {
    let pem = fs::read(file).unwrap_or_default();
    let chain = Certificate::read_pem(pem).unwrap_or_default();
    chain
        .first()
        .is_some_and(|(_, certificate)| certificate.not_after() < now)
}
