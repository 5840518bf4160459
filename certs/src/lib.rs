//! Who a device is and what it may do.
//!
//! - A folder, the access [`Directory`], holds all of it as files that a person can read: the
//!   certificate authority, the server's certificate, things with their certificates, groups,
//!   policies, users and access keys.
//! - A [`Registry`] is one reading of the folder: whole and right, or an error that names every
//!   file that is wrong. It never changes; a change of the folder makes another one.
//! - An [`Identity`] is who somebody is by a registry, and [`Permissions`] what that one may do
//!   on one connection.

mod access_keys;
mod authority;
mod certificate;
mod clock;
mod directory;
mod document;
pub mod files;
mod folder;
mod identity;
mod keys;
mod list_file;
mod names;
mod password;
mod pem;
mod policy;
mod problems;
mod registry;
mod sigv4;
mod subscriptions;
mod thing;
mod tls;
mod toml_file;
mod users;

pub use access_keys::AccessKey;
pub use authority::{Authority, InvalidServerName, Issued, KeyKind, ServerName};
pub use certificate::{
    AlternativeNames, Certificate, CertificateId, Inspection, InvalidCertificate, Name,
    NameAttribute,
};
pub use directory::Directory;
pub use document::DocumentError;
pub use identity::{ClientIdRule, Identity, Principal, Refusal};
pub use keys::ServerCredentials;
pub use policy::{Action, Connection, Decision, NearMiss, Permissions, Policy, Scope};
pub use registry::{Problem, Registry, RegistryError};
pub use sigv4::SignedRequest;
pub use subscriptions::{Party, SubscriptionTable};
pub use thing::{AttachedCertificate, CertificateStatus, InvalidThingName, Thing, ThingName};
pub use tls::{
    Accepted, Alpn, ClientCertificate, Tls, TlsError, TlsListener, TlsSettings, TlsStream,
    TlsVersion,
};
pub use users::User;
