//! Things: the devices that this gateway knows, by their names in AWS IoT.

mod file;

use std::{borrow::Borrow, collections::BTreeMap, fmt, io, path::Path, str::FromStr};

pub(crate) use self::file::read;
use crate::{
    access_keys::AccessKey,
    certificate::CertificateId,
    directory::Directory,
    files::{self, Readers, problem},
    folder,
    names::Names,
    problems::Problems,
    registry::{Problem, RegistryError},
    users::User,
};

/// The name of a thing: 1 to 128 letters, digits, `:`, `_` and `-` (AWS IoT, CreateThing).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ThingName(Box<str>);

/// A device that this gateway knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Thing {
    /// Its name.
    pub name: ThingName,
    /// The name of its thing type.
    pub thing_type: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// The policies that are attached to it.
    pub policies: Vec<String>,
    /// Whether it is kept out.
    pub is_disabled: bool,
    /// The certificates that are attached to it.
    pub certificates: Vec<AttachedCertificate>,
}

/// A certificate that is attached to a thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttachedCertificate {
    /// Which one.
    pub id: CertificateId,
    /// Whether it is taken.
    pub status: CertificateStatus,
    /// The policies that are attached to the certificate.
    pub policies: Vec<String>,
}

/// Whether a certificate is taken, in the words of AWS IoT.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum CertificateStatus {
    /// It is.
    #[default]
    Active,
    /// It is not, for a time.
    Inactive,
    /// It is not, for good.
    Revoked,
}

impl CertificateStatus {
    /// All, in the words of the files.
    pub(crate) const ALL: [(&str, CertificateStatus); 3] = [
        ("active", CertificateStatus::Active),
        ("inactive", CertificateStatus::Inactive),
        ("revoked", CertificateStatus::Revoked),
    ];
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, status)| status == self);
        formatter.write_str(named.map_or("", |(name, _)| name))
    }
}

impl Thing {
    /// A thing with a name and nothing else.
    #[must_use]
    pub fn new(name: ThingName) -> Thing {
        Thing {
            name,
            thing_type: None,
            attributes: BTreeMap::new(),
            groups: Vec::new(),
            policies: Vec::new(),
            is_disabled: false,
            certificates: Vec::new(),
        }
    }

    /// Writes its file into `directory`, where there may be one that is replaced.
    ///
    /// # Errors
    /// A policy is not there, or the file cannot be written.
    pub fn write(&self, directory: &Directory) -> Result<(), RegistryError> {
        self.put(directory, files::replace)
    }

    /// Writes its file into `directory`, where there is none.
    ///
    /// # Errors
    /// There is one, a policy is not there, or the file cannot be written.
    pub fn add(&self, directory: &Directory) -> Result<(), RegistryError> {
        self.put(directory, files::create)
    }

    /// Changes the file of a thing; others that change it at the same time wait. Comments in the
    /// file are not kept.
    ///
    /// # Errors
    /// There is no such thing, or its file is wrong or cannot be written.
    pub fn change(
        directory: &Directory,
        name: &ThingName,
        change: impl FnOnce(&mut Thing),
    ) -> Result<Thing, RegistryError> {
        let _lock = files::lock(directory.path())?;
        let problems = Problems::default();
        let names = Names::list(directory, &problems);
        let path = directory.thing(name);
        let text = folder::read(&path)?.ok_or_else(|| missing(&path))?;
        let thing = read(name.clone(), &path, &text, &names, &problems);
        problems.verdict()?;
        let mut thing = thing.ok_or_else(|| missing(&path))?;
        change(&mut thing);
        thing.write(directory)?;
        Ok(thing)
    }

    /// Removes the file of a thing.
    ///
    /// # Errors
    /// There is no such thing, a user or an access key is that thing, or the file cannot be
    /// removed.
    pub fn remove(directory: &Directory, name: &ThingName) -> Result<(), RegistryError> {
        let _lock = files::lock(directory.path())?;
        let problems = Problems::default();
        let names = Names::list(directory, &problems);
        let users = User::read_all(directory, &names, &problems);
        let keys = AccessKey::read_all(directory, &names, &problems);
        problems.verdict()?;
        let is_it = |thing: &Option<ThingName>| thing.as_ref() == Some(name);
        if let Some(user) = users.iter().find(|user| is_it(&user.thing)) {
            let message = format!(
                "the user `{}` is the thing {name}: remove it first",
                user.name
            );
            return Err(problem(&directory.users(), message).into());
        }
        if let Some(key) = keys.iter().find(|key| is_it(&key.thing)) {
            let message = format!("the key `{}` is the thing {name}: remove it first", key.id);
            return Err(problem(&directory.access_keys(), message).into());
        }
        let path = directory.thing(name);
        files::remove(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(&path).into(),
            _ => problem(&path, format!("it cannot be removed: {error}")).into(),
        })
    }

    fn put(
        &self,
        directory: &Directory,
        put: impl FnOnce(&Path, &[u8], Readers) -> Result<(), Problem>,
    ) -> Result<(), RegistryError> {
        let path = directory.thing(&self.name);
        let text = file::text(self);
        // What would be refused when it is read is not written.
        let problems = Problems::default();
        let names = Names::of_policies(directory, &problems);
        read(self.name.clone(), &path, &text, &names, &problems);
        problems.verdict()?;
        files::create_folder(&directory.things())?;
        Ok(put(&path, text.as_bytes(), Readers::All)?)
    }
}

fn missing(path: &Path) -> Problem {
    problem(path, "there is no such thing")
}

impl ThingName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that maps of things are asked by a text.
impl Borrow<str> for ThingName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ThingName {
    type Err = InvalidThingName;

    fn from_str(name: &str) -> Result<ThingName, InvalidThingName> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if (1..=128).contains(&name.len()) && name.bytes().all(is_fine) {
            Ok(ThingName(name.into()))
        } else {
            Err(InvalidThingName)
        }
    }
}

impl fmt::Display for ThingName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Not the name of a thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a thing's name has 1 to 128 letters, digits, `:`, `_` and `-`")]
pub struct InvalidThingName;
