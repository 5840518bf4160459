//! Reading JSON documents of AWS: nothing in them is skipped, and an error has its place.
//!
//! Values are judged while they are read, because that is when their line and column are known.

use std::{collections::BTreeSet, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What is wrong with a document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct DocumentError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1: where the wrong value or key ends.
    pub column: usize,
    /// What was found and what would be right.
    pub message: String,
}

impl From<serde_json::Error> for DocumentError {
    fn from(error: serde_json::Error) -> DocumentError {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        DocumentError {
            line,
            // What ends behind the end of a line is told where the next one begins.
            column: column.max(1),
            message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    }
}

/// What `seed` makes of the one value in `text`.
pub(crate) fn read<'de, S>(text: &'de str, seed: S) -> Result<S::Value, DocumentError>
where
    S: DeserializeSeed<'de>,
{
    let text = without_mark(text);
    if text.trim().is_empty() {
        return Err(DocumentError {
            line: 1,
            column: 1,
            message: "the file is empty".to_owned(),
        });
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// `text` without the mark that editors and shells of Windows put in front of it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// ``did you mean `iot:Publish`?``, or all names that there are, for an unknown `name`.
pub(crate) fn instead<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let names = known.clone().map(|name| format!("`{name}`"));
    nearest(name, known)
        .unwrap_or_else(|| format!("there are: {}", names.collect::<Vec<_>>().join(", ")))
}

/// ``did you mean `iot:Publish`?``, if one of the names is near to `name`.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let distance = |other: &&str| strsim::osa_distance(name, other);
    let near = known.min_by_key(distance)?;
    let is_near = distance(&near) <= (near.len() / 3).max(1);
    is_near.then(|| format!("did you mean `{near}`?"))
}

/// A text that `.0` makes something of.
pub(crate) struct Text<F>(pub(crate) F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        self.visit_str(if value { "true" } else { "false" })
    }
}

/// A text or a list of texts that `.0` makes something of.
pub(crate) struct Texts<F>(pub(crate) F);

impl<'de, T, F: FnMut(&str) -> Result<T, String>> DeserializeSeed<'de> for Texts<F> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F: FnMut(&str) -> Result<T, String>> Visitor<'de> for Texts<F> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Vec<T>, E> {
        Ok(vec![(self.0)(text).map_err(E::custom)?])
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Vec<T>, E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Text(&mut self.0))? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Makes something of the members of an object, one after the other.
pub(crate) trait Members<'de>: Sized {
    /// What becomes of them.
    type Value;
    /// What the object is, such as `a statement`.
    const WHAT: &'static str;

    /// Takes the value of the member `key` from `members`.
    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error>;

    /// The whole, after the last member.
    fn finish(self) -> Result<Self::Value, String>;
}

/// An object that `.0` makes something of; no key stands in it twice.
pub(crate) struct Object<M>(pub(crate) M);

impl<'de, M: Members<'de>> DeserializeSeed<'de> for Object<M> {
    type Value = M::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<M::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Members<'de>> Visitor<'de> for Object<M> {
    type Value = M::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(M::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<M::Value, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("`{key}` stands here twice")));
            }
            self.0.member(&key, &mut members)?;
            keys.insert(key);
        }
        self.0.finish().map_err(A::Error::custom)
    }
}

/// A list of objects, or one object alone; `.0` makes the reader of each.
pub(crate) struct Objects<F>(pub(crate) F);

impl<'de, M: Members<'de>, F: FnMut() -> M> DeserializeSeed<'de> for Objects<F> {
    type Value = Vec<M::Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(ObjectsVisitor(self.0, PhantomData))
    }
}

struct ObjectsVisitor<F, M>(F, PhantomData<M>);

impl<'de, M: Members<'de>, F: FnMut() -> M> Visitor<'de> for ObjectsVisitor<F, M> {
    type Value = Vec<M::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} or a list of them", M::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, members: A) -> Result<Self::Value, A::Error> {
        Ok(vec![Object((self.0)()).visit_map(members)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Object((self.0)()))? {
            values.push(value);
        }
        Ok(values)
    }
}
