//! One reading of the access directory: whole and right, or an error that names all that is wrong.

mod load;
mod trust;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use ring::digest;

use self::trust::Trust;
pub use crate::problems::{Problem, RegistryError};
use crate::{
    access_keys::AccessKey,
    certificate::{Certificate, CertificateId, NameAttribute},
    clock,
    directory::Directory,
    identity::{Identity, Principal, Proof, Refusal},
    password::Verified,
    policy::Policy,
    sigv4::{self, SignedRequest},
    subscriptions::SubscriptionTable,
    thing::{AttachedCertificate, CertificateStatus, Thing, ThingName},
    users::User,
};

/// One reading of the access directory; it never changes.
#[derive(Debug)]
pub struct Registry {
    things: BTreeMap<ThingName, Arc<Thing>>,
    /// The things that each certificate is attached to.
    certificates: HashMap<CertificateId, Vec<Arc<Thing>>>,
    /// The policies of each group that has a file.
    groups: BTreeMap<String, Vec<String>>,
    policies: BTreeMap<String, Arc<Policy>>,
    users: BTreeMap<String, User>,
    access_keys: BTreeMap<String, AccessKey>,
    subscriptions: Option<Arc<SubscriptionTable>>,
    trust: Trust,
    /// Of this reading's users only: a password that was changed is checked again.
    verified: Verified,
}

impl Registry {
    /// Reads the folder.
    ///
    /// # Errors
    /// All files that are wrong.
    pub fn load(directory: &Directory) -> Result<Registry, RegistryError> {
        load::load(directory)
    }

    /// The thing with this name.
    #[must_use]
    pub fn thing(&self, name: &str) -> Option<&Arc<Thing>> {
        self.things.get(name)
    }

    /// All things, by their names.
    pub fn things(&self) -> impl Iterator<Item = &Arc<Thing>> {
        self.things.values()
    }

