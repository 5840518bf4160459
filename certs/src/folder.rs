//! What lies in the access directory, read within bounds.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    files::{self, problem},
    problems::{Problems, place},
    registry::Problem,
};

/// The most files that a folder may have.
const MAX_FILES: usize = 100_000;

/// A file of a folder.
pub(crate) struct Entry {
    /// What it is called without its extension.
    pub(crate) stem: String,
    pub(crate) path: PathBuf,
}

/// The files in `folder` that end in `.extension`, by their names; what else is there is a
/// problem, but for what editors leave behind. A folder that is not there is empty.
pub(crate) fn list(folder: &Path, extension: &str, problems: &Problems) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, path) in names(folder, problems) {
        let stem = name.rsplit_once('.').filter(|(_, end)| *end == extension);
        match stem {
            Some((stem, _)) => entries.push(Entry {
                stem: stem.to_owned(),
                path,
            }),
            None => problems.add(&path, format!("files here are called NAME.{extension}")),
        }
    }
    entries
}

/// What is in `folder` by name, without what editors leave behind.
pub(crate) fn names(folder: &Path, problems: &Problems) -> Vec<(String, PathBuf)> {
    let cannot = |error: io::Error| problems.add(folder, format!("cannot be read: {error}"));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            cannot(error);
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                cannot(error);
                break;
            }
        };
        let Ok(name) = entry.file_name().into_string() else {
            problems.add(&entry.path(), "the name is not UTF-8");
            continue;
        };
        if is_left_behind(&name) {
            continue;
        }
        if names.len() == MAX_FILES {
            problems.add(folder, format!("there are more than {MAX_FILES} files"));
            break;
        }
        names.push((name, entry.path()));
    }
    names.sort();
    names
}

/// Whether an editor, a write that was cut short, or who made the file system has left a file
/// with this name.
fn is_left_behind(name: &str) -> bool {
    let is_emacs = name.starts_with('#') && name.ends_with('#');
    let is_of_editor = name.ends_with('~') || name.ends_with(".swp") || is_emacs;
    name.starts_with('.') || is_of_editor || name == "lost+found"
}

/// What the file at `path` holds; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Problem> {
    read_with(path, files::read)
}

/// The same for a file of secrets, which its owner alone may read.
pub(crate) fn read_secret(path: &Path) -> Result<Option<String>, Problem> {
    read_with(path, files::read_secret)
}

/// What a file holds that was listed.
pub(crate) fn read_listed(path: &Path) -> Result<String, Problem> {
    read(path)?.ok_or_else(|| problem(path, "there is no such file"))
}

fn read_with(
    path: &Path,
    read: impl FnOnce(&Path) -> Result<Vec<u8>, Problem>,
) -> Result<Option<String>, Problem> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(problem(path, "it is not a file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(path, format!("it cannot be read: {error}"))),
    }
    match String::from_utf8(read(path)?) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
            Err(Problem {
                place: Some(place(&before, valid)),
                ..problem(path, "it is not UTF-8")
            })
        }
    }
}
