//! A table of the configuration while it is read.
//!
//! - Reading a key takes it and checks it; `finish` reports what nobody took.
//! - A problem is remembered with its place and reading goes on, so that one run
//!   reports them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use perennial_connectors::Settings;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problems::{Problems, quoted, unknown},
    values::{Size, Span},
};

/// How much of a wrong text a message repeats, in characters.
const EXCERPT: usize = 60;

/// A table of the configuration, or the place where one could be.
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    /// The table's name with those that it is in: `connector.parameters`; empty for the file.
    name: String,
    /// The byte that the table begins at.
    at: usize,
    /// Where relative paths begin.
    base: PathBuf,
    asked: BTreeSet<String>,
    /// Texts that count as written where nothing is.
    supplied: BTreeMap<&'static str, String>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        Self {
            table: Some(table),
            name: String::new(),
            at: 0,
            base: PathBuf::new(),
            asked: BTreeSet::new(),
            supplied: BTreeMap::new(),
            problems,
        }
    }

    /// Takes relative paths from `base`, in this table and those in it.
    pub(super) fn set_base(&mut self, base: &Path) {
        base.clone_into(&mut self.base);
    }

    /// Takes `text` for what is written under `key`, unless something else is.
    pub(super) fn supply(&mut self, key: &'static str, text: &str) {
        self.supplied.insert(key, text.to_owned());
    }

    /// The table under `key`; where there is none, an empty one.
    pub(super) fn table(&mut self, key: &str) -> Section<'a> {
        let value = self.take(key);
        let mut section = self.child(key, self.at, None);
        if let Some(value) = value {
            section.at = value.span().start;
            section.table = value.get_ref().as_table();
            if section.table.is_none() {
                let what = format_args!("a table, written under [{}]", section.name);
                self.mismatch(key, value, what);
            }
        }
        section
    }

    /// The tables under `key`, written as `[[key]]`.
    pub(super) fn tables(&mut self, key: &str) -> Vec<Section<'a>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let name = self.child(key, self.at, None).name;
        let what = format!("tables, each written under [[{name}]]");
        let Some(list) = value.get_ref().as_array() else {
            self.mismatch(key, value, what);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in list.iter() {
            match element.get_ref().as_table() {
                Some(table) => sections.push(self.child(key, element.span().start, Some(table))),
                None => self.mismatch(key, element, &what),
            }
        }
        sections
    }

    /// One of `choices`, by its name.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let names = quoted(choices.iter().map(|(name, _)| *name));
        let what = format!("one of {names}");
        self.read(key, what, |value| {
            let name = value.as_str()?;
            let choice = choices.iter().find(|(choice, _)| *choice == name);
            choice.map(|(_, meaning)| *meaning)
        })
    }

    /// A whole number that counts things in memory.
    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<usize> {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        usize::try_from(self.integer(key, range)?).ok()
    }

    /// A part of a whole, from 0 to 1.
    pub(super) fn fraction(&mut self, key: &str) -> Option<f64> {
        self.read(key, "a part from 0 to 1, such as 0.25", |value| {
            let number = match value {
                DeValue::Float(number) => number.as_str().parse().ok()?,
                value => integer(value)? as f64,
            };
            (0.0..=1.0).contains(&number).then_some(number)
        })
    }

    /// Permissions of a file, written as `0o600`, up to `most`.
    pub(super) fn octal(&mut self, key: &str, most: u32) -> Option<u32> {
        let what = format!("permissions up to 0o{most:o}, such as 0o660");
        self.read(key, what, |value| {
            let number = value.as_integer().filter(|number| number.radix() == 8)?;
            let mode = u32::from_str_radix(number.as_str(), 8).ok()?;
            Some(mode).filter(|mode| *mode <= most)
        })
    }

    /// A value that its type reads from a text.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, what: impl fmt::Display) -> Option<T> {
        self.read(key, what, |value| value.as_str()?.parse().ok())
    }

    /// The text that is written under `key`.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.table?.get(key)?.get_ref().as_str()
    }

    /// The path under `key`, if the key was taken.
    pub(super) fn path_of(&self, key: &str) -> Option<PathBuf> {
        let value = self.table.filter(|_| self.asked.contains(key))?.get(key)?;
        path(&self.base, value.get_ref())
    }

    /// Records that something is wrong with the value of `key`.
    pub(super) fn problem(&self, key: &str, message: String) {
        self.problems.add(self.place_of(key), message);
    }

    /// The byte that the table begins at.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// The byte that the value of `key` begins at; the table's own where there is none.
    pub(super) fn place_of(&self, key: &str) -> usize {
        let value = self.table.and_then(|table| table.get(key));
        value.map_or(self.at, |value| value.span().start)
    }

    /// Reports every key that nobody took.
    pub(super) fn finish(self) {
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(name) {
                let hint = unknown(name, self.asked.iter().map(String::as_str));
                let message = format!("unknown key `{}`; {hint}", excerpt(name).escape_debug());
                self.problems.add(key.span().start, message);
            }
        }
    }

    fn child(&self, key: &str, at: usize, table: Option<&'a DeTable<'a>>) -> Section<'a> {
        let name = match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        };
        Section {
            table,
            name,
            at,
            base: self.base.clone(),
            asked: BTreeSet::new(),
            supplied: BTreeMap::new(),
            problems: self.problems,
        }
    }

    fn take(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key.to_owned());
        self.table?.get(key)
    }

    /// Takes `key` and reads its value with `parse`, which answers `None` for what is not `what`.
    fn read<T>(
        &mut self,
        key: &str,
        what: impl fmt::Display,
        parse: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let read = parse(value.get_ref());
        if read.is_none() {
            self.mismatch(key, value, what);
        }
        read
    }

    fn mismatch(&self, key: &str, value: &Spanned<DeValue<'_>>, what: impl fmt::Display) {
        let found = found(value.get_ref());
        let message = format!("`{key}` takes {what}, found {found}");
        self.problems.add(value.span().start, message);
    }
}