    /// The policy with this name.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies.get(name)
    }

    /// All policies, by their names.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// All users, by their names.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// All access keys, by their identifiers.
    pub fn access_keys(&self) -> impl Iterator<Item = &AccessKey> {
        self.access_keys.values()
    }

    /// The subscription table, if there is one.
    #[must_use]
    pub fn subscriptions(&self) -> Option<&Arc<SubscriptionTable>> {
        self.subscriptions.as_ref()
    }

    /// The certificate of this gateway's authority in PEM, if it has one.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.trust.authority()
    }

    /// The files of other authorities that end before `time`, and when; both in seconds since the
    /// Unix epoch. What they have issued is taken for as long as its own certificate says.
    pub fn authorities_ending(&self, time: u64) -> impl Iterator<Item = (&Path, u64)> {
        self.trust.ends_before(time)
    }

    /// The files of lists of revoked certificates that were to be replaced before `time`, and
    /// when. What is on them is revoked all the same.
    pub fn lists_due(&self, time: u64) -> impl Iterator<Item = (&Path, u64)> {
        self.trust.due_before(time)
    }

    /// Whether a thing has this certificate and its status is active: TLS takes it whoever has
    /// issued it.
    pub(crate) fn is_registered(&self, id: &CertificateId) -> bool {
        self.status(id) == Some(CertificateStatus::Active)
    }

    /// The certificates of all authorities in DER, this gateway's own first.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &[u8]> {
        self.trust.roots()
    }

    /// What authorities have revoked: their lists in DER.
    pub(crate) fn revocations(&self) -> impl Iterator<Item = &[u8]> {
        self.trust.revocations()
    }

    /// A digest of all that TLS takes certificates by: authorities, lists and registered
    /// certificates.
    pub(crate) fn trust(&self) -> [u8; 32] {
        let ids = self.certificates.keys();
        let mut registered: Vec<_> = ids.filter(|id| self.is_registered(id)).collect();
        registered.sort();
        self.trust.digest(registered.into_iter())
    }

    /// Who shows `certificate`, which TLS has verified.
    ///
    /// - One that is registered is whoever it is attached to, whoever has issued it.
    /// - One that a trusted authority has issued is the thing that its common name names. An
    ///   authority of this gateway's own names nobody: what it has issued must be registered, so
    ///   that a thing that is removed and added again does not bring its old certificate back.
    ///
    /// # Errors
    /// Nobody who may come in.
    pub fn by_certificate(&self, certificate: &Arc<Certificate>) -> Result<Identity, Refusal> {
        if certificate.is_untimely(clock::unix_seconds()) {
            return Err(Refusal::NotValidNow);
        }
        if self.trust.has_revoked(certificate) {
            return Err(Refusal::InactiveCertificate);
        }
        let principal = Principal::Certificate(Arc::clone(certificate));
        let id = certificate.id();
        match self.status(&id) {
            Some(CertificateStatus::Active) => {}
            Some(_) => return Err(Refusal::InactiveCertificate),
            None => {
                let thing = self.named_by(certificate)?;
                return Ok(Identity {
                    principal,
                    things: vec![enabled(thing)?],
                    policies: Vec::new(),
                    proof: Proof::Issued,
                });
            }
        }
        let attached = self.certificates.get(&id).into_iter().flatten();
        let things: Vec<_> = attached.filter_map(|thing| enabled(thing).ok()).collect();
        if things.is_empty() {
            return Err(Refusal::DisabledThing);
        }
        let attachments = things.iter().flat_map(|thing| &thing.certificates);
        let own = attachments.filter(|attached| attached.id == id);
        let policies = self.resolve(own.flat_map(|attached| &attached.policies));
        Ok(Identity {
            principal,
            things,
            policies,
            proof: Proof::Registered,
        })
    }

    /// Whoever comes in as `thing`, by one of its certificates or by none: to ask what the thing
    /// may do while nobody is there.
    #[must_use]
    pub fn supposed(&self, thing: &Arc<Thing>, attached: Option<&AttachedCertificate>) -> Identity {
        let policies = attached.into_iter().flat_map(|one| &one.policies);
        Identity {
            principal: Principal::User(String::new()),
            things: vec![Arc::clone(thing)],
            policies: self.resolve(policies),
            proof: Proof::Issued,
        }
    }

    /// Who has this user name and password; what follows a `?` in the name is left out. This
    /// takes time on purpose, as long for a name that is not there.
    ///
    /// # Errors
    /// Nobody.
    pub fn by_password(&self, user_name: &str, password: &[u8]) -> Result<Identity, Refusal> {
        let name = without_metrics(user_name);
        let Some(user) = self.users.get(name) else {
            if let Some(other) = self.users.values().next() {
                // The answer is the same whatever comes out.
                let _: bool = other.password.is(password);
            }
            return Err(Refusal::BadPassword);
        };
        if !self.verified.check(name, &user.password, password) {
            return Err(Refusal::BadPassword);
        }
        self.user(user)
    }

    /// The same of a password that [`Registry::by_password`] has found to be right before; this
    /// takes no time.
    #[must_use]
    pub fn by_known_password(
        &self,
        user_name: &str,
        password: &[u8],
    ) -> Option<Result<Identity, Refusal>> {
        let name = without_metrics(user_name);
        let user = self.users.get(name)?;
        let is_known = self.verified.knows(name, &user.password, password);
        is_known.then(|| self.user(user))
    }

    /// Who has signed `request`.
    ///
    /// # Errors
    /// Nobody, or not in time.
    pub fn by_signature(&self, request: &SignedRequest<'_>) -> Result<Identity, Refusal> {
        let key = sigv4::verify(request, |id| self.access_keys.get(id));
        self.access_key(key.map_err(Refusal::BadSignature)?)
    }

    /// Who `identity`, of an earlier registry, is by this one.
    ///
    /// # Errors
    /// Nobody who may come in.
    pub fn renew(&self, identity: &Identity) -> Result<Identity, Refusal> {
        let renewed = match &identity.principal {
            Principal::Certificate(certificate) => self.by_certificate(certificate)?,
            Principal::User(name) => {
                let user = self.users.get(name).ok_or(Refusal::BadPassword)?;
                self.user(user)?
            }
            Principal::AccessKey(id) => {
                let key = self.access_keys.get(id);
                self.access_key(key.ok_or(Refusal::BadSignature("the access key is unknown"))?)?
            }
        };
        match (renewed.proof == identity.proof, &identity.principal) {
            (true, _) => Ok(renewed),
            (false, Principal::User(_)) => Err(Refusal::BadPassword),
            (false, Principal::AccessKey(_)) => {
                Err(Refusal::BadSignature("the access key has another secret"))
            }
            // One that was registered may never have been verified against an authority; one
            // that was not may be registered since.
            (false, Principal::Certificate(_)) => match renewed.proof {
                Proof::Registered => Ok(renewed),
                _ => Err(Refusal::UnknownCertificate),
            },
        }
    }

    /// The policies that hold for `identity` as `thing`: its own, the thing's and, unless it is
    /// about discovery, those of the thing's groups. Each is there once.
    #[must_use]
    pub fn policies_of(
        &self,
        identity: &Identity,
        thing: Option<&Thing>,
        groups: bool,
    ) -> Vec<Arc<Policy>> {
        let of_thing = thing.into_iter().flat_map(|thing| &thing.policies);
        let in_groups = thing.into_iter().filter(|_| groups);
        let in_groups = in_groups.flat_map(|thing| &thing.groups);
        let of_groups = in_groups
            .filter_map(|group| self.groups.get(group))
            .flatten();
        let mut policies = identity.policies.clone();
        policies.extend(self.resolve(of_thing.chain(of_groups)));
        let mut seen = Vec::new();
        policies.retain(|policy| {
            let is_new = !seen.contains(&Arc::as_ptr(policy));
            seen.push(Arc::as_ptr(policy));
            is_new
        });
        policies
    }

    /// The status of a certificate that is registered: a certificate has one in AWS IoT, so the
    /// least of those that the things' files give it.
    fn status(&self, id: &CertificateId) -> Option<CertificateStatus> {
        let things = self.certificates.get(id)?.iter();
        let attached = things.flat_map(|thing| &thing.certificates);
        let own = attached.filter(|attached| attached.id == *id);
        own.map(|attached| attached.status).max()
    }

    /// The thing that a certificate of a trusted authority names.
    fn named_by(&self, certificate: &Certificate) -> Result<&Arc<Thing>, Refusal> {
        if !self.trust.names_things(certificate.issuer_der()) {
            return Err(Refusal::UnknownCertificate);
        }
        let mut names = certificate.subject().values(NameAttribute::CommonName);
        let thing = match (names.next(), names.next()) {
            (Some(name), None) => self.things.get(name),
            _ => None,
        };
        thing.ok_or(Refusal::UnknownCertificate)
    }

    fn user(&self, user: &User) -> Result<Identity, Refusal> {
        Ok(Identity {
            principal: Principal::User(user.name.clone()),
            things: self.thing_of(user.thing.as_ref())?,
            policies: self.resolve(&user.policies),
            proof: secret(&user.password.to_string()),
        })
    }

    fn access_key(&self, key: &AccessKey) -> Result<Identity, Refusal> {
        if key.is_disabled {
            return Err(Refusal::BadSignature("the access key is disabled"));
        }
        Ok(Identity {
            principal: Principal::AccessKey(key.id.clone()),
            things: self.thing_of(key.thing.as_ref())?,
            policies: self.resolve(&key.policies),
            proof: secret(&key.secret),
        })
    }

    fn thing_of(&self, name: Option<&ThingName>) -> Result<Vec<Arc<Thing>>, Refusal> {
        let thing = name.and_then(|name| self.things.get(name));
        thing.map(enabled).into_iter().collect()
    }

    /// Policies by their names, which were all found when the folder was read.
    fn resolve<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Vec<Arc<Policy>> {
        let found = names.into_iter().filter_map(|name| self.policies.get(name));
        found.cloned().collect()
    }
}

/// The name in a user name, to which SDKs append who they are.
fn without_metrics(user_name: &str) -> &str {
    user_name.split('?').next().unwrap_or_default()
}

fn enabled(thing: &Arc<Thing>) -> Result<Arc<Thing>, Refusal> {
    match thing.is_disabled {
        false => Ok(Arc::clone(thing)),
        true => Err(Refusal::DisabledThing),
    }
}

fn secret(secret: &str) -> Proof {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    Proof::Secret(hash)
}
