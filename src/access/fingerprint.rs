//! Whether files have changed: their names, sizes and times, without reading them.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Folders within folders that are looked at: more than the access directory has.
const DEPTH: usize = 3;

/// What files looked like; two of the same files are equal unless one was changed in between.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// What everything at and below `paths` looks like.
    pub(super) fn of(paths: &[PathBuf]) -> Fingerprint {
        let mut sum = 0;
        for path in paths {
            add(path, DEPTH, &mut sum);
        }
        Fingerprint(sum)
    }
}

/// Adds what is at `path`; folders give their files in any order, so it is a sum.
fn add(path: &Path, depth: usize, sum: &mut u64) {
    // What cannot be seen is as if it were not there; reading it says what is wrong.
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    *sum = sum.wrapping_add(hash(path, &metadata));
    if metadata.is_dir() && depth > 0 {
        let entries = fs::read_dir(path).into_iter().flatten();
        for entry in entries.flatten() {
            // Nobody reads them: others write them and rename them when they are whole.
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden {
                add(&entry.path(), depth - 1, sum);
            }
        }
    }
}

fn hash(path: &Path, metadata: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    // A file that was replaced by a rename has another inode, whatever its time says; the
    // permissions matter because keys that others may read are refused.
    (metadata.ino(), metadata.mode(), metadata.uid()).hash(&mut hasher);
    if !metadata.is_dir() {
        (metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn every_kind_of_change_is_seen_and_a_second_look_sees_none() {
        let folder = TempDir::new().unwrap();
        let policies = folder.path().join("policies");
        let (file, other) = (policies.join("a.json"), policies.join("b.json"));
        let look = || Fingerprint::of(&[folder.path().to_owned()]);
        let mut known = vec![look()];
        let mut sees = |what: &str| {
            let found = look();
            assert_eq!(found, look());
            assert!(!known.contains(&found), "{what}");
            known.push(found);
        };
        fs::create_dir(&policies).unwrap();
        sees("a folder");
        fs::write(&file, "{}").unwrap();
        sees("a file");
        fs::write(&file, "{ }").unwrap();
        sees("another content");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        sees("other permissions");
        fs::write(&other, "{ }").unwrap();
        sees("another file");
        fs::rename(&other, &file).unwrap();
        sees("a file in the place of another");
        fs::remove_file(&file).unwrap();
        assert_eq!(look(), known[1], "as before the file");
        fs::write(policies.join(".c.json"), "{").unwrap();
        assert_eq!(look(), known[1], "a hidden file");
    }
}
