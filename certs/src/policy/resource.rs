//! The resources of policies: ARNs with wildcards and variables.

use crate::{
    document,
    policy::{
        Connection,
        pattern::Pattern,
        template::{Syntax, Template, Unresolved, Values},
    },
};

/// Whose resources a policy's ARNs mean. A part that is not given is not compared.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope {
    /// The region, such as `eu-west-1`.
    pub region: Option<String>,
    /// The account's twelve digits.
    pub account: Option<String>,
}

/// What an action is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Client,
    Topic,
    TopicFilter,
    Thing,
}

/// A resource of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Resource {
    /// As it was written.
    text: Box<str>,
    arn: Option<Arn>,
}

/// What an ARN is about; `*` alone has none.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Arn {
    region: Pattern,
    account: Pattern,
    name: Name,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Name {
    /// The names of one kind.
    Of(Kind, Template),
    /// All names.
    Any,
    /// Names together with their kinds, such as `topic*`.
    Whole(Template),
    /// Something of AWS that is not here.
    Elsewhere,
}

/// What a resource is on one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// Everything.
    Anything,
    /// Those of one kind.
    Of(Kind, Pattern),
    /// Those that match together with their kind.
    Whole(Pattern),
    /// Nothing that is here.
    Nothing,
    /// Nothing, because it is of another region or account.
    Foreign,
    /// Nothing, because a variable has no value that is put in.
    Unresolved(Unresolved),
}

const KINDS: [(&str, Option<Kind>); 20] = [
    ("client", Some(Kind::Client)),
    ("topic", Some(Kind::Topic)),
    ("topicfilter", Some(Kind::TopicFilter)),
    ("thing", Some(Kind::Thing)),
    ("authorizer", None),
    ("billinggroup", None),
    ("cacert", None),
    ("cert", None),
    ("command", None),
    ("domainconfiguration", None),
    ("index", None),
    ("job", None),
    ("policy", None),
    ("provisioningtemplate", None),
    ("rolealias", None),
    ("rule", None),
    ("stream", None),
    ("thinggroup", None),
    ("thingtype", None),
    ("tunnel", None),
];

const SHAPE: &str = "it would be `*` or `arn:aws:iot:REGION:ACCOUNT:topic/NAME`";

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Client => "client",
            Kind::Topic => "topic",
            Kind::TopicFilter => "topicfilter",
            Kind::Thing => "thing",
        }
    }

    /// The resource called `name`, as ARNs end.
    pub(super) fn resource(self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }
}

