//! Reading a subscription table.

use std::{cell::RefCell, collections::HashSet};

use serde::de::{Error, IgnoredAny, MapAccess};

use crate::{
    document::{self, DocumentError, Members, Object, Objects, Text},
    subscriptions::{SubscriptionTable, party::Named, subjects},
};

/// A group has at most this many entries (Greengrass V1, service quotas).
const MAX_ENTRIES: usize = 10_000;

/// The table in `text`.
pub(super) fn read(text: &str) -> Result<SubscriptionTable, DocumentError> {
    let table = RefCell::new(Table::default());
    let found = document::read(
        text,
        Object(Document {
            table: &table,
            has_entries: false,
        }),
    );
    found.map(|()| table.into_inner().done)
}

/// The table as far as it was read.
#[derive(Default)]
struct Table {
    done: SubscriptionTable,
    ids: HashSet<String>,
    /// Source, subject and target of each entry, as they were written.
    written: HashSet<[String; 3]>,
}

/// `{"Subscriptions": [...]}`, alone or as the `Definition` of an answer of AWS.
struct Document<'t> {
    table: &'t RefCell<Table>,
    has_entries: bool,
}

impl<'de> Members<'de> for Document<'_> {
    type Value = ();
    const WHAT: &'static str = "a subscription table";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        let table = self.table;
        match key {
            "Subscriptions" => {
                self.has_entries = true;
                let entry = || EntryReader::new(table);
                members.next_value_seed(Objects(entry)).map(drop)
            }
            "Definition" if !self.has_entries => {
                self.has_entries = true;
                let definition = Document {
                    table,
                    has_entries: false,
                };
                members.next_value_seed(Object(definition))
            }
            "NextToken" => match members.next_value::<Option<IgnoredAny>>()? {
                None => Ok(()),
                Some(_) => Err(A::Error::custom(
                    "`NextToken` says that the table goes on: put all of its parts together",
                )),
            },
            "Arn" | "CreationTimestamp" | "Id" | "Version" => {
                members.next_value::<IgnoredAny>().map(drop)
            }
            _ => {
                let instead = document::instead(key, ["Subscriptions", "Definition"].into_iter());
                Err(A::Error::custom(format!(
                    "`{key}` is not known here; {instead}"
                )))
            }
        }
    }

    fn finish(self) -> Result<(), String> {
        match self.has_entries {
            true => Ok(()),
            false => Err("`Subscriptions` is missing".to_owned()),
        }
    }
}

struct EntryReader<'t> {
    table: &'t RefCell<Table>,
    id: Option<String>,
    source: Option<(String, Named)>,
    subject: Option<String>,
    target: Option<(String, Named)>,
}

impl<'t> EntryReader<'t> {
    fn new(table: &'t RefCell<Table>) -> EntryReader<'t> {
        EntryReader {
            table,
            id: None,
            source: None,
            subject: None,
            target: None,
        }
    }

    fn take_id(&self, id: &str) -> Result<String, String> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if !(1..=128).contains(&id.len()) || !id.bytes().all(is_fine) {
            return Err(format!(
                "`{id}` is no identifier: it has from 1 to 128 letters, digits, `:`, `_` and `-`"
            ));
        }
        let ids = &mut self.table.borrow_mut().ids;
        if !ids.insert(id.to_owned()) {
            return Err(format!("another entry has the identifier `{id}` already"));
        }
        if ids.len() > MAX_ENTRIES {
            return Err(format!("there are more than {MAX_ENTRIES} entries"));
        }
        Ok(id.to_owned())
    }
}

impl<'de> Members<'de> for EntryReader<'_> {
    type Value = ();
    const WHAT: &'static str = "a subscription";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        match key {
            "Id" => {
                let id = members.next_value_seed(Text(|text: &str| self.take_id(text)))?;
                self.id = Some(id);
            }
            "Source" => self.source = Some(members.next_value_seed(Text(party))?),
            "Target" => self.target = Some(members.next_value_seed(Text(party))?),
            "Subject" => {
                self.subject = Some(members.next_value_seed(Text(|text: &str| {
                    subjects::check(text)?;
                    Ok(text.to_owned())
                }))?);
            }
            _ => {
                let known = ["Id", "Source", "Subject", "Target"];
                let instead = document::instead(key, known.into_iter());
                let message = format!("`{key}` is not known here; {instead}");
                return Err(A::Error::custom(message));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        let missing = |key: &str| format!("`{key}` is missing in the entry");
        let id = self.id.ok_or_else(|| missing("Id"))?;
        let (written_source, source) = self.source.ok_or_else(|| missing("Source"))?;
        let subject = self.subject.ok_or_else(|| missing("Subject"))?;
        let (written_target, target) = self.target.ok_or_else(|| missing("Target"))?;
        let table = &mut *self.table.borrow_mut();
        table.done.insert(&id, source, &subject, target);
        // Others may mean the same here, such as `cloud` and `GGShadowService`.
        match table
            .written
            .insert([written_source, subject, written_target])
        {
            true => Ok(()),
            false => Err(format!(
                "the entry `{id}` is there already: same source, subject and target"
            )),
        }
    }
}

/// A `Source` or `Target`, as it is written and as it is understood.
fn party(text: &str) -> Result<(String, Named), String> {
    Ok((text.to_owned(), Named::parse(text)?))
}
