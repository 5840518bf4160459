//! The certificate authority of a gateway.
//!
//! - It is made for 20 years and issues for the listeners and for things, nothing between.
//! - Certificates for listeners are valid for 90 days and renewed in time; those for things as long
//!   as the authority itself, since nobody renews them.
//! - The certificates of things are kept, so that they can be revoked by their identifiers; their
//!   keys are not.
//! - Clocks that go wrong are reckoned with: certificates begin to be valid before they are issued.

mod key;
mod request;
mod revocation;
mod server_name;
mod template;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

pub use self::{
    key::KeyKind,
    server_name::{InvalidServerName, ServerName},
};
use crate::{
    certificate::{self, Certificate, InvalidCertificate, date},
    clock,
    directory::Directory,
    files::{self, Readers, problem},
    keys::{ServerCredentials, private},
    registry::Problem,
    thing::ThingName,
};

const DAY: u64 = 24 * 60 * 60;

/// A server's certificate is renewed when it has less time left.
const RENEWAL: u64 = 30 * DAY;

/// The authority of a gateway, with its key.
pub struct Authority {
    directory: Directory,
    certificate: Certificate,
    certificate_pem: String,
    der: Vec<u8>,
    key_identifier: KeyIdMethod,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was issued.
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// The same in PEM.
    pub certificate_pem: String,
    /// Its private key in PEM, if it was made here; for a thing it is kept nowhere.
    pub key_pem: Option<String>,
}

impl Authority {
    /// Makes an authority that is called `name` and writes it into `directory`.
    ///
    /// # Errors
    /// There is one already, a file cannot be written, or the clock is not set.
    pub fn create(directory: &Directory, kind: KeyKind, name: &str) -> Result<Authority, Problem> {
        Self::create_at(directory, kind, name, clock::unix_seconds())
    }

