//! PEM: what certificates, keys, requests and lists of revocations are written in.

use rustls::pki_types::pem::{self, PemObject, SectionKind};

/// One section of a PEM text: what it is, and its DER.
pub(crate) type Section = (SectionKind, Vec<u8>);

/// Reads all sections that this crate knows; what stands around them is left out, as the names
/// above the certificates in Amazon's files.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn sections(text: &[u8]) -> Result<Vec<Section>, String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err("the file is empty".to_owned());
    }
    // Every certificate, key and request is a DER sequence of more than 127 bytes.
    if matches!(text, [0x30, 0x81..=0x84, ..]) {
        return Err("the file is in DER; it must be in PEM \
             (`openssl x509 -inform der -in FILE -out FILE.pem` for a certificate)"
            .to_owned());
    }
    Section::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| explain(&error))
}

/// What a file holds instead of what it should, if it is known.
pub(crate) fn describe(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Certificate => "a certificate",
        SectionKind::PublicKey => "a public key",
        SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => {
            "a private key"
        }
        SectionKind::Crl => "a list of revoked certificates",
        SectionKind::Csr => "a request for a certificate",
        _ => "something else",
    }
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(end_marker);
            format!("the file ends within a section: there is no `-----END {label}-----`")
        }
        pem::Error::IllegalSectionStart { line } => {
            let line = String::from_utf8_lossy(line);
            format!("`{}` begins no section", line.trim_end())
        }
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64".to_owned(),
        error => error.to_string(),
    }
}
