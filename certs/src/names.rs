//! Names by which files of the access directory refer to each other.

use std::{collections::BTreeSet, path::Path, str::FromStr};

use crate::{
    directory::Directory,
    folder,
    problems::Problems,
    thing::ThingName,
    toml_file::{Table, Text, excerpt},
};

/// The names that there are.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) policies: BTreeSet<String>,
    pub(crate) things: BTreeSet<String>,
}

impl Names {
    /// The names of the files in `directory`.
    pub(crate) fn list(directory: &Directory, problems: &Problems) -> Names {
        Names {
            things: stems(&directory.things(), "toml", problems),
            ..Names::of_policies(directory, problems)
        }
    }

    /// The names of the policies in `directory`.
    pub(crate) fn of_policies(directory: &Directory, problems: &Problems) -> Names {
        Names {
            policies: stems(&directory.policies(), "json", problems),
            things: BTreeSet::new(),
        }
    }

    /// The names of policies under `policies`.
    pub(crate) fn policies(&self, table: &mut Table<'_>) -> Vec<String> {
        let texts = table.texts("policies");
        for text in &texts {
            if !self.policies.contains(text.value) {
                let name = excerpt(text.value).escape_debug().to_string();
                let message = format!("there is no policies/{name}.json");
                table.refuse(*text, message);
            }
        }
        texts.iter().map(|text| text.value.to_owned()).collect()
    }

    /// The name of a thing under `thing`.
    pub(crate) fn thing(&self, table: &mut Table<'_>) -> Option<ThingName> {
        let text = table.text("thing")?;
        let name = parsed::<ThingName>(table, text)?;
        if !self.things.contains(text.value) {
            table.refuse(text, format!("there is no things/{name}.toml"));
        }
        Some(name)
    }
}

fn stems(folder: &Path, extension: &str, problems: &Problems) -> BTreeSet<String> {
    let entries = folder::list(folder, extension, problems);
    entries.into_iter().map(|entry| entry.stem).collect()
}

/// What `text` means; where it means nothing, that is a problem.
pub(crate) fn parsed<T: FromStr<Err: ToString>>(table: &Table<'_>, text: Text<'_>) -> Option<T> {
    let parsed = text.value.parse::<T>();
    parsed
        .map_err(|error| table.refuse(text, error.to_string()))
        .ok()
}

/// Whether a group can be called this in AWS IoT (CreateThingGroup).
pub(crate) fn is_group(name: &str) -> bool {
    name.parse::<ThingName>().is_ok()
}

/// Whether a policy can be called this in AWS IoT (CreatePolicy).
pub(crate) fn is_policy(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(is_fine)
}
