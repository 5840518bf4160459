//! `[audit]`: where refusals are written down.

use std::path::{Path, PathBuf};

use perennial_connectors::Settings;

use super::{access::needs_access, section::Section};

const FILE: &str = "audit.jsonl";
const MAX_SIZE: u64 = 10 << 20;
const FILES: usize = 3;

/// Where refusals are written down, and how much of them is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditConfig {
    /// The file that is written; older ones lie beside it.
    pub path: PathBuf,
    /// The bytes that a file may have before the next one is begun.
    pub max_size: u64,
    /// How many older files are kept.
    pub files: usize,
}

/// Reads `[audit]`; nobody is refused without `[access]`, so it goes with that.
pub(super) fn read(root: &mut Section<'_>, data_dir: &Path) -> AuditConfig {
    needs_access(root, "audit");
    let mut section = root.table("audit");
    let path = section.path("path");
    let max_size = section.size("max_size", 4 << 10..=1 << 30);
    let files = section.count("files", 0..=100);
    section.finish();
    AuditConfig {
        path: path.unwrap_or_else(|| data_dir.join(FILE)),
        max_size: max_size.unwrap_or(MAX_SIZE),
        files: files.unwrap_or(FILES),
    }
}
