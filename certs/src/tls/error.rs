//! What was wrong with a handshake, in words for whoever reads the log.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// The first byte of a record that a handshake begins with (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The first byte of a CONNECT (MQTT 5, 3.1.1).
const CONNECT: u8 = 0x10;

/// A handshake that failed, or credentials that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// The client was gone before the end.
    #[error("the connection was lost in the handshake")]
    Lost,
    /// MQTT came where TLS should.
    #[error("the client speaks MQTT without TLS on a port for TLS")]
    PlainMqtt,
    /// A request in HTTP came where TLS should.
    #[error("the client speaks HTTP without TLS on a port for TLS")]
    PlainHttp,
    /// Something else came where TLS should.
    #[error("what the client speaks is not TLS")]
    NotTls,
    /// The client offers names by ALPN, and none of those that are served.
    #[error("no ALPN name in common")]
    NoAlpn,
    /// The client and this side have no version of TLS, or no way to encrypt, in common.
    #[error("nothing in common: {0}")]
    NothingInCommon(&'static str),
    /// The client must show a certificate.
    #[error("the client showed no certificate")]
    NoCertificate,
    /// Neither is the client's certificate registered nor its issuer trusted.
    #[error("the client's certificate is from an unknown CA")]
    UnknownAuthority,
    /// The time of the client's certificate, or of one above it, is over.
    #[error("the client's certificate has expired")]
    Expired,
    /// The time of the client's certificate, or of one above it, has not come.
    #[error("the client's certificate is not valid yet; is the clock of this machine right?")]
    NotValidYet,
    /// The issuer has revoked the client's certificate.
    #[error("the client's certificate is revoked")]
    Revoked,
    /// The client does not have the key to its certificate, or the issuer's name is that of an
    /// authority here and its key is not.
    #[error("the signature is not by the key of the client's certificate, or of its CA")]
    BadSignature,
    /// Something else is wrong with the client's certificate.
    #[error("the client's certificate cannot be used: {0}")]
    BadCertificate(String),
    /// The client does not take what it was shown; the alert that it has sent.
    #[error("the client does not trust the certificate of this gateway ({0}); it needs the CA's")]
    Distrusted(String),
    /// The client has given up; the alert that it has sent.
    #[error("the client gave up: {0}")]
    GivenUp(String),
    /// A breach of the protocol.
    #[error("the client breaches the protocol: {0}")]
    Breach(String),
    /// What this side has cannot be used.
    #[error("cannot be used for TLS: {0}")]
    Unusable(String),
}

impl TlsError {
    /// What ended a handshake that began with the byte `first`.
    pub(super) fn in_handshake(error: &io::Error, first: Option<u8>) -> TlsError {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match (cause, first) {
            (None, _) => TlsError::Lost,
            (Some(_), Some(CONNECT)) => TlsError::PlainMqtt,
            (Some(_), Some(first)) if first.is_ascii_uppercase() => TlsError::PlainHttp,
            (Some(Error::InvalidMessage(_)), Some(first)) if first != HANDSHAKE => TlsError::NotTls,
            (Some(error), _) => error.clone().into(),
        }
    }
}

impl From<Error> for TlsError {
    fn from(error: Error) -> TlsError {
        match error {
            Error::NoApplicationProtocol => TlsError::NoAlpn,
            Error::NoCertificatesPresented => TlsError::NoCertificate,
            Error::InvalidCertificate(error) => error.into(),
            Error::AlertReceived(alert) => of_alert(alert),
            Error::PeerIncompatible(error) => TlsError::NothingInCommon(match error {
                PeerIncompatible::NoCipherSuitesInCommon => "cipher suites",
                PeerIncompatible::NoKxGroupsInCommon
                | PeerIncompatible::NamedGroupsExtensionRequired => "elliptic curves (ECDHE)",
                PeerIncompatible::NoSignatureSchemesInCommon => "signatures",
                // Those that are missing are what TLS 1.1 does not have.
                _ => "versions of TLS",
            }),
            Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => {
                TlsError::NothingInCommon("versions of TLS")
            }
            Error::FailedToGetRandomBytes | Error::FailedToGetCurrentTime | Error::General(_) => {
                TlsError::Unusable(error.to_string())
            }
            error => TlsError::Breach(error.to_string()),
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> TlsError {
        match error {
            CertificateError::UnknownIssuer => TlsError::UnknownAuthority,
            CertificateError::BadSignature => TlsError::BadSignature,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsError::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotValidYet
            }
            CertificateError::Revoked => TlsError::Revoked,
            error => TlsError::BadCertificate(error.to_string()),
        }
    }
}

/// What a client means with an alert.
fn of_alert(alert: AlertDescription) -> TlsError {
    let name = alert.as_str().unwrap_or("an unknown alert");
    match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate => TlsError::Distrusted(name.to_owned()),
        _ => TlsError::GivenUp(name.to_owned()),
    }
}
