//! Access keys: what requests are signed with.
//!
//! ```toml
//! [[key]]
//! id = "AKIAIOSFODNN7EXAMPLE"
//! secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
//! policies = ["default"]
//! thing = "press-7"
//! disabled = true
//! ```

use std::{collections::BTreeSet, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    directory::Directory,
    files::problem,
    list_file::{self, ListFile},
    names::Names,
    problems::Problems,
    registry::RegistryError,
    thing::ThingName,
    toml_file::{Table, quoted, quoted_list},
};

/// How long a secret is, as in AWS.
const SECRET_LENGTH: usize = 40;

/// An access key.
#[derive(Clone)]
pub struct AccessKey {
    /// Its identifier, which is no secret: letters and digits, 20 as AWS makes them.
    pub id: String,
    /// The secret that requests are signed with.
    pub secret: String,
    /// The policies that are attached to the key.
    pub policies: Vec<String>,
    /// The thing that whoever has the key is.
    pub thing: Option<ThingName>,
    /// Whether it is kept out.
    pub is_disabled: bool,
}

impl AccessKey {
    /// Makes a key and adds it to `directory`.
    ///
    /// # Errors
    /// A policy or the thing is not there, or the file is wrong or cannot be written.
    pub fn add(
        directory: &Directory,
        policies: Vec<String>,
        thing: Option<ThingName>,
    ) -> Result<AccessKey, RegistryError> {
        let random = |_| {
            problem(
                &directory.access_keys(),
                "this system gives no random numbers",
            )
        };
        let (id, secret) = generate().map_err(random)?;
        let key = AccessKey {
            id,
            secret,
            policies,
            thing,
            is_disabled: false,
        };
        list_file::change(&file(directory), |keys| {
            keys.push(key.clone());
            Ok(())
        })?;
        Ok(key)
    }

    /// Removes a key from `directory`.
    ///
    /// # Errors
    /// There is none with this identifier, or the file is wrong or cannot be written.
    pub fn remove(directory: &Directory, id: &str) -> Result<(), RegistryError> {
        list_file::change(&file(directory), |keys| {
            let at = keys.iter().position(|key| key.id == id);
            let at = at.ok_or_else(|| format!("there is no key `{}`", id.escape_debug()))?;
            keys.remove(at);
            Ok(())
        })
    }

    /// Reads the keys in `directory`.
    pub(crate) fn read_all(
        directory: &Directory,
        names: &Names,
        problems: &Problems,
    ) -> Vec<AccessKey> {
        list_file::read(&file(directory), names, problems)
    }
}

/// An identifier and a secret as AWS has them.
fn generate() -> Result<(String, String), ring::error::Unspecified> {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let random = SystemRandom::new();
    let (mut id, mut secret) = ([0; 16], [0; SECRET_LENGTH / 4 * 3]);
    random.fill(&mut id)?;
    random.fill(&mut secret)?;
    let id = id
        .iter()
        .map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    Ok(("AKIA".chars().chain(id).collect(), STANDARD.encode(secret)))
}

fn file(directory: &Directory) -> ListFile<'_, AccessKey> {
    ListFile {
        directory,
        path: directory.access_keys(),
        read,
        text,
    }
}

fn read(table: &mut Table<'_>, names: &Names) -> Vec<AccessKey> {
    let mut taken = BTreeSet::new();
    table.tables("key", |table| key(table, names, &mut taken))
}

fn key(table: &mut Table<'_>, names: &Names, taken: &mut BTreeSet<String>) -> Option<AccessKey> {
    let id = table.required("id", "AKIAIOSFODNN7EXAMPLE");
    let secret = table.required("secret", "40 characters");
    let policies = names.policies(table);
    let thing = names.thing(table);
    let is_disabled = table.flag("disabled");
    let (id, secret) = (id?, secret?);
    if !is_id(id.value) {
        table.refuse(
            id,
            "the identifier of a key has 16 to 128 letters and digits",
        );
    }
    if !is_secret(secret.value) {
        let message = format!("the secret of a key has {SECRET_LENGTH} characters without spaces");
        table.refuse(secret, message);
    }
    if !taken.insert(id.value.to_owned()) {
        table.refuse(id, "there is a key with this identifier above already");
    }
    Some(AccessKey {
        id: id.value.to_owned(),
        secret: secret.value.to_owned(),
        policies,
        thing,
        is_disabled,
    })
}

/// As in IAM, whose own have 20; keys that devices have already are taken as they are.
fn is_id(id: &str) -> bool {
    (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_secret(secret: &str) -> bool {
    secret.len() == SECRET_LENGTH && secret.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text(keys: &[AccessKey]) -> String {
    let mut text =
        "# Access keys; `perennial access-keys add` and `remove` write this file.\n".to_owned();
    for key in keys {
        text += &format!("\n[[key]]\nid = {}\n", quoted(&key.id));
        text += &format!("secret = {}\n", quoted(&key.secret));
        text += &format!("policies = {}\n", quoted_list(&key.policies));
        if let Some(thing) = &key.thing {
            text += &format!("thing = \"{thing}\"\n");
        }
        if key.is_disabled {
            text += "disabled = true\n";
        }
    }
    text
}

/// Without the secret.
impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("AccessKey");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}
