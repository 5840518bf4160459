//! Keys that are made here.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rsa::{RsaPrivateKey, pkcs8::EncodePrivateKey, rand_core::OsRng};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// What a key is made for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    #[default]
    Ecdsa,
    /// RSA with 2048 bits, for devices that know nothing else.
    Rsa,
}

const RSA_BITS: usize = 2048;

impl KeyKind {
    /// The kind to make for who has this key.
    pub(super) fn of(key: &KeyPair) -> KeyKind {
        if key.is_compatible(&PKCS_RSA_SHA256) {
            KeyKind::Rsa
        } else {
            KeyKind::Ecdsa
        }
    }

    /// Makes a key; one of RSA takes up to some seconds on a small machine.
    pub(super) fn generate(self) -> Result<KeyPair, String> {
        match self {
            KeyKind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
                .map_err(|error| format!("cannot make a key: {error}")),
            KeyKind::Rsa => {
                // `ring` makes no RSA keys; it is ring again that works with this one.
                let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS)
                    .map_err(|error| format!("cannot make an RSA key: {error}"))?;
                let der = key
                    .to_pkcs8_der()
                    .map_err(|error| format!("cannot write an RSA key: {error}"))?;
                KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes()))
                    .map_err(|error| format!("cannot take an RSA key: {error}"))
            }
        }
    }
}
