//! Who sends or gets messages by a subscription table.

use std::fmt;

use crate::{document, thing::ThingName};

/// Who sends or gets messages by the table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party<'a> {
    /// A thing.
    Thing(&'a str),
    /// A connector of this kind (`firehose`, `iot-analytics`, ...).
    Connector(&'a str),
    /// The Lambda function with this name: a local program, here.
    Lambda(&'a str),
    /// The gateway itself: what goes to the cloud or comes from it, and shadows.
    Gateway,
}

/// A party that a table names.
#[derive(Clone, Debug)]
pub(super) enum Named {
    Thing(Box<str>),
    Connector(Box<str>),
    Lambda(Box<str>),
    Gateway,
}

impl<'a> Party<'a> {
    /// How many kinds of parties there are.
    pub(super) const KINDS: usize = 4;

    /// The number of its kind, from 0, and its name.
    pub(super) fn key(self) -> (usize, &'a str) {
        match self {
            Party::Thing(name) => (0, name),
            Party::Connector(kind) => (1, kind),
            Party::Lambda(name) => (2, name),
            Party::Gateway => (3, ""),
        }
    }
}

impl fmt::Display for Party<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Thing(name) => write!(formatter, "the thing {name}"),
            Party::Connector(kind) => write!(formatter, "the connector {kind}"),
            Party::Lambda(name) => write!(formatter, "the Lambda function {name}"),
            Party::Gateway => formatter.write_str("the gateway"),
        }
    }
}

impl Named {
    /// Reads a `Source` or `Target`.
    pub(super) fn parse(text: &str) -> Result<Named, String> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let named = match &*parts {
            ["cloud" | "GGShadowService"] => Some(Named::Gateway),
            ["arn", _, "iot", _, _, resource] => Named::thing(resource),
            ["arn", _, "lambda", _, _, resource] => Named::lambda(resource),
            ["arn", _, "greengrass", _, _, resource] => Named::connector(resource),
            _ => None,
        };
        named.ok_or_else(|| {
            let nearest = document::nearest(text, ["cloud", "GGShadowService"].into_iter());
            let instead = nearest.unwrap_or_else(|| {
                "it would be the ARN of a thing, a Lambda function or a connector, `cloud` or \
                 `GGShadowService`"
                    .to_owned()
            });
            format!("`{text}` is nobody; {instead}")
        })
    }

    /// `thing/NAME`
    fn thing(resource: &str) -> Option<Named> {
        let name: ThingName = resource.strip_prefix("thing/")?.parse().ok()?;
        Some(Named::Thing(name.as_str().into()))
    }

    /// `function:NAME`, with or without `:` and a version or alias behind it.
    fn lambda(resource: &str) -> Option<Named> {
        let name = resource.strip_prefix("function:")?;
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        (!name.is_empty()).then(|| Named::Lambda(name.into()))
    }

    /// `/connectors/NAME/versions/1`
    fn connector(resource: &str) -> Option<Named> {
        let (name, version) = resource
            .strip_prefix("/connectors/")?
            .split_once("/versions/")?;
        version.parse::<u32>().ok()?;
        match name {
            "" => None,
            "KinesisFirehose" => Some(Named::Connector("firehose".into())),
            "IoTAnalytics" => Some(Named::Connector("iot-analytics".into())),
            _ => Some(Named::Connector(name.to_ascii_lowercase().into())),
        }
    }

    /// Who it is.
    pub(super) fn party(&self) -> Party<'_> {
        match self {
            Named::Thing(name) => Party::Thing(name),
            Named::Connector(kind) => Party::Connector(kind),
            Named::Lambda(name) => Party::Lambda(name),
            Named::Gateway => Party::Gateway,
        }
    }
}
