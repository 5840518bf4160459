//! A file with secrets that holds a list: users, access keys.

use std::path::PathBuf;

use crate::{
    directory::Directory,
    files::{self, Readers, problem},
    folder,
    names::Names,
    problems::Problems,
    registry::RegistryError,
    toml_file::{self, Table},
};

/// The file, and what it holds.
pub(crate) struct ListFile<'a, T> {
    pub(crate) directory: &'a Directory,
    pub(crate) path: PathBuf,
    pub(crate) read: fn(&mut Table<'_>, &Names) -> Vec<T>,
    pub(crate) text: fn(&[T]) -> String,
}

/// Reads the list; it is empty where there is no file.
pub(crate) fn read<T>(file: &ListFile<'_, T>, names: &Names, problems: &Problems) -> Vec<T> {
    let text = problems.note(folder::read_secret(&file.path)).flatten();
    text.map_or_else(Vec::new, |text| parse(file, &text, names, problems))
}

/// Changes the list while nobody else does; comments in the file are not kept.
pub(crate) fn change<T>(
    file: &ListFile<'_, T>,
    change: impl FnOnce(&mut Vec<T>) -> Result<(), String>,
) -> Result<(), RegistryError> {
    let _lock = files::lock(file.directory.path())?;
    let problems = Problems::default();
    let names = Names::list(file.directory, &problems);
    let mut list = read(file, &names, &problems);
    problems.verdict()?;
    change(&mut list).map_err(|message| problem(&file.path, message))?;

    let text = (file.text)(&list);
    // What would be refused when it is read is not written.
    let problems = Problems::default();
    parse(file, &text, &names, &problems);
    problems.verdict()?;
    Ok(files::replace(&file.path, text.as_bytes(), Readers::Owner)?)
}

fn parse<T>(file: &ListFile<'_, T>, text: &str, names: &Names, problems: &Problems) -> Vec<T> {
    let list = toml_file::read(&file.path, text, problems, |table| {
        (file.read)(table, names)
    });
    list.unwrap_or_default()
}
