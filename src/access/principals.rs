//! What clients are to the broker: what they have shown on their way in, and who they are from
//! there on.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
};

use perennial_broker::{Client, Principal};
use perennial_certs::{self as certs, CertificateId, Identity};

use super::{Access, standing::Standing};

/// Who may come in without showing anything, on a listener that has such clients.
#[derive(Clone, Debug)]
pub(crate) struct Anonymous {
    /// The policies that hold for it; without any named it may do everything.
    pub(crate) policies: Option<Arc<[String]>>,
}

impl Principal for Anonymous {}

/// Who has signed the request for a WebSocket.
#[derive(Debug)]
pub(super) struct Signed(pub(super) Identity);

impl Principal for Signed {}

/// A client that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) bearing: Bearing,
    /// What it may do by the reading that was the latest when somebody asked.
    standing: RwLock<Arc<Standing>>,
}

impl Principal for Admitted {}

/// What a client asks for with its CONNECT, as far as policies ask about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bearing {
    pub(super) is_persistent: bool,
    pub(super) has_will: bool,
}

impl Admitted {
    pub(super) fn new(bearing: Bearing, standing: Standing) -> Admitted {
        Admitted {
            bearing,
            standing: RwLock::new(Arc::new(standing)),
        }
    }

    /// What `client`, who this is, may do by the latest reading.
    pub(super) fn standing(&self, access: &Access, client: &Client) -> Arc<Standing> {
        let known = {
            let standing = self.standing.read();
            Arc::clone(&standing.unwrap_or_else(PoisonError::into_inner))
        };
        if known.number == access.number.load(Ordering::Acquire) {
            return known;
        }
        let mut standing = self
            .standing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let reading = access.reading();
        if standing.number != reading.number {
            *standing = Arc::new(standing.renewed(access, &reading, client, self.bearing));
        }
        Arc::clone(&standing)
    }
}

/// Who a client is.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// Somebody that the registry knows.
    Known(Identity),
    /// The anonymous client of a listener.
    Anonymous(Anonymous),
    /// Somebody who has been away since an earlier run.
    Absent,
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = match self {
            Who::Anonymous(_) => Claim::Nothing,
            Who::Absent => Claim::Absent,
            Who::Known(identity) => Claim::of(&identity.principal),
        };
        claim.fmt(formatter)
    }
}

/// Who a client says that it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Claim<'a> {
    Certificate(CertificateId),
    User(&'a str),
    AccessKey(&'a str),
    Nothing,
    Absent,
}

impl Claim<'_> {
    pub(super) fn of(principal: &certs::Principal) -> Claim<'_> {
        match principal {
            certs::Principal::Certificate(certificate) => Claim::Certificate(certificate.id()),
            certs::Principal::User(name) => Claim::User(name),
            certs::Principal::AccessKey(id) => Claim::AccessKey(id),
        }
    }
}

impl fmt::Display for Claim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Certificate(id) => write!(formatter, "certificate:{id}"),
            Claim::User(name) => write!(formatter, "user:{name}"),
            Claim::AccessKey(id) => write!(formatter, "access-key:{id}"),
            Claim::Nothing => formatter.write_str("anonymous"),
            Claim::Absent => formatter.write_str("unknown"),
        }
    }
}
