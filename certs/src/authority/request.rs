//! Requests for a certificate (PKCS #10).

use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::pem::SectionKind;
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

use crate::pem;

/// The key that a request is about, whose owner has signed it.
pub(super) fn public_key(text: &[u8]) -> Result<SubjectPublicKeyInfo, String> {
    // `openssl req -newhdr` writes the older of the two labels.
    let text =
        String::from_utf8_lossy(text).replace(" NEW CERTIFICATE REQUEST", " CERTIFICATE REQUEST");
    let sections = pem::sections(text.as_bytes())?;
    let other = sections.first().map(|(kind, _)| pem::describe(*kind));
    let request = sections
        .into_iter()
        .find(|(kind, _)| *kind == SectionKind::Csr);
    let Some((_, der)) = request else {
        return Err(match other {
            Some(other) => format!("the file holds {other}, not a request for a certificate"),
            None => "the file holds no `-----BEGIN CERTIFICATE REQUEST-----`".to_owned(),
        });
    };
    let Ok(([], request)) = X509CertificationRequest::from_der(&der) else {
        return Err("not a request for a certificate".to_owned());
    };
    let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw);
    let key = key.map_err(|_| {
        "certificates are issued for keys of RSA, ECDSA on P-256 or P-384, and Ed25519".to_owned()
    })?;
    request
        .verify_signature()
        .map_err(|error| format!("the request is not signed with its key: {error}"))?;
    Ok(key)
}
