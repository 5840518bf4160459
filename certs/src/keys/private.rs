//! Private keys in files.

use std::path::Path;

use rustls::pki_types::{
    PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer, pem::SectionKind,
};

use crate::{files, files::problem, pem, registry::Problem};

/// Reads the keys in a file, in PKCS #8, PKCS #1 or SEC 1; at least one.
///
/// # Errors
/// The file cannot be read, others may read it, or it holds no key or an encrypted one.
pub(crate) fn load(path: &Path) -> Result<Vec<PrivateKeyDer<'static>>, Problem> {
    read(path, &files::read_secret(path)?)
}

fn read(path: &Path, text: &[u8]) -> Result<Vec<PrivateKeyDer<'static>>, Problem> {
    let shown = path.display();
    if is_encrypted(text) {
        return Err(problem(
            path,
            format!(
                "the private key is encrypted and nobody is there to type its passphrase: \
                 `openssl pkey -in {shown} -out {shown}.plain`, then `chmod 600` the new file \
                 and take it instead"
            ),
        ));
    }
    let sections = pem::sections(text).map_err(|message| problem(path, message))?;
    let other = sections.first().map(|(kind, _)| pem::describe(*kind));
    let keys: Vec<_> = sections.into_iter().filter_map(key).collect();
    if keys.is_empty() {
        let message = match other {
            Some(other) => format!("the file holds {other}, not a private key"),
            None => "the file holds no `-----BEGIN PRIVATE KEY-----`".to_owned(),
        };
        return Err(problem(path, message));
    }
    Ok(keys)
}

/// PKCS #8 says it in the label, OpenSSL's older form in a header of the section.
fn is_encrypted(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .any(|line| {
            line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
                || (line.starts_with(b"Proc-Type:")
                    && line.trim_ascii_end().ends_with(b"ENCRYPTED"))
        })
}

fn key((kind, der): pem::Section) -> Option<PrivateKeyDer<'static>> {
    match kind {
        SectionKind::PrivateKey => Some(PrivatePkcs8KeyDer::from(der).into()),
        SectionKind::RsaPrivateKey => Some(PrivatePkcs1KeyDer::from(der).into()),
        SectionKind::EcPrivateKey => Some(PrivateSec1KeyDer::from(der).into()),
        _ => None,
    }
}
