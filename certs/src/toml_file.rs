//! A TOML file while it is read: every wrong key and value with its place.
//!
//! Reading a key takes it and checks it; what nobody took is unknown. A problem is remembered and
//! reading goes on.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::problems::Problems;

/// How much of a wrong text a message repeats, in characters.
const EXCERPT: usize = 60;

/// The file.
struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a Problems,
}

/// A table of the file.
pub(crate) struct Table<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    /// The byte that it begins at.
    at: usize,
    asked: Vec<&'static str>,
}

/// A text and the byte that it begins at.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) value: &'a str,
    at: usize,
}

/// Reads `text`, which is what the file at `path` holds, with `read`. Nothing comes back where it
/// is not TOML; where a value is wrong something stands in for it and `problems` say so.
pub(crate) fn read<T>(
    path: &Path,
    text: &str,
    problems: &Problems,
    read: impl FnOnce(&mut Table<'_>) -> T,
) -> Option<T> {
    let (parsed, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        problems.add_at(path, text, at, format!("not TOML: {}", error.message()));
    }
    // What follows a syntax error is a guess, so nothing is said about it.
    if !errors.is_empty() {
        return None;
    }
    let document = Document {
        path,
        text,
        problems,
    };
    let mut table = Table {
        document: &document,
        table: parsed.get_ref(),
        at: 0,
        asked: Vec::new(),
    };
    let read = read(&mut table);
    table.finish();
    Some(read)
}

impl<'a> Table<'a> {
    /// The text under `key`.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Text<'a>> {
        let value = self.take(key)?;
        let text = text(value);
        if text.is_none() {
            self.mismatch(key, value, "a text");
        }
        text
    }

    /// The text under `key`, which must be there; right would be `example`.
    pub(crate) fn required(&mut self, key: &'static str, example: &str) -> Option<Text<'a>> {
        if !self.table.contains_key(key) {
            let message = format!("`{key}` is missing; right would be: {key} = \"{example}\"");
            self.problem(self.at, message);
        }
        self.text(key)
    }

    /// The texts of the list under `key`; none where there is no list.
    pub(crate) fn texts(&mut self, key: &'static str) -> Vec<Text<'a>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let list = value.get_ref().as_array();
        let texts = list.and_then(|list| list.iter().map(text).collect());
        texts.unwrap_or_else(|| {
            self.mismatch(key, value, "a list of texts");
            Vec::new()
        })
    }

    /// Whether `key` says true; where it is not written it is false.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        let Some(value) = self.take(key) else {
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.mismatch(key, value, "true or false");
            false
        })
    }

    /// The texts of the table under `key`, by their keys.
    pub(crate) fn pairs(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(value) = self.take(key) else {
            return BTreeMap::new();
        };
        let pairs = value.get_ref().as_table().and_then(|table| {
            let pairs = table.iter().map(|(name, value)| {
                let value = value.get_ref().as_str()?;
                Some((name.get_ref().to_string(), value.to_owned()))
            });
            pairs.collect()
        });
        pairs.unwrap_or_else(|| {
            self.mismatch(key, value, "a table of texts");
            BTreeMap::new()
        })
    }

    /// What `read` makes of each table under `key`, which are written as `[[key]]`.
    pub(crate) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Table<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let what = format!("tables, each written under [[{key}]]");
        let Some(list) = value.get_ref().as_array() else {
            self.mismatch(key, value, &what);
            return Vec::new();
        };
        let mut all = Vec::new();
        for element in list.iter() {
            let Some(inner) = element.get_ref().as_table() else {
                self.mismatch(key, element, &what);
                continue;
            };
            let mut table = Table {
                document: self.document,
                table: inner,
                at: element.span().start,
                asked: Vec::new(),
            };
            all.extend(read(&mut table));
            table.finish();
        }
        all
    }

    /// Something is wrong with `text`.
    pub(crate) fn refuse(&self, text: Text<'_>, message: impl Into<String>) {
        self.problem(text.at, message.into());
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// Reports every key that nobody took.
    fn finish(&self) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let known: Vec<_> = self.asked.iter().map(|key| format!("`{key}`")).collect();
                let name = excerpt(name).escape_debug().to_string();
                let known = known.join(", ");
                let message = format!("unknown key `{name}`; there are: {known}");
                self.problem(key.span().start, message);
            }
        }
    }

    fn mismatch(&self, key: &str, value: &Spanned<DeValue<'_>>, what: &str) {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("the text {:?}", excerpt(text)),
            DeValue::Array(_) => "a list of something else".to_owned(),
            other => format!("a value of the type {}", other.type_str()),
        };
        let message = format!("`{key}` takes {what}, found {found}");
        self.problem(value.span().start, message);
    }

    fn problem(&self, at: usize, message: String) {
        let Document {
            path,
            text,
            problems,
        } = self.document;
        problems.add_at(path, text, at, message);
    }
}

fn text<'a>(value: &'a Spanned<DeValue<'a>>) -> Option<Text<'a>> {
    let at = value.span().start;
    let value = value.get_ref().as_str()?;
    Some(Text { value, at })
}

/// The beginning of `text`: a message does not repeat a book.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` as it is written in a TOML file.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // A string takes whatever is written into it.
            _ if character.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(character)).unwrap_or_default();
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// `texts` as a list in a TOML file.
pub(crate) fn quoted_list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_is_read_as_it_was(texts in prop::collection::vec(".*", 0..4)) {
            let written = format!("key = {}\n", quoted_list(&texts));
            let problems = Problems::default();
            let read = read(Path::new("x"), &written, &problems, |table| {
                let read = table.texts("key");
                read.iter().map(|text| text.value.to_owned()).collect::<Vec<_>>()
            });
            prop_assert_eq!(problems.verdict().map_err(|error| error.to_string()), Ok(()));
            prop_assert_eq!(read, Some(texts));
        }
    }

    #[test]
    fn every_problem_is_told_with_its_place_in_one_reading() {
        let text = "name = 5\ntipo = true\n\n[[list]]\nflag = \"yes\"\n[[list]]\nnames = [1]\n";
        let problems = Problems::default();
        read(Path::new("a.toml"), text, &problems, |table| {
            table.text("name");
            table.required("password", "secret");
            table.tables("list", |table| {
                table.flag("flag");
                table.texts("names");
                Some(())
            });
        });
        let told = problems.verdict().unwrap_err().to_string();
        assert_eq!(
            told,
            "a.toml:1:1: `password` is missing; right would be: password = \"secret\"\n\
             a.toml:1:8: `name` takes a text, found a value of the type integer\n\
             a.toml:2:1: unknown key `tipo`; there are: `name`, `password`, `list`\n\
             a.toml:5:8: `flag` takes true or false, found the text \"yes\"\n\
             a.toml:7:9: `names` takes a list of texts, found a list of something else"
        );
    }
}
