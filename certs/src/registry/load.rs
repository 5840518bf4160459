//! Reading the access directory from end to end.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    sync::Arc,
};

use super::{Problem, Registry, RegistryError, trust::Trust};
use crate::{
    access_keys::AccessKey,
    certificate::CertificateId,
    directory::Directory,
    files::{self, problem},
    folder::{self, Entry},
    names::{self, Names},
    password::Verified,
    policy::Policy,
    problems::Problems,
    subscriptions::SubscriptionTable,
    thing::{self, Thing, ThingName},
    toml_file,
    users::User,
};

/// Reads `directory`.
pub(super) fn load(directory: &Directory) -> Result<Registry, RegistryError> {
    let problems = Problems::default();
    check_folder(directory, &problems);
    // It is not read here; but whoever reads it can be any device.
    problems.note(files::check_secret(&directory.authority_key()));

    let names = Names::list(directory, &problems);
    let policies = policies(directory, &problems);
    let groups = groups(directory, &names, &problems);
    let things = things(directory, &names, &problems);
    let users = User::read_all(directory, &names, &problems);
    let access_keys = AccessKey::read_all(directory, &names, &problems);
    let subscriptions = subscriptions(directory, &problems).map(Arc::new);
    let trust = Trust::load(directory, &problems);
    problems.verdict()?;

    let verified = Verified::new().map_err(|error| problem(directory.path(), error))?;
    Ok(Registry {
        certificates: by_certificate(&things),
        things,
        groups,
        policies,
        users: users
            .into_iter()
            .map(|user| (user.name.clone(), user))
            .collect(),
        access_keys: access_keys
            .into_iter()
            .map(|key| (key.id.clone(), key))
            .collect(),
        subscriptions,
        trust,
        verified,
    })
}

/// The folder is there, and nothing in it that nobody would read: a misspelt name must not take
/// away what a file says.
fn check_folder(directory: &Directory, problems: &Problems) {
    let path = directory.path();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => problems.add(path, "it is not a folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            problems.add(path, "there is no such folder; `perennial init` makes one");
        }
        Err(error) => problems.add(path, format!("it cannot be read: {error}")),
    }
    let known = [
        directory.access_keys(),
        directory.authority_certificate(),
        directory.authority_key(),
        directory.groups(),
        directory.issued(),
        directory.policies(),
        directory.revocations(),
        directory.server_certificate(),
        directory.server_key(),
        directory.subscriptions(),
        directory.things(),
        directory.trusted(),
        directory.users(),
    ];
    for (_, stray) in folder::names(path, problems) {
        if !known.contains(&stray) {
            let names = known.iter().filter_map(|known| known.file_name()?.to_str());
            let names = names.collect::<Vec<_>>().join(", ");
            problems.add(
                &stray,
                format!("nothing is read from here; there are: {names}"),
            );
        }
    }
}

fn policies(directory: &Directory, problems: &Problems) -> BTreeMap<String, Arc<Policy>> {
    let read = |entry: Entry| {
        if !names::is_policy(&entry.stem) {
            let message = "a policy's name has 1 to 128 letters, digits, `_`, `+`, `=`, `,`, `.`, \
                           `@` and `-`";
            problems.add(&entry.path, message);
        }
        let text = problems.note(folder::read_listed(&entry.path))?;
        let policy = Policy::parse(&entry.stem, &text).map_err(|error| Problem {
            place: Some((error.line, error.column)),
            ..problem(&entry.path, error.message)
        });
        Some((entry.stem, Arc::new(problems.note(policy)?)))
    };
    // Names that are wrong were told when the names were listed.
    let entries = folder::list(&directory.policies(), "json", &Problems::default());
    entries.into_iter().filter_map(read).collect()
}

fn groups(
    directory: &Directory,
    names: &Names,
    problems: &Problems,
) -> BTreeMap<String, Vec<String>> {
    let read = |entry: Entry| {
        if !names::is_group(&entry.stem) {
            let message = "a group's name has 1 to 128 letters, digits, `:`, `_` and `-`";
            problems.add(&entry.path, message);
        }
        let text = problems.note(folder::read_listed(&entry.path))?;
        let policies =
            toml_file::read(&entry.path, &text, problems, |table| names.policies(table))?;
        Some((entry.stem, policies))
    };
    let entries = folder::list(&directory.groups(), "toml", problems);
    entries.into_iter().filter_map(read).collect()
}

fn things(
    directory: &Directory,
    names: &Names,
    problems: &Problems,
) -> BTreeMap<ThingName, Arc<Thing>> {
    let read = |entry: Entry| {
        let name = entry.stem.parse::<ThingName>();
        let name = name.map_err(|error| problem(&entry.path, error.to_string()));
        let name = problems.note(name)?;
        let text = problems.note(folder::read_listed(&entry.path))?;
        let thing = thing::read(name.clone(), &entry.path, &text, names, problems)?;
        Some((name, Arc::new(thing)))
    };
    // Names that are wrong were told when the names were listed.
    let entries = folder::list(&directory.things(), "toml", &Problems::default());
    entries.into_iter().filter_map(read).collect()
}

fn subscriptions(directory: &Directory, problems: &Problems) -> Option<SubscriptionTable> {
    let path = directory.subscriptions();
    let text = problems.note(folder::read(&path)).flatten()?;
    let table = SubscriptionTable::parse(&text).map_err(|error| Problem {
        place: Some((error.line, error.column)),
        ..problem(&path, error.message)
    });
    problems.note(table)
}

fn by_certificate(
    things: &BTreeMap<ThingName, Arc<Thing>>,
) -> HashMap<CertificateId, Vec<Arc<Thing>>> {
    let mut certificates: HashMap<_, Vec<_>> = HashMap::new();
    for thing in things.values() {
        for attached in &thing.certificates {
            let attached_to = certificates.entry(attached.id).or_default();
            attached_to.push(Arc::clone(thing));
        }
    }
    certificates
}
