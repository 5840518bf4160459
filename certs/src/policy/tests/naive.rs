//! Decisions against an evaluator that knows nothing but the document.
//!
//! It walks the JSON for each question, compares character by character, and shares no code
//! with what it checks.

use proptest::{prelude::*, sample::select};
use serde_json::Value;

use super::*;

/// A character of a pattern.
#[derive(Clone, Copy)]
enum Token {
    Is(char),
    One,
    Run,
}

/// What is known of a connection, by its names in policies.
struct Known<'a>(&'a Connection<'a>);

impl Known<'_> {
    fn values(&self, name: &str) -> Vec<String> {
        let Connection {
            client_id,
            source_ip,
            thing,
            is_persistent,
            has_will,
            ..
        } = self.0;
        let one = match name {
            "iot:ClientId" => client_id.map(str::to_owned),
            "aws:SourceIp" => source_ip.map(|address| address.to_string()),
            "iot:Connection.Thing.ThingName" => thing.map(|thing| thing.name.to_string()),
            "iot:Connection.Thing.Attributes[site]" => {
                thing.and_then(|thing| thing.attributes.get("site").cloned())
            }
            "iot:Connection.Thing.IsAttached" => Some(thing.is_some().to_string()),
            "iot:ConnectAttributes" => {
                let mut values = Vec::new();
                if *is_persistent {
                    values.push("PersistentConnect".to_owned());
                }
                if *has_will {
                    values.push("LastWill".to_owned());
                }
                return values;
            }
            _ => panic!("{name}"),
        };
        one.into_iter().collect()
    }

    fn tokens(&self, text: &str, all: bool) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix("${") {
                let (name, behind) = behind.split_once('}').unwrap();
                rest = behind;
                if ["*", "?", "$"].contains(&name) {
                    tokens.push(Token::Is(name.chars().next().unwrap()));
                    continue;
                }
                let value = self.values(name).pop()?;
                let is_special = value.chars().any(|letter| "*$+?#".contains(letter));
                if value.is_empty() || is_special && !all {
                    return None;
                }
                tokens.extend(value.chars().map(Token::Is));
                continue;
            }
            let letter = rest.chars().next().unwrap();
            tokens.push(match letter {
                '*' => Token::Run,
                '?' => Token::One,
                letter => Token::Is(letter),
            });
            rest = &rest[letter.len_utf8()..];
        }
        Some(tokens)
    }

    fn like(&self, pattern: &str, text: &str, all: bool) -> bool {
        let text: Vec<_> = text.chars().collect();
        self.tokens(pattern, all)
            .is_some_and(|tokens| fits(&tokens, &text))
    }

    fn resource(&self, pattern: &str, arn: &str, all: bool) -> bool {
        if pattern == "*" {
            return true;
        }
        let mut pattern = pattern.splitn(6, ':');
        let mut arn = arn.splitn(6, ':');
        (0..6).all(|_| self.like(pattern.next().unwrap(), arn.next().unwrap(), all))
    }

    fn condition(&self, operator: &str, key: &str, wanted: &[&str]) -> bool {
        let (set, operator) = match operator.split_once(':') {
            Some((set, operator)) => (set, operator),
            None => ("", operator),
        };
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let values = self.values(key);
        if values.is_empty() && if_exists {
            return true;
        }
        let equals = |wanted: &str, value: &str| {
            let letters: Vec<_> = value.chars().collect();
            let plain = |token| match token {
                Token::Run => Token::Is('*'),
                Token::One => Token::Is('?'),
                token => token,
            };
            let tokens = self.tokens(wanted, false);
            let tokens = tokens.map(|tokens| tokens.into_iter().map(plain).collect::<Vec<_>>());
            tokens.is_some_and(|tokens| fits(&tokens, &letters))
        };
        let one = |value: &str| match operator {
            "StringEquals" | "Bool" => wanted.iter().any(|wanted| equals(wanted, value)),
            "StringNotEquals" => !wanted.iter().any(|wanted| equals(wanted, value)),
            "StringLike" => wanted.iter().any(|wanted| self.like(wanted, value, false)),
            "StringNotLike" => !wanted.iter().any(|wanted| self.like(wanted, value, false)),
            _ => panic!("{operator}"),
        };
        match (set, values.first()) {
            ("ForAllValues", _) => values.iter().all(|value| one(value)),
            ("ForAnyValue", _) => values.iter().any(|value| one(value)),
            (_, Some(value)) => one(value),
            (_, None) => operator.contains("Not"),
        }
    }

    fn is_about(&self, statement: &Value, action: Action, resource: &str) -> bool {
        let kind = match action {
            Action::Connect => "client",
            Action::Subscribe => "topicfilter",
            Action::Discover => "thing",
            _ => "topic",
        };
        let arn = format!("{ARN}:{kind}/{resource}");
        let is_deny = statement["Effect"] == "Deny";
        let mut conditions = statement["Condition"].as_object().into_iter().flatten();
        texts(&statement["Action"])
            .iter()
            .any(|text| self.like(text, action.name(), false))
            && texts(&statement["Resource"])
                .iter()
                .any(|text| self.resource(text, &arn, is_deny))
            && conditions.all(|(operator, keys)| {
                let mut keys = keys.as_object().unwrap().iter();
                keys.all(|(key, values)| self.condition(operator, key, &texts(values)))
            })
    }

    fn allows(&self, documents: &[Value], action: Action, resource: &str) -> bool {
        let mut is_allowed = false;
        for document in documents {
            for statement in document["Statement"].as_array().unwrap() {
                if self.is_about(statement, action, resource) {
                    if statement["Effect"] == "Deny" {
                        return false;
                    }
                    is_allowed = true;
                }
            }
        }
        is_allowed
    }
}

