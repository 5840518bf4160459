//! What the authority has revoked: a list that it signs (RFC 5280, section 5).

use std::path::Path;

use rcgen::{CertificateRevocationListParams, RevokedCertParams, SerialNumber};
use rustls::pki_types::pem::SectionKind;
use x509_parser::{
    prelude::FromDer,
    revocation_list::{CertificateRevocationList, RevokedCertificate},
};

use super::{Authority, DAY, template::time};
use crate::{
    certificate::{self, Certificate, CertificateId, InvalidCertificate},
    clock, files,
    files::{Readers, problem},
    pem,
    registry::Problem,
};

/// The list is this gateway's own and written when something is added; it does not wait for the
/// next one.
const VALIDITY: u64 = 10 * 365 * DAY;

impl Authority {
    /// Puts a certificate that it has issued for a thing on its list of those that are revoked;
    /// whether it has issued it. A certificate that is on the list stays on it.
    ///
    /// # Errors
    /// A file is wrong or cannot be written.
    pub fn revoke(&self, id: &CertificateId) -> Result<bool, Problem> {
        let issued = self.directory.issued_certificate(id);
        if !issued.exists() {
            return Ok(false);
        }
        let folder = self.directory.revocations();
        files::create_folder(&folder)?;
        let _lock = files::lock(&folder)?;
        let path = self.directory.own_revocations();
        let mut list = if path.exists() {
            self.read(&path)?
        } else {
            List::default()
        };
        let serial_number = serial_number(&issued)?;
        if list
            .revoked
            .iter()
            .all(|one| one.serial_number != serial_number)
        {
            let now = clock::unix_seconds().max(self.certificate.not_before());
            list.revoked.push(RevokedCertParams {
                serial_number,
                revocation_time: time(now).map_err(|message| self.problem(message))?,
                reason_code: None,
                invalidity_date: None,
            });
            let list = self.sign(list)?;
            files::replace(&path, list.as_bytes(), Readers::All)?;
        }
        Ok(true)
    }

    fn read(&self, path: &Path) -> Result<List, Problem> {
        let text = files::read(path)?;
        let sections = pem::sections(&text).map_err(|message| problem(path, message))?;
        let list = sections
            .into_iter()
            .find(|(kind, _)| *kind == SectionKind::Crl);
        let wrong = || problem(path, "not a list of revoked certificates: move it away");
        let (_, der) = list.ok_or_else(wrong)?;
        let (_, parsed) = CertificateRevocationList::from_der(&der).map_err(|_| wrong())?;
        if parsed.issuer().as_raw() != self.certificate.subject_der() {
            return Err(problem(
                path,
                "the list of another authority: give it another name",
            ));
        }
        let number = parsed.crl_number().map(|number| number.to_u64_digits());
        let number = number
            .and_then(|digits| digits.first().copied())
            .unwrap_or(0);
        Ok(List {
            number,
            revoked: parsed.iter_revoked_certificates().map(entry).collect(),
        })
    }

    fn sign(&self, list: List) -> Result<String, Problem> {
        let now = clock::unix_seconds().max(self.certificate.not_before());
        let times = time(now).and_then(|now_time| Ok((now_time, time(now + VALIDITY)?)));
        let (this_update, next_update) = times.map_err(|message| self.problem(message))?;
        CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(list.number + 1),
            issuing_distribution_point: None,
            revoked_certs: list.revoked,
            key_identifier_method: self.key_identifier.clone(),
        }
        .signed_by(&self.issuer)
        .and_then(|list| list.pem())
        .map_err(|error| self.problem(format!("cannot sign a list with it: {error}")))
    }
}

/// What is on the list.
#[derive(Default)]
struct List {
    number: u64,
    revoked: Vec<RevokedCertParams>,
}

fn entry(revoked: &RevokedCertificate<'_>) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: revoked.serial().to_bytes_be().into(),
        revocation_time: revoked.revocation_date.to_datetime(),
        reason_code: None,
        invalidity_date: None,
    }
}

fn serial_number(path: &Path) -> Result<SerialNumber, Problem> {
    let wrong = |InvalidCertificate(message)| problem(path, message);
    let (der, _) = Certificate::read_pem(files::read(path)?)
        .map_err(wrong)?
        .swap_remove(0);
    let parsed = certificate::parse(&der).map_err(wrong)?;
    Ok(parsed.serial.to_bytes_be().into())
}