impl Settings for Section<'_> {
    fn text(&mut self, key: &str) -> Option<String> {
        let written = self.read(key, "a text", text);
        written.or_else(|| self.supplied.get(key).filter(|_| !self.has(key)).cloned())
    }

    fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let what = format!("a whole number{}", bounds(&range, u64::MAX, |n| *n));
        self.read(key, what, |value| {
            integer(value).filter(|number| range.contains(number))
        })
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |value| value.as_bool())
    }

    fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let bounds = bounds(&range, Duration::MAX, |time| Span(*time));
        let what = format!("a time{bounds}, such as \"250ms\" or \"2m\"");
        self.read(key, what, |value| {
            let span = match value {
                DeValue::String(text) => Span::parse(text),
                DeValue::Float(number) => Span::of_seconds(number.as_str()),
                value => integer(value).map(|seconds| Span(Duration::from_secs(seconds))),
            };
            span.map(|span| span.0).filter(|time| range.contains(time))
        })
    }

    fn size(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let bounds = bounds(&range, u64::MAX, |bytes| Size(*bytes));
        let what = format!("a size{bounds}, such as \"64MiB\"");
        self.read(key, what, |value| {
            let size = match value {
                DeValue::String(text) => Size::parse(text),
                value => integer(value).map(Size),
            };
            size.map(|size| size.0)
                .filter(|bytes| range.contains(bytes))
        })
    }

    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.read(key, "a list of texts", |value| {
            let texts = value.as_array()?.iter();
            texts.map(|value| text(value.get_ref())).collect()
        })
    }

    fn pairs(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        self.read(key, "a table of texts", |value| {
            let pairs = value.as_table()?.iter();
            let pair = |name: &str, value: &DeValue<'_>| Some((name.to_owned(), text(value)?));
            pairs
                .map(|(name, value)| pair(name.get_ref(), value.get_ref()))
                .collect()
        })
    }

    fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let base = self.base.clone();
        self.read(key, "a path", |value| path(&base, value))
    }

    fn refuse(&mut self, key: &str, problem: String) {
        self.problem(key, format!("`{key}`: {problem}"));
    }

    fn missing(&mut self, key: &str, example: &str) {
        self.asked.insert(key.to_owned());
        if self.has(key) {
            return;
        }
        let within = match self.name.as_str() {
            "" => String::new(),
            name => format!(" in `{name}`"),
        };
        let message = format!("`{key}` is missing{within}; right would be: {example}");
        self.problems.add(self.at, message);
    }
}

fn text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn path(base: &Path, value: &DeValue<'_>) -> Option<PathBuf> {
    let path = value.as_str().filter(|path| !path.is_empty())?;
    Some(base.join(path))
}

/// `" from 1 to 10"`; what every value fulfils is left out.
fn bounds<T, D>(range: &RangeInclusive<T>, most: T, display: impl Fn(&T) -> D) -> String
where
    T: Default + PartialEq,
    D: fmt::Display,
{
    let (start, end) = (display(range.start()), display(range.end()));
    match (*range.start() == T::default(), *range.end() == most) {
        (true, true) => String::new(),
        (false, true) => format!(" of at least {start}"),
        (true, false) => format!(" of at most {end}"),
        (false, false) => format!(" from {start} to {end}"),
    }
}

/// A value in the words of a message.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {:?}", excerpt(text)),
        DeValue::Integer(number) => excerpt(&number.to_string()),
        DeValue::Float(number) => excerpt(number.as_str()),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(time) => format!("the date or time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The beginning of `text`: a message does not repeat a book.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
