//! Users and what their passwords are checked with.
//!
//! ```toml
//! [[user]]
//! name = "line-3"
//! password = "$argon2id$v=19$m=19456,t=2,p=1$..."
//! policies = ["default"]
//! thing = "press-7"
//! ```

use std::collections::BTreeSet;

use crate::{
    directory::Directory,
    files::problem,
    list_file::{self, ListFile},
    names::{Names, parsed},
    password::Password,
    problems::Problems,
    registry::RegistryError,
    thing::ThingName,
    toml_file::{Table, quoted, quoted_list},
};

/// Somebody who logs in by a name and a password.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// The policies that are attached to the user.
    pub policies: Vec<String>,
    /// The thing that the user is.
    pub thing: Option<ThingName>,
    pub(crate) password: Password,
}

impl User {
    /// Adds a user to `directory`.
    ///
    /// # Errors
    /// There is one with this name, the name or the password is none, a policy or the thing is not
    /// there, or the file is wrong or cannot be written.
    pub fn add(
        directory: &Directory,
        name: &str,
        password: &[u8],
        policies: Vec<String>,
        thing: Option<ThingName>,
    ) -> Result<(), RegistryError> {
        let path = directory.users();
        let password = Password::hash(password).map_err(|error| problem(&path, error))?;
        let user = User {
            name: name.to_owned(),
            policies,
            thing,
            password,
        };
        list_file::change(&file(directory), |users| {
            users.push(user);
            Ok(())
        })
    }

    /// Removes a user from `directory`.
    ///
    /// # Errors
    /// There is none with this name, or the file is wrong or cannot be written.
    pub fn remove(directory: &Directory, name: &str) -> Result<(), RegistryError> {
        list_file::change(&file(directory), |users| {
            let at = users.iter().position(|user| user.name == name);
            let at = at.ok_or_else(|| format!("there is no user `{}`", name.escape_debug()))?;
            users.remove(at);
            Ok(())
        })
    }

    /// Reads the users in `directory`.
    pub(crate) fn read_all(directory: &Directory, names: &Names, problems: &Problems) -> Vec<User> {
        list_file::read(&file(directory), names, problems)
    }
}

fn file(directory: &Directory) -> ListFile<'_, User> {
    ListFile {
        directory,
        path: directory.users(),
        read,
        text,
    }
}

fn read(table: &mut Table<'_>, names: &Names) -> Vec<User> {
    let mut taken = BTreeSet::new();
    table.tables("user", |table| user(table, names, &mut taken))
}

fn user(table: &mut Table<'_>, names: &Names, taken: &mut BTreeSet<String>) -> Option<User> {
    let name = table.required("name", "line-3");
    let password = table.required("password", "$argon2id$... (see `perennial users add`)");
    let policies = names.policies(table);
    let thing = names.thing(table);
    let (name, password) = (name?, parsed(table, password?));
    if !is_name(name.value) {
        let message = "a user's name has 1 to 128 characters, none of them a `?`, behind which \
                       SDKs say who they are";
        table.refuse(name, message);
    }
    if !taken.insert(name.value.to_owned()) {
        table.refuse(name, "there is a user with this name above already");
    }
    Some(User {
        name: name.value.to_owned(),
        policies,
        thing,
        password: password?,
    })
}

fn is_name(name: &str) -> bool {
    let is_fine = |character: char| character != '?' && !character.is_control();
    (1..=128).contains(&name.chars().count()) && name.chars().all(is_fine)
}

fn text(users: &[User]) -> String {
    let mut text = "# Users; `perennial users add` and `remove` write this file.\n".to_owned();
    for user in users {
        text += &format!("\n[[user]]\nname = {}\n", quoted(&user.name));
        text += &format!("password = \"{}\"\n", user.password);
        text += &format!("policies = {}\n", quoted_list(&user.policies));
        if let Some(thing) = &user.thing {
            text += &format!("thing = \"{thing}\"\n");
        }
    }
    text
}
