//! The access directory: where each file is.
//!
//! ```text
//! ca.pem ca.key            the certificate authority of this gateway
//! server.pem server.key    what the TLS listeners show
//! things/NAME.toml         a thing with its certificates
//! groups/NAME.toml         what the things of a group have in common
//! policies/NAME.json       a policy document of AWS IoT
//! trusted/NAME.pem         other authorities whose certificates name a thing
//! crls/NAME.pem            what authorities have revoked; ca.pem is this gateway's own
//! issued/ID.pem            the certificates that this gateway has issued for things
//! users.toml               user names and what their passwords are checked with
//! access-keys.toml         keys that requests are signed with
//! subscriptions.json       a subscription table of Greengrass V1
//! ```

use std::path::{Path, PathBuf};

use crate::{certificate::CertificateId, thing::ThingName};

/// The folder with everything about identities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory(PathBuf);

impl Directory {
    /// The folder at `path`, which need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Directory {
        Directory(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The certificate of the authority.
    #[must_use]
    pub fn authority_certificate(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The private key of the authority.
    #[must_use]
    pub fn authority_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    /// The certificate that listeners show, with those between it and the authority.
    #[must_use]
    pub fn server_certificate(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// The private key of that certificate.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    /// A file for each thing.
    #[must_use]
    pub fn things(&self) -> PathBuf {
        self.0.join("things")
    }

    /// The file of the thing with this name.
    #[must_use]
    pub fn thing(&self, name: &ThingName) -> PathBuf {
        self.things().join(format!("{name}.toml"))
    }

    /// A file for each group.
    #[must_use]
    pub fn groups(&self) -> PathBuf {
        self.0.join("groups")
    }

    /// A file for each policy.
    #[must_use]
    pub fn policies(&self) -> PathBuf {
        self.0.join("policies")
    }

    /// A file for each other authority.
    #[must_use]
    pub fn trusted(&self) -> PathBuf {
        self.0.join("trusted")
    }

    /// A file for each list of what was revoked.
    #[must_use]
    pub fn revocations(&self) -> PathBuf {
        self.0.join("crls")
    }

    /// The list of what this gateway's authority has revoked.
    #[must_use]
    pub fn own_revocations(&self) -> PathBuf {
        self.revocations().join("ca.pem")
    }

    /// A file for each certificate that this gateway's authority has issued for a thing.
    #[must_use]
    pub fn issued(&self) -> PathBuf {
        self.0.join("issued")
    }

    /// The file of the issued certificate with this identifier.
    #[must_use]
    pub fn issued_certificate(&self, id: &CertificateId) -> PathBuf {
        self.issued().join(format!("{id}.pem"))
    }

    /// The users.
    #[must_use]
    pub fn users(&self) -> PathBuf {
        self.0.join("users.toml")
    }

    /// The access keys.
    #[must_use]
    pub fn access_keys(&self) -> PathBuf {
        self.0.join("access-keys.toml")
    }

    /// The subscription table.
    #[must_use]
    pub fn subscriptions(&self) -> PathBuf {
        self.0.join("subscriptions.json")
    }
}
