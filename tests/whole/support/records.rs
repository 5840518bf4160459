//! What the file upstream has written.

use std::{fs, io::ErrorKind, path::Path};

use serde_json::Value;

/// Every record in `directory`, in the order in which the upstream wrote them.
///
/// # Panics
/// A line is not a JSON object; the last one may be unfinished.
#[track_caller]
pub(crate) fn records(directory: &Path) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text(directory).lines().map(parse).collect()
}

/// All whole lines of `directory`, in the order in which the upstream wrote them.
///
/// # Panics
/// A file is there and cannot be read.
#[track_caller]
pub(crate) fn text(directory: &Path) -> String {
    let Ok(entries) = fs::read_dir(directory) else {
        return String::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // `records.ndjson` is the newest, and stands behind `records-00000001.ndjson`.
    paths.sort();
    let mut text = String::new();
    for path in paths {
        match fs::read_to_string(path) {
            Ok(lines) => text += &lines,
            // It was rotated meanwhile; who waits for a record looks again.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{error}"),
        }
    }
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text.truncate(whole);
    text
}
