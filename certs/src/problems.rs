//! Problems as they are found: reading goes on, so that one reading names them all.

use std::{
    cell::RefCell,
    fmt,
    path::{Path, PathBuf},
};

use crate::files::problem;

/// How many are kept: whoever has more has made one mistake many times.
const MAX: usize = 1_000;

/// What is wrong with the access directory: a line for each problem.
#[derive(Debug)]
pub struct RegistryError(pub Vec<Problem>);

/// One thing that is wrong with a file, and how it is mended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line and column, where there is one.
    pub place: Option<(usize, usize)>,
    /// What was found and what would be right.
    pub message: String,
}

/// The problems of one reading.
#[derive(Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Something is wrong with the file at `path`.
    pub(crate) fn add(&self, path: &Path, message: impl Into<String>) {
        self.push(problem(path, message));
    }

    /// Something is wrong at byte `at` of `text`, which is what the file at `path` holds.
    pub(crate) fn add_at(&self, path: &Path, text: &str, at: usize, message: impl Into<String>) {
        self.push(Problem {
            place: Some(place(text, at)),
            ..problem(path, message)
        });
    }

    /// Something is wrong that others have found.
    pub(crate) fn push(&self, problem: Problem) {
        let mut found = self.found.borrow_mut();
        if found.len() < MAX {
            found.push(problem);
        }
    }

    /// What `result` holds; what was wrong is among the problems.
    pub(crate) fn note<T>(&self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Whether all was well.
    pub(crate) fn verdict(self) -> Result<(), RegistryError> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by(|a, b| (&a.path, a.place).cmp(&(&b.path, b.place)));
        Err(RegistryError(found))
    }
}

impl From<Problem> for RegistryError {
    fn from(problem: Problem) -> RegistryError {
        RegistryError(vec![problem])
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(formatter, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RegistryError {}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(formatter, "{line}:{column}:")?;
        }
        write!(formatter, " {}", self.message)
    }
}

impl std::error::Error for Problem {}

/// The line and column of byte `at`; both begin at 1, columns count characters.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    // An editor does not show a byte order mark, so it has no column.
    let before = before.strip_prefix('\u{feff}').unwrap_or(before);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[line_start..].chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
