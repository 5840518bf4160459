//! Texts with wildcards and variables, as they stand in a policy.

use std::fmt;

use crate::policy::{
    Connection,
    pattern::{Part, Pattern},
    variable::Variable,
};

/// A value that is longer than this is not put in for its variable (AWS IoT, "X.509 certificate
/// policy variable limitations"), and neither is one with a character that means something to
/// policies or to topic filters.
const MAX_VALUE: usize = 1024;
const SPECIAL: [char; 5] = ['*', '$', '+', '?', '#'];

/// How AWS IoT's own guide writes `${*}`, `${?}` and `${$}`; IAM takes neither.
const MISSPELT: [&str; 3] = ["(*)", "(?)", "($)"];

/// A text with wildcards and variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Template(Box<[Piece]>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Box<str>),
    AnyRun,
    AnyOne,
    /// The variable, with the name that it was written with.
    Variable(Variable, Box<str>),
}

/// Which values are put in for variables; each stands for itself, without wildcards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Values {
    /// Short ones without special characters.
    Plain,
    /// All.
    All,
}

/// A variable without a value that is put in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Unresolved {
    /// The name that it was written with.
    name: Box<str>,
    /// Whether it has a value, which is not taken.
    has_value: bool,
}

/// What is special in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Syntax {
    /// Whether `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// Whether `${` begins a variable: not in documents of 2008.
    pub(super) variables: bool,
}

impl Template {
    /// Reads `text`.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Template, String> {
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let behind = &rest[character.len_utf8()..];
            rest = match character {
                '*' if syntax.wildcards => pieces.push(Piece::AnyRun, behind),
                '?' if syntax.wildcards => pieces.push(Piece::AnyOne, behind),
                '$' if syntax.variables && MISSPELT.iter().any(|end| behind.starts_with(end)) => {
                    let letter = &behind[1..2];
                    return Err(format!("`$({letter})` would be `${{{letter}}}`"));
                }
                '$' if syntax.variables && behind.starts_with('{') => {
                    let Some((name, behind)) = behind[1..].split_once('}') else {
                        return Err(format!("`{rest}` is a variable without its `}}`"));
                    };
                    match name {
                        "*" | "?" | "$" => pieces.push_text(name, behind),
                        _ => {
                            let variable = Variable::parse(name)?;
                            pieces.push(Piece::Variable(variable, name.into()), behind)
                        }
                    }
                }
                _ => pieces.push_text(&rest[..character.len_utf8()], behind),
            };
        }
        pieces.end();
        Ok(Template(pieces.done.into()))
    }

    /// Whether it means something else on each connection.
    pub(super) fn has_variables(&self) -> bool {
        let is_variable = |piece: &Piece| matches!(piece, Piece::Variable(..));
        self.0.iter().any(is_variable)
    }

    /// The pattern that it is on `connection`, or a variable that has no value there.
    pub(super) fn resolve(
        &self,
        connection: &Connection<'_>,
        taken: Values,
    ) -> Result<Pattern, Unresolved> {
        let mut values = Vec::new();
        for (name, variable) in self.variables() {
            let value = taken.value(variable, connection);
            values.push(value.ok_or_else(|| {
                let value = variable.value(connection);
                Unresolved {
                    name: name.into(),
                    has_value: value.is_some_and(|value| !value.is_empty()),
                }
            })?);
        }
        let mut values = values.iter();
        Ok(Pattern::new(self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::AnyRun => Part::AnyRun,
            Piece::AnyOne => Part::AnyOne,
            Piece::Variable(..) => Part::Text(values.next().map_or("", String::as_str)),
        })))
    }

    /// The text that it is on `connection`, if it has no wildcards and all variables have values.
    pub(super) fn text(&self, connection: &Connection<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Variable(variable, _) => {
                    text.push_str(&Values::Plain.value(variable, connection)?)
                }
                Piece::AnyRun | Piece::AnyOne => return None,
            }
        }
        Some(text)
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(variable, name) => Some((&**name, variable)),
            _ => None,
        })
    }
}

impl Values {
    /// What is put in for `variable`. Nothing empty is: `a/${x}*` would become `a/*`.
    fn value(self, variable: &Variable, connection: &Connection<'_>) -> Option<String> {
        let value = variable.value(connection)?;
        let is_plain = value.chars().nth(MAX_VALUE).is_none() && !value.contains(SPECIAL);
        let is_taken = !value.is_empty() && (is_plain || self == Values::All);
        is_taken.then(|| value.into_owned())
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unresolved { name, has_value } = self;
        match has_value {
            false => write!(formatter, "there is no value to put in for `${{{name}}}`"),
            true => write!(
                formatter,
                "the value of `${{{name}}}` is not put in: it has more than {MAX_VALUE} \
                 characters or one of `* $ + ? #`"
            ),
        }
    }
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn push<'t>(&mut self, piece: Piece, behind: &'t str) -> &'t str {
        self.end();
        self.done.push(piece);
        behind
    }

    fn push_text<'t>(&mut self, text: &str, behind: &'t str) -> &'t str {
        self.text.push_str(text);
        behind
    }

    fn end(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.done.push(Piece::Text(text.into()));
        }
    }
}