impl Resource {
    /// Reads `*` or an ARN; `variables` says whether `${` begins a variable in it.
    pub(super) fn parse(text: &str, variables: bool) -> Result<Resource, String> {
        let arn = match text {
            "*" => None,
            _ => Some(Arn::parse(text, variables)?),
        };
        Ok(Resource {
            text: text.into(),
            arn,
        })
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means something else on each connection.
    pub(super) fn has_variables(&self) -> bool {
        match self.arn.as_ref().map(|arn| &arn.name) {
            Some(Name::Of(_, name) | Name::Whole(name)) => name.has_variables(),
            Some(Name::Any | Name::Elsewhere) | None => false,
        }
    }

    /// Whether it is one of `scope`.
    pub(super) fn is_in(&self, scope: &Scope) -> bool {
        let fits = |pattern: &Pattern, part: &Option<String>| {
            part.as_ref().is_none_or(|part| pattern.matches(part))
        };
        self.arn.as_ref().is_none_or(|arn| {
            fits(&arn.region, &scope.region) && fits(&arn.account, &scope.account)
        })
    }

    /// What it is on `connection`, with the values of variables that are taken.
    pub(super) fn target(&self, connection: &Connection<'_>, taken: Values) -> Target {
        let Some(arn) = &self.arn else {
            return Target::Anything;
        };
        let target = match &arn.name {
            Name::Of(kind, name) => name
                .resolve(connection, taken)
                .map(|name| Target::Of(*kind, name)),
            Name::Whole(name) => name.resolve(connection, taken).map(Target::Whole),
            Name::Any => Ok(Target::Anything),
            Name::Elsewhere => Ok(Target::Nothing),
        };
        target.unwrap_or_else(Target::Unresolved)
    }
}

impl Arn {
    fn parse(text: &str, variables: bool) -> Result<Arn, String> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, rest @ ..] = &*parts else {
            return Arn::short(text, &parts);
        };
        let Some(resource) = rest.first() else {
            return Arn::short(text, &parts);
        };
        if *arn != "arn" || !is_word(partition, "aws") {
            return Err(format!("`{text}` is no ARN: {SHAPE}"));
        }
        if !is_word(region, "") {
            return Err(format!(
                "`{region}` in `{text}` is no region, such as `eu-west-1`, and not `*`"
            ));
        }
        let is_wild = account.contains(['*', '?']);
        let is_fine = |byte: u8| byte.is_ascii_digit() || is_wild && b"*?".contains(&byte);
        if !(is_wild || account.len() == 12) || !account.bytes().all(is_fine) {
            return Err(format!(
                "`{account}` in `{text}` is no account of twelve digits, and not `*`"
            ));
        }
        let name = match *service {
            "iot" | "*" => Name::parse(resource, variables)?,
            "greengrass" | "iotjobsdata" => Name::Elsewhere,
            _ => {
                let instead = document::instead(service, ["iot", "greengrass"].into_iter());
                return Err(format!(
                    "devices have nothing of the service `{service}` in `{text}`; {instead}"
                ));
            }
        };
        Ok(Arn {
            region: Pattern::with_wildcards(region),
            account: Pattern::with_wildcards(account),
            name,
        })
    }

    /// An ARN that ends early with `*`, which stands for all that is missing.
    fn short(text: &str, parts: &[&str]) -> Result<Arn, String> {
        let missing = 6 - parts.len();
        match parts {
            ["arn", .., "*"] => Arn::parse(&format!("{text}{}", ":*".repeat(missing)), false),
            _ => Err(format!("`{text}` is no ARN, whose parts are six: {SHAPE}")),
        }
    }
}

impl Name {
    fn parse(text: &str, variables: bool) -> Result<Name, String> {
        let syntax = Syntax {
            wildcards: true,
            variables,
        };
        if text == "*" {
            return Ok(Name::Any);
        }
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        if kind.contains(['*', '?', '$']) {
            return Template::parse(text, syntax).map(Name::Whole);
        }
        match KINDS.iter().find(|(other, _)| kind == *other) {
            Some(_) if name.is_empty() => Err(format!("`{text}` has no name behind `{kind}/`")),
            Some((_, Some(kind))) => Ok(Name::Of(*kind, Template::parse(name, syntax)?)),
            Some((_, None)) => Ok(Name::Elsewhere),
            None => {
                let kinds = KINDS.iter().map(|(name, _)| *name);
                let here = kinds.clone().take(4);
                let instead =
                    document::nearest(kind, kinds).unwrap_or_else(|| document::instead(kind, here));
                Err(format!("no resource is a `{kind}`; {instead}"))
            }
        }
    }
}

impl Target {
    /// Whether it holds what is called `name`.
    pub(super) fn holds(&self, kind: Kind, name: &str) -> bool {
        match self {
            Target::Anything => true,
            Target::Of(own, pattern) => *own == kind && pattern.matches(name),
            Target::Whole(pattern) => pattern.matches(&kind.resource(name)),
            Target::Nothing | Target::Foreign | Target::Unresolved(_) => false,
        }
    }
}

/// Whether `text` is a part of an ARN that begins so, wildcards aside.
fn is_word(text: &str, start: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_wild = text.contains(['*', '?']);
    let is_fine = |byte: u8| is_fine(byte) || matches!(byte, b'*' | b'?');
    !text.is_empty() && text.bytes().all(is_fine) && (is_wild || text.starts_with(start))
}
