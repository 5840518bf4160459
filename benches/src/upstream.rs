//! What the gateway's `file` upstream has received: the records in its data directory.

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    seen::Seen,
    wire::{Mark, broken},
};

/// The part of a record that is looked at.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

/// How many of the messages that were sent, and acknowledged, are in no record below `data`.
///
/// `sent_by` has the number of messages of each publisher. A record that is none of them is an error.
pub(crate) fn missing(data: &Path, sent_by: &[u64]) -> io::Result<u64> {
    let mut seen: Vec<Seen> = sent_by.iter().map(|_| Seen::default()).collect();
    for path in records(data)? {
        let mut lines = BufReader::with_capacity(1 << 20, File::open(&path)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let record: Record<'_> = serde_json::from_slice(&line).map_err(|error| {
                broken(format!("a record in {} is broken: {error}", path.display()))
            })?;
            let mark = Mark::read(record.payload.as_bytes())?;
            match seen.get_mut(usize::from(mark.publisher)) {
                Some(seen) => seen.insert(mark.sequence),
                None => return Err(broken(format!("a record of nobody: {mark:?}"))),
            }
            line.clear();
        }
    }
    Ok(sent_by
        .iter()
        .zip(&seen)
        .map(|(sent, seen)| sent.saturating_sub(seen.unique()))
        .sum())
}

/// Every `.ndjson` file below `directory`.
fn records(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(records(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "ndjson")
        {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_by_publisher_over_all_files_and_the_lost_ones_are_missing() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("records")).unwrap();
        let line = |mark: &str| format!("{{\"topic\":\"a\",\"payload\":\"{mark}filler\"}}\n");
        let first = line("0100000000000000") + &line("0100010000000002");
        fs::write(data.path().join("records/records.ndjson"), first).unwrap();
        let second = line("0100010000000000") + &line("0100010000000000");
        fs::write(data.path().join("records/records-1.ndjson"), second).unwrap();
        assert_eq!(missing(data.path(), &[1, 4]).unwrap(), 2);
    }

    #[test]
    fn a_record_of_an_unknown_publisher_and_a_torn_record_are_errors() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("records.ndjson");
        fs::write(&path, "{\"payload\":\"0100050000000000\"}\n").unwrap();
        assert!(missing(data.path(), &[1]).is_err());
        fs::write(&path, "{\"payload\":\"01000").unwrap();
        assert!(missing(data.path(), &[1]).is_err());
    }
}
