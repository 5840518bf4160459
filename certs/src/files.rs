//! Files that hold secrets or that others read while they are written.
//!
//! - A file is there whole or not at all: it is written under another name, synced and renamed.
//! - What only the owner may read is never there for others, not for a moment.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use crate::registry::Problem;

/// Files with more bytes than this are none of ours.
const MAX_SIZE: u64 = 16 << 20;

/// Who may read a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// Its owner only.
    Owner,
    /// Everybody.
    All,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Readers::Owner => 0o600,
            Readers::All => 0o644,
        }
    }
}

/// Writes a file that is not there yet.
///
/// # Errors
/// It is there already and stays as it is, or it cannot be written.
pub fn create(path: &Path, contents: &[u8], readers: Readers) -> Result<(), Problem> {
    write(path, contents, readers, |new| {
        // A link never replaces what is there; a rename would.
        fs::hard_link(new, path)?;
        fs::remove_file(new)
    })
}

/// Writes a file in the place of the one that may be there.
///
/// # Errors
/// It cannot be written; what was there stays as it is.
pub fn replace(path: &Path, contents: &[u8], readers: Readers) -> Result<(), Problem> {
    write(path, contents, readers, |new| fs::rename(new, path))
}

/// Removes a file, and a power cut does not bring it back.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    folder_of(path).map_or(Ok(()), sync)
}

/// Makes a folder, those above it too, that only its owner may look into; one that is there stays
/// as it is.
///
/// # Errors
/// It cannot be made.
pub fn create_folder(path: &Path) -> Result<(), Problem> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| problem(path, format!("cannot make the folder: {error}")))
}

/// Keeps other processes that ask for the same away from `folder` until it is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File, Problem> {
    let locked = File::open(folder).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| problem(folder, format!("cannot lock the folder: {error}")))
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_open(path, file)
}

/// Reads a file that nobody but its owner may read.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    check_readers(path, &metadata)?;
    read_open(path, file)
}

/// Whether nobody but its owner may read a file, if there is one.
pub(crate) fn check_secret(path: &Path) -> Result<(), Problem> {
    match fs::metadata(path) {
        Ok(metadata) => check_readers(path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn check_readers(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(problem(
            path,
            format!(
                "others than its owner may read or change it (mode {mode:03o}): \
                 `chmod 600 {}`",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// Something that is wrong with a file as a whole.
pub(crate) fn problem(path: &Path, message: impl Into<String>) -> Problem {
    Problem {
        path: path.to_owned(),
        place: None,
        message: message.into(),
    }
}

fn read_open(path: &Path, file: File) -> Result<Vec<u8>, Problem> {
    let mut contents = Vec::new();
    let read = file.take(MAX_SIZE + 1).read_to_end(&mut contents);
    match read {
        Ok(length) if length as u64 > MAX_SIZE => Err(problem(
            path,
            "it has more than 16 MiB, which nothing here has",
        )),
        Ok(_) => Ok(contents),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => problem(path, "there is no such file"),
        _ => problem(path, format!("it cannot be read: {error}")),
    }
}

fn write(
    path: &Path,
    contents: &[u8],
    readers: Readers,
    put_in_place: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), Problem> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => problem(path, "it is there already and is not overwritten"),
        _ => problem(path, format!("it cannot be written: {error}")),
    };
    let (Some(folder), Some(name)) = (folder_of(path), path.file_name()) else {
        return Err(problem(path, "this names no file"));
    };
    // Hidden, so that who reads the folder leaves it out.
    let new = folder.join(format!(".{}.{:016x}", name.display(), fastrand::u64(..)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(readers.mode())
        .open(&new)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        .and_then(|()| put_in_place(&new));
    if let Err(error) = written {
        // What matters is why it could not be written.
        drop(fs::remove_file(&new));
        return Err(failed(error));
    }
    sync(folder).map_err(failed)
}

fn folder_of(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    match folder.as_os_str().is_empty() {
        true => Some(Path::new(".")),
        false => Some(folder),
    }
}

/// Has a power cut find in `folder` what is there.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn files_in(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_made_with_its_permissions_and_never_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, b"one", Readers::Owner).unwrap();
        let refused = create(&path, b"two", Readers::All).unwrap_err();
        assert_eq!(
            refused.message,
            "it is there already and is not overwritten"
        );
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"one".into(), 0o600)
        );
        assert_eq!(files_in(folder.path()), 1, "nothing else is left behind");
    }

    #[test]
    fn a_file_is_replaced_whole_and_with_the_permissions_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"a longer text", Readers::All).unwrap();
        assert_eq!(mode(&path), 0o644);
        replace(&path, b"short", Readers::Owner).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"short".into(), 0o600)
        );
        assert_eq!(files_in(folder.path()), 1, "nothing else is left behind");
    }

    #[test]
    fn a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("full")).unwrap();
        assert!(replace(&path, b"text", Readers::All).is_err());
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, b"text", Readers::Owner).unwrap();
        assert_eq!(read_secret(&path).unwrap(), b"text");
        for open in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let refused = read_secret(&path).unwrap_err();
            let mend = format!("`chmod 600 {}`", path.display());
            assert!(refused.message.ends_with(&mend), "{}", refused.message);
        }
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
    }
}
