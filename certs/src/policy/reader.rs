//! Reading a policy document.

use std::sync::Arc;

use serde::de::{Error, MapAccess};

use crate::{
    document::{self, DocumentError, Members, Object, Objects, Text, Texts},
    policy::{
        Connection, Effect, Statement,
        action::Actions,
        condition::{Condition, Operator},
        resource::Resource,
        template::Values,
    },
};

/// A document has at most this many characters, white space aside (AWS IoT, service quotas).
const MAX_CHARACTERS: usize = 2048;

/// The statements of a document.
pub(super) fn read(text: &str) -> Result<Box<[Statement]>, DocumentError> {
    check_size(text)?;
    let mut variables = true;
    // The version may stand behind the statements, but says how they are read.
    let version = document::read(text, Object(Version(&mut variables)));
    let statements = document::read(text, Object(Document::new(variables)))?;
    version.map(|()| statements)
}

fn check_size(text: &str) -> Result<(), DocumentError> {
    let mut place = (1, 0);
    let mut count = 0;
    for character in document::without_mark(text).chars() {
        place = match character {
            '\n' => (place.0 + 1, 0),
            _ => (place.0, place.1 + 1),
        };
        count += usize::from(!character.is_whitespace());
        if count > MAX_CHARACTERS {
            return Err(DocumentError {
                line: place.0,
                column: place.1,
                message: format!(
                    "the document has more than {MAX_CHARACTERS} characters, white space aside; \
                     several policies can be attached instead"
                ),
            });
        }
    }
    Ok(())
}

/// Reads no more than the version: whether there are variables.
struct Version<'a>(&'a mut bool);

impl<'de> Members<'de> for Version<'_> {
    type Value = ();
    const WHAT: &'static str = "a policy document";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        if key != "Version" {
            return members.next_value::<serde::de::IgnoredAny>().map(drop);
        }
        *self.0 = members.next_value_seed(Text(|text: &str| match text {
            "2012-10-17" => Ok(true),
            "2008-10-17" => Ok(false),
            _ => Err(format!(
                "there is no version `{text}`: it would be `2012-10-17`"
            )),
        }))?;
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        Ok(())
    }
}

struct Document {
    variables: bool,
    has_version: bool,
    statements: Option<Vec<Statement>>,
}

impl Document {
    fn new(variables: bool) -> Document {
        Document {
            variables,
            has_version: false,
            statements: None,
        }
    }
}

impl<'de> Members<'de> for Document {
    type Value = Box<[Statement]>;
    const WHAT: &'static str = "a policy document";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        match key {
            "Version" => {
                self.has_version = true;
                members.next_value::<String>().map(drop)
            }
            "Id" => members.next_value::<String>().map(drop),
            "Statement" => {
                let reader = || StatementReader::new(self.variables);
                self.statements = Some(members.next_value_seed(Objects(reader))?);
                Ok(())
            }
            _ => Err(unknown(key, &["Version", "Id", "Statement"])),
        }
    }

    fn finish(self) -> Result<Box<[Statement]>, String> {
        match self.statements {
            Some(_) if !self.has_version => {
                Err("`Version` is missing: it would be `2012-10-17`".to_owned())
            }
            Some(statements) if !statements.is_empty() => Ok(statements.into()),
            Some(_) => Err("there is no statement in `Statement`".to_owned()),
            None => Err("`Statement` is missing".to_owned()),
        }
    }
}

#[derive(Default)]
struct StatementReader {
    variables: bool,
    sid: Option<String>,
    effect: Option<Effect>,
    actions: Option<Vec<Actions>>,
    resources: Option<Vec<Resource>>,
    conditions: Vec<Condition>,
}

impl StatementReader {
    fn new(variables: bool) -> StatementReader {
        StatementReader {
            variables,
            ..StatementReader::default()
        }
    }
}

impl<'de> Members<'de> for StatementReader {
    type Value = Statement;
    const WHAT: &'static str = "a statement";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        let variables = self.variables;
        match key {
            "Sid" => self.sid = Some(members.next_value()?),
            "Effect" => {
                self.effect = Some(members.next_value_seed(Text(|text: &str| match text {
                    "Allow" => Ok(Effect::Allow),
                    "Deny" => Ok(Effect::Deny),
                    _ => Err(format!("`{text}` is neither `Allow` nor `Deny`")),
                }))?);
            }
            "Action" => {
                self.actions = Some(members.next_value_seed(Texts(Actions::parse))?);
            }
            "Resource" => {
                let resource = |text: &str| Resource::parse(text, variables);
                self.resources = Some(members.next_value_seed(Texts(resource))?);
            }
            "Condition" => {
                let reader = Conditions {
                    variables,
                    found: Vec::new(),
                };
                self.conditions = members.next_value_seed(Object(reader))?;
            }
            "NotAction" | "NotResource" | "Principal" | "NotPrincipal" => {
                return Err(A::Error::custom(format!(
                    "`{key}` is not known in policies of AWS IoT; a statement has `Effect`, \
                     `Action` and `Resource`"
                )));
            }
            _ => {
                let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
                return Err(unknown(key, &known));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Statement, String> {
        let missing = |key: &str| format!("`{key}` is missing in the statement");
        let actions = self.actions.ok_or_else(|| missing("Action"))?;
        let resources = self.resources.ok_or_else(|| missing("Resource"))?;
        if actions.is_empty() || resources.is_empty() {
            return Err("the statement is about no `Action` or no `Resource`".to_owned());
        }
        let is_fixed = !resources.iter().any(Resource::has_variables);
        let fixed = is_fixed.then(|| -> Arc<[_]> {
            let nobody = Connection::default();
            resources
                .iter()
                .map(|one| one.target(&nobody, Values::Plain))
                .collect()
        });
        Ok(Statement {
            sid: self.sid.map(String::into_boxed_str),
            effect: self.effect.ok_or_else(|| missing("Effect"))?,
            actions: actions.into_iter().fold(Actions::default(), Actions::and),
            resources: resources.into(),
            conditions: self.conditions.into(),
            fixed,
        })
    }
}

/// `{ operator: { key: values } }`
struct Conditions {
    variables: bool,
    found: Vec<Condition>,
}

impl<'de> Members<'de> for Conditions {
    type Value = Vec<Condition>;
    const WHAT: &'static str = "conditions";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        let keys = Keys {
            operator: Operator::parse(key).map_err(A::Error::custom)?,
            name: key,
            conditions: self,
        };
        members.next_value_seed(Object(keys))
    }

    fn finish(self) -> Result<Vec<Condition>, String> {
        Ok(self.found)
    }
}

/// The keys of one operator.
struct Keys<'a> {
    operator: Operator,
    name: &'a str,
    conditions: &'a mut Conditions,
}

impl<'de> Members<'de> for Keys<'_> {
    type Value = ();
    const WHAT: &'static str = "the keys of a condition";

    fn member<A: MapAccess<'de>>(&mut self, key: &str, members: &mut A) -> Result<(), A::Error> {
        let Conditions { variables, found } = &mut *self.conditions;
        let operator = self.operator;
        let text = format!("`{}` on `{key}`", self.name);
        let key = operator.key(key).map_err(A::Error::custom)?;
        let value = |text: &str| operator.value(text, *variables);
        let values = members.next_value_seed(Texts(value))?;
        found.push(Condition::new(&text, operator, key, values));
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        Ok(())
    }
}

fn unknown<E: Error>(key: &str, known: &[&str]) -> E {
    let instead = document::instead(key, known.iter().copied());
    E::custom(format!("`{key}` is not known here; {instead}"))
}
