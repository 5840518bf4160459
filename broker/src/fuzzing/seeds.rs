//! The stored seeds of the fuzz targets, run as tests.

use std::path::Path;

use super::{packets, session};

/// Runs every file in a folder of seeds; how many there are.
fn run(folder: &str, target: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in &paths {
        let data = std::fs::read(path).unwrap();
        let failed = std::panic::catch_unwind(|| target(&data)).is_err();
        assert!(!failed, "{} fails", path.display());
    }
    paths.len()
}

#[test]
fn no_seed_harms_decoding() {
    assert!(run("packets", packets) > 0);
}

#[test]
fn no_seed_harms_a_broker_or_leaves_anything_behind() {
    assert!(run("session", session) > 0);
}
