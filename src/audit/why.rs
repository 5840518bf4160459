//! Why something is refused.

use perennial_certs::Refusal;

/// Why something is refused: few words, which metrics have as a label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Why {
    /// Nobody may who shows nothing.
    NoIdentity,
    UnknownCertificate,
    InactiveCertificate,
    NotValidNow,
    DisabledThing,
    ClientId,
    Password,
    Signature,
    /// No policy allows it, or one denies it.
    Policy,
    /// No entry of the subscription table lets it through.
    Subscriptions,
    /// It is about another thing.
    OtherThing,
    /// It comes too often.
    Rate,
    /// Too many wait for a decision.
    Busy,
}

impl Why {
    pub(super) const ALL: [Why; 13] = [
        Why::NoIdentity,
        Why::UnknownCertificate,
        Why::InactiveCertificate,
        Why::NotValidNow,
        Why::DisabledThing,
        Why::ClientId,
        Why::Password,
        Why::Signature,
        Why::Policy,
        Why::Subscriptions,
        Why::OtherThing,
        Why::Rate,
        Why::Busy,
    ];

    /// The word for it in metrics and in the log.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Why::NoIdentity => "no_identity",
            Why::UnknownCertificate => "unknown_certificate",
            Why::InactiveCertificate => "inactive_certificate",
            Why::NotValidNow => "not_valid_now",
            Why::DisabledThing => "disabled_thing",
            Why::ClientId => "client_id",
            Why::Password => "password",
            Why::Signature => "signature",
            Why::Policy => "policy",
            Why::Subscriptions => "subscriptions",
            Why::OtherThing => "other_thing",
            Why::Rate => "rate",
            Why::Busy => "busy",
        }
    }
}

impl From<&Refusal> for Why {
    fn from(refusal: &Refusal) -> Why {
        match refusal {
            Refusal::UnknownCertificate => Why::UnknownCertificate,
            Refusal::InactiveCertificate => Why::InactiveCertificate,
            Refusal::NotValidNow => Why::NotValidNow,
            Refusal::DisabledThing => Why::DisabledThing,
            Refusal::ForeignClientId => Why::ClientId,
            Refusal::BadPassword => Why::Password,
            Refusal::BadSignature(_) => Why::Signature,
        }
    }
}
