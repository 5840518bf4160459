//! The conditions of policies.
//!
//! All of them are about the connection and none about the resource, so they are decided once
//! for a connection. They follow IAM ("IAM JSON policy elements: condition operators"): without
//! a value a condition fails, unless it is a negative one or ends with `IfExists`;
//! `ForAllValues:` holds and `ForAnyValue:` fails where there are no values.

use std::net::IpAddr;

use crate::{
    document,
    policy::{
        Connection,
        template::{Syntax, Template, Values},
        variable::{Key, Variable},
    },
};

/// An operator, such as `ForAllValues:StringEquals`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    set: Option<Set>,
    comparison: Comparison,
    is_negative: bool,
    if_exists: bool,
}

/// How a key with several values is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    IpAddress,
    Bool,
    Null,
}

const OPERATORS: [(&str, Comparison, bool); 10] = [
    ("StringEquals", Comparison::Equals, false),
    ("StringNotEquals", Comparison::Equals, true),
    (
        "StringEqualsIgnoreCase",
        Comparison::EqualsIgnoreCase,
        false,
    ),
    (
        "StringNotEqualsIgnoreCase",
        Comparison::EqualsIgnoreCase,
        true,
    ),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("IpAddress", Comparison::IpAddress, false),
    ("NotIpAddress", Comparison::IpAddress, true),
    ("Bool", Comparison::Bool, false),
    ("Null", Comparison::Null, false),
];

/// How operators of IAM begin that have nothing to compare here.
const ELSEWHERE: [&str; 4] = ["Numeric", "Date", "Arn", "Binary"];

/// One key of one operator, with the values that it is compared with.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    operator: Operator,
    key: Key,
    values: Box<[Value]>,
    /// The operator and key as they were written.
    text: Box<str>,
}

/// What a key is compared with.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Template),
    Network(Network),
    Bool(bool),
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Operator {
    /// The operator with this name.
    pub(super) fn parse(text: &str) -> Result<Operator, String> {
        let (set, name) = match text.split_once(':') {
            Some(("ForAllValues", name)) => (Some(Set::ForAllValues), name),
            Some(("ForAnyValue", name)) => (Some(Set::ForAnyValue), name),
            _ => (None, text),
        };
        let base = name.strip_suffix("IfExists").unwrap_or(name);
        let known = OPERATORS.iter().find(|(other, ..)| *other == base);
        let Some((_, comparison, is_negative)) = known else {
            if ELSEWHERE.iter().any(|start| base.starts_with(start)) {
                return Err(format!(
                    "`{text}` cannot be decided here: a connection has only texts, addresses and \
                     yes or no to compare"
                ));
            }
            let names = OPERATORS.iter().map(|(name, ..)| *name);
            let instead = document::instead(base, names);
            return Err(format!("there is no operator `{text}`; {instead}"));
        };
        if *comparison == Comparison::Null && (set.is_some() || base != name) {
            return Err(format!("`{text}` makes no sense; it would be `Null` alone"));
        }
        Ok(Operator {
            set,
            comparison: *comparison,
            is_negative: *is_negative,
            if_exists: base != name,
        })
    }

    /// The key with this name, if it goes together with the operator.
    pub(super) fn key(self, name: &str) -> Result<Key, String> {
        let key = Key::parse(name)?;
        let is_null = self.comparison == Comparison::Null;
        if key.has_many() && self.set.is_none() && !is_null {
            return Err(format!(
                "`{name}` can have several values: the operator would begin with \
                 `ForAllValues:` or `ForAnyValue:`"
            ));
        }
        let needed = match self.comparison {
            Comparison::IpAddress => Some(("aws:SourceIp", Variable::SourceIp)),
            Comparison::Bool => Some(("iot:Connection.Thing.IsAttached", Variable::IsAttached)),
            _ => None,
        };
        match needed {
            Some((only, variable)) if key != Key::One(variable.clone()) => Err(format!(
                "this operator is for `{only}`, `{name}` is a text: compare it with `StringEquals`"
            )),
            _ => Ok(key),
        }
    }

    /// A value that keys are compared with; `variables` says whether `${` begins a variable.
    pub(super) fn value(self, text: &str, variables: bool) -> Result<Value, String> {
        match self.comparison {
            Comparison::IpAddress => Network::parse(text).map(Value::Network),
            Comparison::Bool | Comparison::Null => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("`{text}` is neither `true` nor `false`")),
            },
            comparison => {
                let wildcards = comparison == Comparison::Like;
                let syntax = Syntax {
                    wildcards,
                    variables,
                };
                Template::parse(text, syntax).map(Value::Text)
            }
        }
    }
}

impl Condition {
    /// The condition that is written as `operator` on `key`.
    pub(super) fn new(text: &str, operator: Operator, key: Key, values: Vec<Value>) -> Condition {
        Condition {
            operator,
            key,
            values: values.into(),
            text: text.into(),
        }
    }

    /// Its operator and key as they were written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds on `connection`.
    pub(super) fn holds(&self, connection: &Connection<'_>) -> bool {
        let Operator {
            set,
            comparison,
            is_negative,
            if_exists,
        } = self.operator;
        let found = self.key.values(connection);
        if comparison == Comparison::Null {
            let is_missing = found.is_empty();
            return self.values.iter().any(|value| value.is(is_missing));
        }
        if found.is_empty() && if_exists {
            return true;
        }
        let is_one = |found: &str| {
            let mut values = self.values.iter();
            values.any(|value| value.fits(found, comparison, connection))
        };
        let mut found = found.iter().map(|found| is_one(found) != is_negative);
        match set {
            None => found.next().unwrap_or(is_negative),
            Some(Set::ForAllValues) => found.all(|fits| fits),
            Some(Set::ForAnyValue) => found.any(|fits| fits),
        }
    }
}

impl Value {
    fn is(&self, answer: bool) -> bool {
        matches!(self, Value::Bool(value) if *value == answer)
    }

    /// Whether a key's value is this one. One with a variable that has no value is no key's.
    fn fits(&self, found: &str, comparison: Comparison, connection: &Connection<'_>) -> bool {
        match self {
            Value::Network(network) => found.parse().is_ok_and(|address| network.has(address)),
            Value::Bool(value) => found == if *value { "true" } else { "false" },
            Value::Text(template) if comparison == Comparison::Like => {
                let pattern = template.resolve(connection, Values::Plain);
                pattern.is_ok_and(|pattern| pattern.matches(found))
            }
            Value::Text(template) => {
                template
                    .text(connection)
                    .is_some_and(|text| match comparison {
                        Comparison::EqualsIgnoreCase => text.to_lowercase() == found.to_lowercase(),
                        _ => text == found,
                    })
            }
        }
    }
}

impl Network {
    /// Reads an address, or one with the number of bits that count: `10.0.0.0/8`.
    fn parse(text: &str) -> Result<Network, String> {
        let wrong = || {
            format!(
                "`{text}` is no address and no network: it would be like `10.1.2.3` or `10.0.0.0/8`"
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        if bits > all {
            return Err(wrong());
        }
        Ok(Network { address, bits })
    }

    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let different = u32::from(own) ^ u32::from(other);
                different.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let different = u128::from(own) ^ u128::from(other);
                different.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
