//! The properties of MQTT 5 as a test reads them.

/// Identifiers of properties (2.2.2.2).
pub(crate) mod id {
    pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const SUBSCRIPTION: u8 = 0x0B;
    pub(crate) const SESSION_EXPIRY: u8 = 0x11;
    pub(crate) const WILL_DELAY: u8 = 0x18;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
}

/// The properties of a packet in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Properties(Vec<(u8, Value)>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Value {
    Number(u32),
    /// A text or bytes; of a pair both, one behind the other.
    Text(Vec<u8>),
}

impl Properties {
    /// Reads properties from the beginning of `bytes`, their length before them.
    pub(crate) fn read(bytes: &mut &[u8]) -> Self {
        let length = variable(bytes) as usize;
        let mut own = take(bytes, length);
        let mut properties = Vec::new();
        while !own.is_empty() {
            let id = take(&mut own, 1)[0];
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => {
                    Value::Number(number(&mut own, 1))
                }
                0x13 | 0x21..=0x23 => Value::Number(number(&mut own, 2)),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Number(number(&mut own, 4)),
                0x0B => Value::Number(variable(&mut own)),
                0x26 => Value::Text([text(&mut own), text(&mut own)].concat()),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                    Value::Text(text(&mut own))
                }
                _ => panic!("no property has the identifier {id:#x}"),
            };
            properties.push((id, value));
        }
        Self(properties)
    }

    /// The number of a property that is there at most once.
    pub(crate) fn number(&self, id: u8) -> Option<u32> {
        let numbers = self.numbers(id);
        assert!(numbers.len() < 2, "{self:?}");
        numbers.first().copied()
    }

    /// The numbers of a property, sorted.
    pub(crate) fn numbers(&self, id: u8) -> Vec<u32> {
        let mut numbers: Vec<u32> = self
            .0
            .iter()
            .filter_map(|(other, value)| match value {
                Value::Number(number) if *other == id => Some(*number),
                _ => None,
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// The text of a property.
    pub(crate) fn text(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find_map(|(other, value)| match value {
            Value::Text(text) if *other == id => Some(&text[..]),
            _ => None,
        })
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn number(bytes: &mut &[u8], count: usize) -> u32 {
    let digits = take(bytes, count).iter();
    digits.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn variable(bytes: &mut &[u8]) -> u32 {
    let mut number = 0;
    for shift in (0..28).step_by(7) {
        let byte = take(bytes, 1)[0];
        number |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn text(bytes: &mut &[u8]) -> Vec<u8> {
    let length = number(bytes, 2) as usize;
    take(bytes, length).to_vec()
}
