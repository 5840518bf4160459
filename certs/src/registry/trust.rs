//! Whose certificates are taken: this gateway's authority, other authorities, and what they have
//! revoked.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use ring::digest;
use rustls::pki_types::pem::SectionKind;
use x509_parser::{error::X509Error, prelude::FromDer, revocation_list::CertificateRevocationList};

use crate::{
    certificate::{self, Certificate, CertificateId},
    directory::Directory,
    folder, pem,
    problems::Problems,
    tls,
};

/// The authorities and their lists.
#[derive(Debug, Default)]
pub(super) struct Trust {
    own: Option<Authority>,
    /// This gateway's authority in PEM.
    pem: Option<String>,
    others: Vec<Authority>,
    /// In DER.
    lists: Vec<Vec<u8>>,
    /// When others' authorities end, and when lists are to be replaced, by their files; in seconds
    /// since the Unix epoch.
    ends: Vec<(PathBuf, u64)>,
    due: Vec<(PathBuf, u64)>,
    /// The serial numbers on them, by the names in DER of who has issued them.
    revoked: HashMap<Vec<u8>, HashSet<String>>,
}

/// An authority's certificate.
#[derive(Debug)]
struct Authority {
    der: Vec<u8>,
    /// Its name in DER.
    subject: Vec<u8>,
    not_after: u64,
}

impl Authority {
    fn has_signed(&self, list: &CertificateRevocationList<'_>) -> bool {
        let Ok(own) = certificate::parse(&self.der) else {
            return false;
        };
        match list.verify_signature(own.public_key()) {
            // Whether it can be used is for TLS to say.
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
            Err(_) => false,
        }
    }
}

