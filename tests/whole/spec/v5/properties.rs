//! The properties of a packet from the gateway.

use super::prop;

/// The properties of a packet, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Properties(Vec<(u8, Value)>);

/// The value of a property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Number(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

impl Properties {
    pub(super) fn push(&mut self, id: u8, value: Value) {
        self.0.push((id, value));
    }

    pub(super) fn has(&self, id: u8) -> bool {
        self.0.iter().any(|(other, _)| *other == id)
    }

    pub(super) fn number(&self, id: u8) -> Option<u32> {
        self.all(id).find_map(|value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    pub(super) fn text(&self, id: u8) -> Option<&str> {
        self.all(id).find_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(super) fn binary(&self, id: u8) -> Option<&[u8]> {
        self.all(id).find_map(|value| match value {
            Value::Binary(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// The user properties in their order.
    pub(super) fn user(&self) -> Vec<(&str, &str)> {
        self.all(prop::USER_PROPERTY)
            .filter_map(|value| match value {
                Value::Pair(name, value) => Some((name.as_str(), value.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The subscription identifiers in ascending order.
    pub(super) fn subscription_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .all(prop::SUBSCRIPTION_ID)
            .filter_map(|value| match value {
                Value::Number(id) => Some(*id),
                _ => None,
            })
            .collect();
        ids.sort_unstable();
        ids
    }

    fn all(&self, id: u8) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |(other, _)| *other == id)
            .map(|(_, value)| value)
    }
}