fn fits(tokens: &[Token], text: &[char]) -> bool {
    match tokens.split_first() {
        None => text.is_empty(),
        Some((Token::Run, rest)) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        Some((Token::One, rest)) => !text.is_empty() && fits(rest, &text[1..]),
        Some((Token::Is(letter), rest)) => text.first() == Some(letter) && fits(rest, &text[1..]),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        value => vec![value.as_str().unwrap()],
    }
}

fn any_action() -> impl Strategy<Value = &'static str> {
    select(vec![
        "*",
        "iot:*",
        "iot:Re*",
        "iot:*Publish",
        "iot:Connect",
        "iot:Publish",
        "iot:Subscribe",
        "iot:Receive",
        "greengrass:Discover",
        "iot:GetThingShadow",
    ])
}

fn any_resource() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "client/",
        "topic/",
        "topicfilter/",
        "thing/",
        "topic*/",
        "*",
    ]);
    let name = select(vec![
        "${iot:ClientId}",
        "${iot:Connection.Thing.ThingName}",
        "${iot:Connection.Thing.Attributes[site]}",
        "${*}",
        "a",
        "b",
        "/",
        "#",
        "*",
        "?",
    ]);
    let place = select(vec![
        "arn:aws:iot:us-east-1:123456789012",
        "arn:aws:iot:*:*",
        "arn:aws:iot:us-*:1234567890*",
        "arn:*:*:us-east-?:123456789012",
    ]);
    let name = prop::collection::vec(name, 1..4).prop_map(|parts| parts.concat());
    let arn = (place, kind, name).prop_map(|(place, kind, name)| format!("{place}:{kind}{name}"));
    prop_oneof![8 => arn, 1 => Just("*".to_owned())]
}

fn any_condition() -> impl Strategy<Value = Value> {
    let set = select(vec!["", "ForAllValues:", "ForAnyValue:"]);
    let operator = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIfExists",
        "StringNotLikeIfExists",
    ]);
    let key = select(vec![
        "iot:ClientId",
        "aws:SourceIp",
        "iot:Connection.Thing.ThingName",
        "iot:Connection.Thing.Attributes[site]",
        "iot:Connection.Thing.IsAttached",
        "iot:ConnectAttributes",
    ]);
    let value = select(vec![
        "a",
        "b",
        "*",
        "a*",
        "true",
        "false",
        "PersistentConnect",
        "LastWill",
        "192.0.2.1",
        "${iot:Connection.Thing.ThingName}",
        "${*}",
    ]);
    let values = prop::collection::vec(value, 1..3);
    (set, operator, key, values).prop_map(|(set, operator, key, values)| {
        let set = match (set, key) {
            ("", "iot:ConnectAttributes") => "ForAnyValue:",
            (set, _) => set,
        };
        serde_json::json!({ format!("{set}{operator}"): { key: values } })
    })
}

fn any_statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let actions = prop::collection::vec(any_action(), 1..3);
    let resources = prop::collection::vec(any_resource(), 1..4);
    let condition = prop::option::weighted(0.3, any_condition());
    let parts = (effect, actions, resources, condition);
    parts.prop_map(|(effect, actions, resources, condition)| {
        let mut statement = serde_json::json!({
            "Effect": effect,
            "Action": actions,
            "Resource": resources,
        });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    })
}

fn any_document() -> impl Strategy<Value = Value> {
    prop::collection::vec(any_statement(), 1..5).prop_map(
        |statements| serde_json::json!({"Version": "2012-10-17", "Statement": statements}),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn permissions_allow_what_the_naive_evaluator_allows(
        documents in prop::collection::vec(any_document(), 1..3),
        client_id in prop::option::of("[ab+*]{1,2}"),
        name in prop::option::of("[ab]{1,2}"),
        site in prop::option::of("[ab#]{0,2}"),
        has_address in any::<bool>(),
        is_persistent in any::<bool>(),
        has_will in any::<bool>(),
        asked in prop::collection::vec("[ab/#*]{0,4}", 8),
    ) {
        let site = site.as_deref().map(|site| ("site", site));
        let own = name.map(|name| thing(&name, None, site.as_slice()));
        let connection = Connection {
            client_id: client_id.as_deref(),
            source_ip: has_address.then(|| "192.0.2.1".parse().unwrap()),
            thing: own.as_ref(),
            certificate: None,
            is_persistent,
            has_will,
        };
        let texts = documents.iter().map(Value::to_string);
        let policies: Vec<_> = texts.map(|text| policy(&text)).collect();
        let permissions = Permissions::new(&policies, &connection, &Scope::default());
        for resource in &asked {
            for action in Action::ALL {
                let expected = Known(&connection).allows(&documents, action, resource);
                let found = permissions.allows(action, resource);
                prop_assert_eq!(found, expected, "{:?} {}", action, resource);
            }
        }
    }
}