impl Trust {
    /// Reads the authorities and lists in `directory`.
    pub(super) fn load(directory: &Directory, problems: &Problems) -> Trust {
        let mut trust = Trust::default();
        let path = directory.authority_certificate();
        if let Some(pem) = problems.note(folder::read(&path)).flatten() {
            match authorities(&pem) {
                Ok(mut own) if own.len() == 1 => trust.own = own.pop(),
                Ok(_) => problems.add(&path, "it holds more than one certificate"),
                Err(message) => problems.add(&path, message),
            }
            trust.pem = Some(pem);
        }
        for entry in folder::list(&directory.trusted(), "pem", problems) {
            let Some(pem) = problems.note(folder::read_listed(&entry.path)) else {
                continue;
            };
            match authorities(&pem) {
                Ok(others) => {
                    let ends = others.iter().map(|other| other.not_after);
                    trust.ends.extend(ends.map(|end| (entry.path.clone(), end)));
                    trust.others.extend(others);
                }
                Err(message) => problems.add(&entry.path, message),
            }
        }
        for entry in folder::list(&directory.revocations(), "pem", problems) {
            let Some(pem) = problems.note(folder::read_listed(&entry.path)) else {
                continue;
            };
            match trust.take_lists(&pem) {
                Ok(due) => trust.due.extend(due.map(|due| (entry.path, due))),
                Err(message) => problems.add(&entry.path, message),
            }
        }
        trust
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.pem.as_deref()
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &[u8]> {
        let roots = self.own.iter().chain(&self.others);
        roots.map(|root| root.der.as_slice())
    }

    pub(super) fn revocations(&self) -> impl Iterator<Item = &[u8]> {
        self.lists.iter().map(Vec::as_slice)
    }

    /// The files of others' authorities that end before `time`, and when.
    pub(super) fn ends_before(&self, time: u64) -> impl Iterator<Item = (&Path, u64)> {
        before(&self.ends, time)
    }

    /// The files of lists that were to be replaced before `time`, and when.
    pub(super) fn due_before(&self, time: u64) -> impl Iterator<Item = (&Path, u64)> {
        before(&self.due, time)
    }

    /// Whether certificates that `issuer` (a name in DER) has issued name a thing.
    pub(super) fn names_things(&self, issuer: &[u8]) -> bool {
        let is_issuer = |authority: &Authority| authority.subject == issuer;
        self.others.iter().any(is_issuer) && !self.own.as_ref().is_some_and(is_issuer)
    }

    /// Whether the issuer of a certificate has revoked it.
    pub(super) fn has_revoked(&self, certificate: &Certificate) -> bool {
        let revoked = self.revoked.get(certificate.issuer_der());
        revoked.is_some_and(|serials| serials.contains(certificate.serial_number()))
    }

    /// A digest of everything here and of `registered`.
    pub(super) fn digest<'a>(
        &self,
        registered: impl ExactSizeIterator<Item = &'a CertificateId>,
    ) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |part: &[u8]| {
            // With its length, so that no two readings have the same parts in a row.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        };
        add(&(self.roots().count() as u64).to_be_bytes());
        self.roots().for_each(&mut add);
        add(&(self.lists.len() as u64).to_be_bytes());
        self.revocations().for_each(&mut add);
        for id in registered {
            add(id.to_string().as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    /// Takes the lists of a PEM text, each by an authority that is here: another's would revoke
    /// nothing and nobody would notice. When the first of them is to be replaced by another.
    fn take_lists(&mut self, pem: &str) -> Result<Option<u64>, String> {
        let sections = pem::sections(pem.as_bytes())?;
        if sections.is_empty() {
            return Err("it holds no `-----BEGIN X509 CRL-----`".to_owned());
        }
        let mut first = None;
        for (kind, der) in sections {
            if kind != SectionKind::Crl {
                let found = pem::describe(kind);
                return Err(format!(
                    "it holds {found}, not a list of revoked certificates"
                ));
            }
            let list = parse_list(&der)?;
            let issuer = list.issuer().as_raw();
            let named = |authority: &&Authority| authority.subject == issuer;
            let named = self.own.iter().chain(&self.others).filter(named);
            let named: Vec<_> = named.collect();
            if named.is_empty() {
                return Err(
                    "no authority here has issued this list: put its certificate into \
                     trusted/, or remove the list"
                        .to_owned(),
                );
            }
            let Some(authority) = named.iter().find(|authority| authority.has_signed(&list)) else {
                return Err(
                    "it is not signed by the authority here that it names: put the list there \
                     that this authority has issued"
                        .to_owned(),
                );
            };
            tls::takes_list(&der, &authority.der)?;
            let serials = list.iter_revoked_certificates();
            let serials = serials.map(|revoked| revoked.user_certificate.to_string());
            self.revoked
                .entry(issuer.to_vec())
                .or_default()
                .extend(serials);
            let next = list.next_update().map(|time| time.timestamp());
            let next = next.and_then(|time| u64::try_from(time).ok());
            first = first.into_iter().chain(next).min();
            self.lists.push(der);
        }
        Ok(first)
    }
}

fn before(times: &[(PathBuf, u64)], time: u64) -> impl Iterator<Item = (&Path, u64)> {
    let times = times.iter().filter(move |(_, at)| *at < time);
    times.map(|(path, at)| (path.as_path(), *at))
}

fn parse_list(der: &[u8]) -> Result<CertificateRevocationList<'_>, String> {
    match CertificateRevocationList::from_der(der) {
        Ok(([], list)) => Ok(list),
        Ok(_) => Err("there are bytes behind the list".to_owned()),
        Err(error) => Err(format!("not a list of revoked certificates: {error}")),
    }
}

/// The authorities of a PEM text.
fn authorities(pem: &str) -> Result<Vec<Authority>, String> {
    let read = Certificate::read_pem(pem).map_err(|error| error.to_string())?;
    let certificates = read.into_iter().map(|(der, certificate)| {
        if !certificate.is_authority() {
            return Err(
                "it is not the certificate of an authority (CA:TRUE); a single \
                 certificate is registered by `perennial things add NAME --certificate FILE`"
                    .to_owned(),
            );
        }
        let subject = certificate.subject_der().to_vec();
        let not_after = certificate.not_after();
        Ok(Authority {
            der,
            subject,
            not_after,
        })
    });
    certificates.collect()
}
