//! What is wrong with a configuration: every problem with its line and column.

use std::{cell::RefCell, fmt};

/// Everything that is wrong with one configuration, in the order of the file.
///
/// As text it is one line per problem: `perennial.toml:12:9: unknown connector "x"; ...`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors {
    file: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where in the file; `None` when the file as a whole could not be had.
    pub place: Option<Place>,
    /// What was found and what would be right.
    pub message: String,
}

/// A place in a file; both numbers begin at 1, columns count characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl ConfigErrors {
    /// The one problem that keeps `file` from being read.
    pub(super) fn one(file: &str, place: Option<Place>, message: String) -> Self {
        Self {
            file: file.to_owned(),
            problems: vec![Problem { place, message }],
        }
    }

    /// The problems; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { place, message }) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{}:", self.file)?;
            if let Some(Place { line, column }) = place {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Problems as they are found, each at a byte of the text.
///
/// Shared by all sections that are read at the same time.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<(usize, String)>>);

impl Problems {
    /// Remembers that something is wrong at byte `at`.
    pub(super) fn add(&self, at: usize, message: String) {
        self.0.borrow_mut().push((at, message));
    }

    /// Whether all is well with `file`, whose content is `text`.
    pub(super) fn verdict(&self, file: &str, text: &str) -> Result<(), ConfigErrors> {
        let mut found = self.0.borrow().clone();
        if found.is_empty() {
            return Ok(());
        }
        found.sort();
        let problem = |(at, message)| Problem {
            place: Some(Place::of(at, text)),
            message,
        };
        Err(ConfigErrors {
            file: file.to_owned(),
            problems: found.into_iter().map(problem).collect(),
        })
    }
}

impl Place {
    /// The place of byte `at` in `text`.
    pub(super) fn of(at: usize, text: &str) -> Self {
        let before = text.get(..at).unwrap_or(text);
        // An editor does not show a byte order mark, so it has no column.
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// ``did you mean `address`?``, or all names that there are, for an unknown `name`.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let distance = |other: &&str| strsim::osa_distance(name, other);
    let nearest = known.clone().min_by_key(distance);
    match nearest {
        Some(near) if distance(&near) <= (near.len() / 3).max(1) => {
            format!("did you mean `{near}`?")
        }
        Some(_) => {
            let names: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            format!("there are: {}", names.join(", "))
        }
        None => "no key is known here".to_owned(),
    }
}

/// `"a", "b"`, as texts are written in the file.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_not_bytes() {
        let text = "\u{feff}a = 1\r\nb = \"é\" x\n";
        let place = |at| Place::of(text.find(at).unwrap(), text);
        assert_eq!(place("a"), Place { line: 1, column: 1 });
        assert_eq!(place("x"), Place { line: 2, column: 9 });
        let end = Place { line: 3, column: 1 };
        assert_eq!(Place::of(text.len(), text), end);
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name_and_anything_else_with_all_names() {
        let known = ["address", "insecure"];
        let hint = |name| unknown(name, known.into_iter());
        assert_eq!(hint("adress"), "did you mean `address`?");
        assert_eq!(hint("insecrue"), "did you mean `insecure`?");
        assert_eq!(hint("port"), "there are: `address`, `insecure`");
    }
}