    fn create_at(
        directory: &Directory,
        kind: KeyKind,
        name: &str,
        now: u64,
    ) -> Result<Authority, Problem> {
        let (path, key_path) = (directory.authority_certificate(), directory.authority_key());
        if !clock::is_plausible(now) {
            let today = date(now);
            let message = format!("by the clock of this machine it is {today}: set it first");
            return Err(problem(&path, message));
        }
        if path.exists() {
            return Err(problem(
                &path,
                "there is an authority already; it stays as it is",
            ));
        }
        let failed = |message| problem(&path, message);
        let key = kind.generate().map_err(failed)?;
        let template = template::authority(name, now).map_err(failed)?;
        let made = template.self_signed(&key);
        let made = made.map_err(|error| problem(&path, error.to_string()))?;
        files::create_folder(directory.path())?;
        // The certificate last: it is what says that there is an authority.
        files::create(&key_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
        files::create(&path, made.pem().as_bytes(), Readers::All)?;
        Self::open(directory)
    }

    /// Reads the authority in `directory`.
    ///
    /// # Errors
    /// There is none, or its files are wrong.
    pub fn open(directory: &Directory) -> Result<Authority, Problem> {
        let (path, key_path) = (directory.authority_certificate(), directory.authority_key());
        let wrong = |InvalidCertificate(message)| problem(&path, message);
        let pem = files::read(&path)?;
        let (der, certificate) = Certificate::read_pem(&pem).map_err(wrong)?.swap_remove(0);
        if !certificate.is_authority() {
            return Err(problem(
                &path,
                "this certificate may not issue others (no CA:TRUE)",
            ));
        }
        let mut keys = private::load(&key_path)?;
        let key = signing_key(&key_path, keys.swap_remove(0))?;
        let parsed = certificate::parse(&der).map_err(wrong)?;
        if key.subject_public_key_info() != parsed.public_key().raw {
            let message = format!("this is not the key to {}", path.display());
            return Err(problem(&key_path, message));
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der.as_slice()), key);
        let issuer = issuer.map_err(|error| {
            problem(
                &path,
                format!("this certificate cannot be issued with: {error}"),
            )
        })?;
        Ok(Authority {
            directory: directory.clone(),
            certificate,
            certificate_pem: String::from_utf8_lossy(&pem).into_owned(),
            key_identifier: key_identifier(&parsed),
            der,
            issuer,
        })
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The same in PEM, which is what clients trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Whether what the listeners show is to be issued anew: it is another's, is not for all of
    /// `names`, or a third of its time is left at `now` (seconds since the Unix epoch).
    #[must_use]
    pub fn is_due(&self, server: &ServerCredentials, names: &[ServerName], now: u64) -> bool {
        // One that ends with the authority does not get longer by being issued again.
        let ends_soon = server.not_after() < now.saturating_add(RENEWAL)
            && server.not_after() < self.certificate.not_after();
        ends_soon || !server.is_issued_by(&self.der) || !server.covers(names)
    }

    /// Issues a certificate for the listeners and writes it with its key into the directory. The
    /// key is of the kind that the authority has.
    ///
    /// # Errors
    /// There are no names, the authority has expired, or a file cannot be written.
    pub fn issue_server(&self, names: &[ServerName]) -> Result<Issued, Problem> {
        self.issue_server_at(names, clock::unix_seconds())
    }

    fn issue_server_at(&self, names: &[ServerName], now: u64) -> Result<Issued, Problem> {
        let path = self.directory.server_certificate();
        let now = self.sensible(self.not_before_the_last(now))?;
        let template = template::server(names, &self.certificate, now);
        let template = template.map_err(|message| problem(&path, message))?;
        let key = self.make_key(KeyKind::of(self.issuer.key()))?;
        let issued = self.issue(template, &key, Some(key.serialize_pem()))?;
        // Of two that issue at once the later one would take the key of the other's certificate.
        let _lock = files::lock(self.directory.path())?;
        // The key first, with the one to the certificate that is there behind: at every moment in
        // between there is one that goes with the certificate, and a crash breaks nothing.
        let key_path = self.directory.server_key();
        let mut keys = key.serialize_pem();
        if let Some(before) = key_to(&path, &key_path) {
            keys.push_str(&before);
        }
        files::replace(&key_path, keys.as_bytes(), Readers::Owner)?;
        files::replace(&path, issued.certificate_pem.as_bytes(), Readers::All)?;
        Ok(issued)
    }

    /// Issues a certificate for a thing, with a new key.
    ///
    /// # Errors
    /// The key cannot be made, the authority has expired, or a file cannot be written.
    pub fn issue_device(&self, thing: &ThingName, kind: KeyKind) -> Result<Issued, Problem> {
        let key = self.make_key(kind)?;
        self.issue_for(
            thing,
            &key,
            Some(key.serialize_pem()),
            clock::unix_seconds(),
        )
    }

    /// Issues a certificate for a thing that has made its own key and a request with it. Nothing
    /// is taken from the request but the key: it is not the device that says what it is called.
    ///
    /// # Errors
    /// The file holds no request (PKCS #10 in PEM) or one that is not signed with its key, the
    /// authority has expired, or a file cannot be written.
    pub fn sign_request(&self, thing: &ThingName, request: &Path) -> Result<Issued, Problem> {
        let key = request::public_key(&files::read(request)?);
        let key = key.map_err(|message| problem(request, message))?;
        self.issue_for(thing, &key, None, clock::unix_seconds())
    }

    fn issue_for(
        &self,
        thing: &ThingName,
        key: &impl PublicKeyData,
        key_pem: Option<String>,
        now: u64,
    ) -> Result<Issued, Problem> {
        self.sensible(now)?;
        let template = template::device(thing, &self.certificate);
        let template = template.map_err(|message| self.problem(message))?;
        let issued = self.issue(template, key, key_pem)?;
        files::create_folder(&self.directory.issued())?;
        let path = self.directory.issued_certificate(&issued.certificate.id());
        files::create(&path, issued.certificate_pem.as_bytes(), Readers::All)?;
        Ok(issued)
    }

    fn issue(
        &self,
        mut template: CertificateParams,
        key: &impl PublicKeyData,
        key_pem: Option<String>,
    ) -> Result<Issued, Problem> {
        template.key_usages = template::usages(key);
        let made = template.signed_by(key, &self.issuer);
        let made = made.map_err(|error| self.problem(format!("cannot issue with it: {error}")))?;
        let certificate = Certificate::from_der(made.der());
        let certificate =
            certificate.map_err(|InvalidCertificate(message)| self.problem(message))?;
        if certificate.issuer_der() != self.certificate.subject_der() {
            return Err(self.problem(
                "certificates cannot be issued under its name, in which an attribute comes twice",
            ));
        }
        Ok(Issued {
            certificate,
            certificate_pem: made.pem(),
            key_pem,
        })
    }

    fn make_key(&self, kind: KeyKind) -> Result<KeyPair, Problem> {
        kind.generate().map_err(|message| self.problem(message))
    }

    /// The time for what is issued: a clock that stands before the authority was made is wrong.
    fn sensible(&self, now: u64) -> Result<u64, Problem> {
        let now = now.max(self.certificate.not_before());
        if now < self.certificate.not_after() {
            return Ok(now);
        }
        let day = date(self.certificate.not_after());
        Err(self.problem(format!(
            "this authority has expired on {day}: make another one"
        )))
    }

    /// A clock that was never set is at least where it was when the listeners' certificate was
    /// issued: the next one lasts as long as that one, so that changing a name takes no time away.
    fn not_before_the_last(&self, now: u64) -> u64 {
        if clock::is_plausible(now) {
            return now;
        }
        let text = files::read(&self.directory.server_certificate());
        let chain = text.ok().and_then(|text| Certificate::read_pem(text).ok());
        let last = chain.and_then(|chain| chain.into_iter().next());
        let issued = last.map(|(_, last)| last.not_after().saturating_sub(template::SERVER));
        issued.map_or(now, |issued| issued.max(now))
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        problem(&self.directory.authority_certificate(), message)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("directory", &self.directory)
            .field("certificate", &self.certificate.id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Issued")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

fn signing_key(path: &Path, key: PrivateKeyDer<'static>) -> Result<KeyPair, Problem> {
    if !matches!(key, PrivateKeyDer::Pkcs8(_)) {
        let shown = path.display();
        let message = format!(
            "the key of an authority must be in PKCS #8: \
             `openssl pkey -in {shown} -out {shown}.pkcs8`, then put the new file in its place"
        );
        return Err(problem(path, message));
    }
    KeyPair::try_from(&key).map_err(|error| {
        problem(
            path,
            format!("the key cannot be used ({error}): take ECDSA on P-256 or P-384, or RSA"),
        )
    })
}

/// What the authority's key is called in what it signs.
fn key_identifier(certificate: &X509Certificate<'_>) -> KeyIdMethod {
    let own =
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            });
    own.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified)
}

/// The key to the certificate at `path`, out of those in a file that has been written here; `None`
/// where there is none that is right.
fn key_to(path: &Path, key_path: &Path) -> Option<String> {
    let chain = Certificate::read_pem(files::read(path).ok()?).ok()?;
    let parsed = certificate::parse(&chain.first()?.0).ok()?;
    let keys = private::load(key_path).ok()?.into_iter();
    let mut keys = keys.filter_map(|key| signing_key(key_path, key).ok());
    let key = keys.find(|key| key.subject_public_key_info() == parsed.public_key().raw)?;
    Some(key.serialize_pem())
}
