//! Names with variables in them: `iot-${channel}`.

use std::borrow::Cow;

/// A text with variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(Box<str>),
    Variable(&'static str),
}

impl Template {
    /// Reads a template that may use the variables `known`.
    pub(crate) fn parse(text: &str, known: &[&'static str]) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or(InvalidTemplate::Open)?;
            let variable = known.iter().find(|known| **known == name).ok_or_else(|| {
                InvalidTemplate::Unknown {
                    name: name.chars().take(60).collect(),
                    known: known.join("}, ${"),
                }
            })?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Variable(variable));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }

    /// The text with what `value` has for each variable.
    pub(crate) fn expand<'a>(&self, value: impl Fn(&'static str) -> Cow<'a, str>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Cow::Borrowed(&**text),
            Part::Variable(name) => value(name),
        });
        parts.collect()
    }

    /// Whether the text has the variable `name` in it.
    pub(crate) fn uses(&self, name: &str) -> bool {
        let is_it = |part: &Part| matches!(part, Part::Variable(variable) if *variable == name);
        self.0.iter().any(is_it)
    }
}

/// A text that is no template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum InvalidTemplate {
    /// A variable that does not end.
    #[error("a variable is not closed; write it as in \"iot-${{channel}}\"")]
    Open,
    /// A variable that is none.
    #[error("there is no variable ${{{name}}} here; there are: ${{{known}}}")]
    Unknown {
        /// What was found.
        name: String,
        /// What would be right.
        known: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["channel", "region"];

    fn expand(text: &str) -> String {
        let template = Template::parse(text, KNOWN).unwrap();
        template.expand(|name| format!("<{name}>").into())
    }

    #[test]
    fn variables_are_replaced_and_the_rest_stays() {
        for (text, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("iot-${channel}", "iot-<channel>"),
            ("${region}${channel}-x", "<region><channel>-x"),
            ("$channel $ {channel} }", "$channel $ {channel} }"),
            ("$${channel}", "$<channel>"),
        ] {
            assert_eq!(expand(text), expanded);
        }
    }

    #[test]
    fn what_is_no_variable_is_refused_and_the_right_ones_are_named() {
        let error = |text| Template::parse(text, KNOWN).unwrap_err().to_string();
        assert_eq!(
            error("a-${chanel}"),
            "there is no variable ${chanel} here; there are: ${channel}, ${region}"
        );
        assert_eq!(
            error("a-${channel"),
            "a variable is not closed; write it as in \"iot-${channel}\""
        );
    }
}
